"""3D-ST: a student regresses a pretrained teacher's point descriptors on good parts only (thesis chapter 10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoad import _check
from geoad.descriptors.teacher import load_teacher
from geoad.detectors.base import Detector
from geoad.geometry.convert import scores_to_pixels, xyz_to_cloud
from geoad.nn.local_features import LocalFeatures
from geoad.nn.moments import Moments
from geoad.nn.point_graph import join_graphs, neighbour_distance, point_graph
from geoad.ops.farthest_point_sample import farthest_point_sample
from geoad.ops.harmonic_fill import harmonic_fill
from geoad.ops.knn import knn
from geoad.sample import AnomalyMap, Sample
from geoad.training.stage import Descend, Stage, Update, Visit

KEPT_TARGETS = 2e9  # bytes of teacher features that are kept instead of computed again each epoch


class StudentTeacher3D(Detector):
    """3D-ST on XYZ images and point clouds; colour is not used.

    `teacher` is the name of a shipped teacher or the path of one that `geoad pretrain` wrote. `points` are kept of
    each scan by farthest point sampling (all, if there are fewer), each with its `k` nearest neighbours. The student
    is trained for `epochs` (or `steps`) with Adam and the state of lowest validation loss is kept. `decay` lets the
    learning rate fall linearly to zero over the last half. `rotate` is an ablation: each training cloud is rotated at
    random. The defaults are the thesis's (10.4.1) for d = 64.

    A point's score is the squared error between the student's features and the teacher's normalised ones (eq. 10.6).
    All other pixels get a score by harmonic interpolation, points of unorganised clouds that of the nearest scored.

    >>> from geoad.geometry.xyz_image import XYZImage
    >>> y, x = np.mgrid[:24, :24] * 1e-3
    >>> hill = np.exp(-((x - 0.01) ** 2 + (y - 0.01) ** 2) / 2e-5)
    >>> scan = lambda height: Sample(xyz=XYZImage(np.stack([x, y, 0.5 - height * hill], -1)))
    >>> detector = StudentTeacher3D(**StudentTeacher3D.tiny()).fit([scan(0.001), scan(0.0011)])
    >>> detector.score(scan(0.004)).score > detector.score(scan(0.00105)).score
    True
    """

    spacing_sum: Tensor
    spacing_count: Tensor

    def __init__(
        self,
        *,
        teacher: str = "3d-st-64",
        points: int = 64_000,
        k: int = 32,
        epochs: int = 100,
        steps: int | None = None,
        batch_size: int = 1,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-5,
        decay: bool = False,
        select: str = "best",
        rotate: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (("points", points), ("k", k), ("epochs", epochs), ("batch_size", batch_size)):
            _check.positive(name, value)
        if points <= k:
            raise ValueError(f"points must be greater than k = {k}, got {points}")
        self.points, self.k, self.epochs, self.steps, self.batch_size = points, k, epochs, steps, batch_size
        self.learning_rate, self.weight_decay, self.decay = learning_rate, weight_decay, decay
        self.select, self.rotate = select, rotate
        self.teacher = load_teacher(teacher).network
        self.student = LocalFeatures(self.teacher.width, len(self.teacher.blocks), self.teacher.coordinates)
        self.moments = Moments(self.teacher.width)
        self.register_buffer("spacing_sum", torch.zeros((), dtype=torch.float64))
        self.register_buffer("spacing_count", torch.zeros((), dtype=torch.float64))
        self._targets: dict[int, Tensor] = {}

    @classmethod
    def tiny(cls) -> dict[str, Any]:
        """Return keywords for a first try: some seconds on eight small scans."""
        return {"points": 512, "k": 16, "steps": 60}

    def prepare(self, sample: Sample) -> dict[str, Tensor]:
        """Return the sampled points, their neighbours and the pixels that they came from."""
        if sample.xyz is None:
            raise ValueError(f"{sample.path or sample.name or 'sample'}: 3d-st needs xyz, got only colour")
        cloud = xyz_to_cloud(sample.xyz)
        if len(cloud) <= self.k:
            where = sample.path or sample.name or "sample"
            raise ValueError(f"{where}: 3d-st needs at least k + 1 = {self.k + 1} valid points, got {len(cloud)}")
        if len(cloud) > self.points:
            # In the order of the pixels, not of the picks: neighbours lie close in memory.
            cloud = cloud.take(np.sort(farthest_point_sample(cloud.points, self.points)))
        return {**point_graph(cloud.points, self.k), "pixel": torch.from_numpy(cloud.pixel)}

    def collate(self, items: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return several clouds as one graph; each cloud's points weigh alike."""
        return join_graphs(items)

    def stages(self) -> Iterator[Stage]:
        """Measure s and the teacher's moments on the training set, then train the student."""
        yield Visit("neighbour distance", self._see_spacing)
        yield Visit("teacher statistics", self._see_teacher)
        update = Update(self.student, self.loss, self._optimizer)
        length = {"epochs": self.epochs} if self.steps is None else {"steps": self.steps}
        yield Descend("student", [update], batch_size=self.batch_size, select=self.select, **length)  # type: ignore[arg-type]
        self._targets.clear()

    def _optimizer(self, parameters: Any) -> torch.optim.Optimizer:
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate, weight_decay=self.weight_decay)
        if self.decay:
            optimizer.register_step_post_hook(self._lower_rate)
        return optimizer

    def _lower_rate(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Set the rate of the next step: constant for the first half, then linear to zero."""
        first = optimizer.param_groups[0]["params"][0]
        done = float(optimizer.state[first]["step"])
        total = self.steps or self.epochs * -(-int(self.spacing_count) // self.batch_size)
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate * min(1.0, 2 * (1 - done / total))

    @property
    def scale(self) -> Tensor:
        """1 / s, the mean neighbour distance over the training set (eq. 10.4)."""
        scale: Tensor = self.spacing_count / self.spacing_sum
        return scale

    def _see_spacing(self, batch: dict[str, Tensor]) -> None:
        self.spacing_sum += neighbour_distance(batch["points"], batch["index"])
        self.spacing_count += 1

    def _see_teacher(self, batch: dict[str, Tensor]) -> None:
        self.moments.see(self.teacher(batch["points"], batch["index"], self.scale))

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean over the points of the squared error (eq. 10.5)."""
        points = batch["points"]
        if self.rotate and self.training:
            points = points @ _rotation(points)
            target = self._target(points, batch["index"])
        else:
            target = self._kept_target(batch)
        error = self.student(points, batch["index"], self.scale) - target
        return {"total": error.square().sum(1).mean()}

    def errors(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the squared error of each point, (n,) (eq. 10.6)."""
        target = self._target(batch["points"], batch["index"])
        errors: Tensor = (self.student(batch["points"], batch["index"], self.scale) - target).square().sum(1)
        return errors

    @torch.no_grad()
    def _target(self, points: Tensor, index: Tensor) -> Tensor:
        return self.moments.normalise(self.teacher(points, index, self.scale))

    def _kept_target(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the teacher's normalised features, computed once a sample while they fit in memory."""
        positions = batch["sample"].flatten().tolist()
        key = positions[0] if len(positions) == 1 else None
        if key is None or key not in self._targets:
            target = self._target(batch["points"], batch["index"])
            if key is not None and (len(self._targets) + 1) * target.numel() * target.element_size() <= KEPT_TARGETS:
                self._targets[key] = target
            return target
        return self._targets[key]

    def map(self, sample: Sample) -> AnomalyMap:
        """Return the scores of all pixels of a scan."""
        batch = {name: tensor.to(self.device) for name, tensor in self.prepare(sample).items()}
        scores, pixel = self.errors(batch).cpu().numpy(), batch["pixel"].cpu().numpy()
        assert sample.xyz is not None  # prepare has seen to it
        if not sample.xyz.organised:
            return AnomalyMap(_nearest(sample.xyz.xyz, scores, pixel), sample.xyz.valid)
        known = np.zeros(sample.shape, bool)
        known.flat[pixel] = True
        return AnomalyMap(harmonic_fill(scores_to_pixels(scores, pixel, sample.shape), known), sample.xyz.valid)


def _nearest(xyz: NDArray[np.float32], scores: NDArray[np.float32], pixel: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give each point of a one-row scan the score of the nearest scored point, invalid ones the lowest score."""
    points = xyz.reshape(-1, 3)
    index = knn(points[pixel], 1, queries=points).index[:, 0]
    filled: NDArray[np.float32] = np.where(index >= 0, scores[index], scores.min()).astype(np.float32)
    return filled.reshape(xyz.shape[:2])


def _rotation(like: Tensor) -> Tensor:
    """Return a random rotation, uniform on SO(3): the orthogonal factor of a normal matrix, without reflections."""
    q, r = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    q *= r.diagonal().sign()
    turn: Tensor = (q * torch.linalg.det(q)).to(like)
    return turn
