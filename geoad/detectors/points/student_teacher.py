"""3D-ST: a student regresses a pretrained teacher's point descriptors on good parts only (thesis chapter 10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, distributed, nn

from geoad import _check
from geoad.detectors.points.foreign_teacher import Describe, ForeignTeacher, is_foreign
from geoad.detectors.points.kept_targets import KeptTargets
from geoad.detectors.points.patch_centres import PatchCentres
from geoad.detectors.points.point_detector import PointDetector, check_varied
from geoad.detectors.points.scale import Scale
from geoad.detectors.points.teacher_network import K, teacher_network
from geoad.detectors.unit import check_spacing
from geoad.nn.cone import Cone
from geoad.nn.local_features import LocalFeatures
from geoad.nn.rotation import random_rotation
from geoad.sample import Sample
from geoad.training.optimizer import OPTIMIZERS, make_optimizer
from geoad.training.stage import Batch, Descend, Stage, Update, Visit

STEPS = 3000
KEPT_TARGETS = 2e9  # bytes of teacher features that all processes keep in memory instead of computing them again


class StudentTeacher3D(PointDetector):
    """3D-ST on XYZ images and point clouds; colour is not used.

    `teacher` is the name of a shipped teacher or the path of one that `geoad pretrain` wrote. `points`, `k`, `smooth`,
    `normalise`, `image_quantile`, and how pixels get scores, are those of `PointDetector`; `k` is by default that of
    the teacher's pretraining (32 for those shipped). The student is trained for `steps`, for `epochs` (given both:
    `steps`) or, where neither is given, for 3000 steps however many scans there are. The state of lowest validation
    loss is kept, measured every `validate_every` steps (None: every epoch) and at the end. `decay` lets the learning
    rate fall linearly to zero over the last half.

    A point's error is squared, between the student's features and the teacher's normalised ones (eq. 10.6); its score
    is how far that exceeds the errors of good scans at the same place (`normalise`), smoothed.

    `thesis()` has the thesis's training and scores (10.4.1), 100 epochs and the error itself. With 24 training scans
    the defaults take a seventh of the time, and find more, in all categories of sim3d (docs/3d-st.md): `patch` trains
    on what lies within so many hops of a random point of each cloud instead of on whole clouds, at a fraction of the
    cost a step (of a cloud of some hundred points it is all). Points are drawn in proportion to the squared norm of the
    teacher's features, so that a part is seen more often than the table it lies on (evenly with `rotate`, where these
    change); several devices draw each their own. `clip` limits the teacher's normalised features to so many deviations:
    a few isolated points otherwise hold a large share of all errors. `optimizer="muon"` (`Muon`) takes fewer steps than
    Adam, whose rate in the thesis is 0.001.

    The ablations of 10.4.3: `teacher="random"` has learnt nothing, the trainer's seed draws its weights; `width`,
    `blocks` and `coordinates` ("relative", "absolute") make it, and the student like it (those of a pretrained teacher
    are in its file). `rotate` turns each training cloud at random. Any function from points (n, 3) float32 to
    descriptors (n, d), or the text "package.module:function", teaches in the network's place: it is called once a scan,
    and may give NaN for points that it has no descriptor for. These have no loss, and their scores are interpolated.

    Beyond the thesis and off by default: `students` is the size of an ensemble; several values of `k` are several
    students, whose scores add up.

    >>> from geoad.geometry.xyz_image import XYZImage
    >>> import numpy as np
    >>> from geoad.sample import Sample
    >>> y, x = np.mgrid[:24, :24] * 1e-3
    >>> hill = np.exp(-((x - 0.01) ** 2 + (y - 0.01) ** 2) / 2e-5)
    >>> scan = lambda height: Sample(xyz=XYZImage(np.stack([x, y, 0.5 - height * hill], -1)))
    >>> detector = StudentTeacher3D(**StudentTeacher3D.tiny()).fit([scan(0.001), scan(0.0011)])
    >>> detector.score(scan(0.004)).score > detector.score(scan(0.00105)).score
    True
    """

    def __init__(
        self,
        *,
        teacher: str | Describe = "3d-st-64",
        points: int = 64_000,
        k: int | Sequence[int] | None = None,
        epochs: int | None = None,
        steps: int | None = None,
        batch_size: int = 1,
        optimizer: str = "muon",
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-5,
        decay: bool = True,
        select: Literal["last", "best"] = "best",
        validate_every: int | None = 500,
        rotate: bool = False,
        width: int | None = None,
        blocks: int | None = None,
        coordinates: str | None = None,
        patch: int | None = 12,
        clip: float | None = 5.0,
        students: int = 1,
        normalise: bool = True,
        smooth: int = 2,
        image_quantile: float = 1.0,
    ) -> None:
        shape: dict[str, Any] = {"width": width, "blocks": blocks, "coordinates": coordinates}
        shape = {name: value for name, value in shape.items() if value is not None}
        foreign = ForeignTeacher(teacher) if is_foreign(teacher) else None
        made = None if foreign else teacher_network(str(teacher), **shape)
        k = k if k is not None else K if made is None else made.k
        sizes = sorted(k) if isinstance(k, Sequence) else [k]
        if not sizes:
            raise ValueError("k must hold at least one number, got none")
        if not all(hasattr(size, "__index__") for size in sizes):
            raise TypeError(f"k must be whole numbers, got {k!r}")
        super().__init__(points=points, k=sizes[-1], smooth=smooth, normalise=normalise, image_quantile=image_quantile)
        _check.positive(k=sizes[0], students=students, learning_rate=learning_rate)
        _check.positive(clip=clip)
        _check.not_negative(patch=patch, weight_decay=weight_decay)
        _check.one_of("optimizer", optimizer, OPTIMIZERS)
        self.optimizer = optimizer
        if steps is not None or epochs is None:
            epochs, steps = None, STEPS if steps is None else steps
        self.epochs, self.steps, self.batch_size = epochs, steps, batch_size
        self.learning_rate, self.weight_decay, self.decay = learning_rate, weight_decay, decay
        self.select, self.validate_every = select, validate_every
        self.rotate, self.patch, self.clip = rotate, patch, clip
        self.foreign, self.teacher = foreign, None if made is None else made.network
        self.resolved = {"k": k, "epochs": epochs, "steps": steps}
        if self.foreign is not None and rotate:
            raise ValueError(f"rotate=True needs a network to teach, got the function {self.foreign.name}")
        self.scales = nn.ModuleList(Scale(size, students, partial(self._student, shape)) for size in sizes)
        self._forget()
        self._student_stage().check()

    @classmethod
    def tiny(cls) -> dict[str, Any]:
        """Return keywords for a first try: some seconds on eight small scans."""
        return {"points": 512, "k": 16, "steps": 60}

    @classmethod
    def thesis(cls) -> dict[str, Any]:
        """Return keywords for the thesis's training and scores (10.4.1): 100 epochs of Adam on whole clouds."""
        training = {"optimizer": "adam", "learning_rate": 1e-3, "epochs": 100, "decay": False, "validate_every": None}
        return {**training, "patch": None, "clip": None, "normalise": False, "smooth": 0}

    def _student(self, shape: dict[str, Any]) -> LocalFeatures:
        """Return a student like the teacher, or of the shape that was asked for, open to whatever a function says."""
        if self.teacher is None:
            return LocalFeatures(**shape, outputs=0)
        width, outputs = self.teacher.width, self.teacher.outputs
        own = None if outputs == width else outputs
        return LocalFeatures(width, len(self.teacher.blocks), self.teacher.coordinates, outputs=own)

    @property
    def trained_spacing(self) -> float:
        """s of eq. (10.4)."""
        return float(list(self._scales())[-1].spacing.mean[0])

    def prepare_on(self, device: torch.device, sample: Sample) -> Batch:
        """Return what every detector of points does, and what a foreign teacher says of these."""
        prepared = super().prepare_on(device, sample)
        if self.foreign is None:
            return prepared
        described = self.foreign.describe(prepared["points"].cpu().numpy(), sample.place)
        return {**prepared, **{name: tensor.to(device) for name, tensor in described.items()}}

    def stages(self) -> Iterator[Stage]:
        """Measure s and the teacher's moments on the training set, then train the students."""
        self._forget()
        yield Visit("neighbour distance", self._see_spacing)
        check_spacing("training scans", self.trained_spacing)
        yield Visit("teacher statistics", self._see_teacher)
        check_varied([scale.moments for scale in self._scales()])
        processes = distributed.get_world_size() if distributed.is_initialized() else 1
        self._targets = KeptTargets(KEPT_TARGETS / processes, disk=self.device.type == "cpu")
        try:
            yield self._student_stage()
        finally:
            self._forget()
        yield from self.levels()

    def _forget(self) -> None:
        """Let go of what was kept of the clouds of a training."""
        self._targets, self._patches = KeptTargets(0, disk=False), PatchCentres()

    def _student_stage(self) -> Descend:
        update = Update(self.scales, self.loss, self._optimizer)
        return Descend(
            "student",
            [update],
            epochs=self.epochs,
            steps=self.steps,
            batch_size=self.batch_size,
            select=self.select,
            validate_every=self.validate_every,
        )

    def _optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        rules: dict[str, Any] = {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        if self.decay:
            scans = int(next(self._scales()).spacing.count)
            rules["steps"] = self._student_stage().total_steps(scans)
        return make_optimizer(parameters, self.optimizer, **rules)

    def _see_spacing(self, batch: Batch) -> None:
        own = [scale.see_spacing(batch) for scale in self._scales()]
        self.see_unit(batch, own[-1])

    def _see_teacher(self, batch: Batch) -> None:
        for scale in self._scales():
            scale.see_features(_with_descriptor(self._describe(scale, batch), batch))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean over clouds, points and students of the squared error (eq. 10.5)."""
        if self.rotate and self.training:
            clouds = torch.split(batch["points"], batch["sizes"].tolist())
            batch = {**batch, "points": torch.cat([cloud @ random_rotation(cloud) for cloud in clouds])}
        centres = None
        if self.patch is not None and self.training:
            centres = self._centres(batch)
        return {"total": torch.stack([self._loss(scale, batch, centres) for scale in self._scales()]).mean()}

    def _centres(self, batch: Batch) -> Tensor:
        """Draw a point of each cloud by the squared norm of what the teacher says of it; evenly where that changes."""
        points = batch["points"]
        known = batch.get("described", torch.ones_like(points[:, 0], dtype=torch.bool))

        def norms() -> Tensor:
            return torch.where(known, self._targets_of(next(self._scales()), batch, None).square().sum(1), 0)

        return self._patches.draw(batch, (lambda: known.to(points)) if self.rotate else norms, known.to(points))

    def _loss(self, scale: Scale, batch: Batch, centres: Tensor | None) -> Tensor:
        part = None if centres is None else scale.patch(batch, centres, self.patch or 0)
        error = (scale.predict(batch, part) - self._targets_of(scale, batch, part)).square().sum(-1).mean(0)
        # Clouds weigh alike, however many points they have.
        return torch.stack([cloud.mean() for cloud in _clouds(error, batch, part)]).mean()

    def terms(self, batch: Batch) -> Tensor:
        """Return what adds up to the error of each point (eq. 10.6), (n, terms), over all students and sizes of k."""
        return torch.cat([scale.terms(scale.predict(batch), self._target(scale, batch)) for scale in self._scales()], 1)

    @torch.no_grad()
    def _target(self, scale: Scale, batch: Batch, part: Cone | None = None) -> Tensor:
        """Return the teacher's normalised features of the batch, or of the points that a part of it describes."""
        features = scale.moments.normalise(self._describe(scale, batch, part))
        return features if self.clip is None else features.clamp(-self.clip, self.clip)

    def _describe(self, scale: Scale, batch: Batch, part: Cone | None = None) -> Tensor:
        """Return what the teacher, whoever it is, says of the batch, or of the points that a part of it describes."""
        if self.teacher is not None:
            features: Tensor = self.teacher(*scale.seen(batch, part))
            return features
        features, trained = batch["features"], len(scale.moments.mean)
        if trained and features.shape[1] != trained:
            assert self.foreign is not None
            got = f"{trained} numbers a point as for the first scan, got {features.shape[1]}"
            raise ValueError(f"teacher {self.foreign.name} must return {got}")
        return features if part is None else features[part.described]

    def _targets_of(self, scale: Scale, batch: Batch, part: Cone | None) -> Tensor:
        """Return the features to learn, kept or computed, of the batch or of the points that a part of it describes."""
        turned = self.rotate and self.training
        if self.teacher is None or turned or len(batch["sizes"]) > 1:  # what a function says is in the prepared samples
            return self._target(scale, batch, part)
        key, size = (scale.k, int(batch["sample"].flatten()[0])), 4 * len(batch["points"]) * self.teacher.outputs
        whole = self._targets.get(key, size, lambda: self._target(scale, batch))
        if whole is None:
            return self._target(scale, batch, part)
        return whole if part is None else whole[part.described]

    def _scales(self) -> Iterator[Scale]:
        for scale in self.scales:
            assert isinstance(scale, Scale)
            yield scale


def _with_descriptor(values: Tensor, batch: Batch, part: Cone | None = None) -> Tensor:
    """Return the rows of the points that have a descriptor, of all points or of those that `part` describes."""
    if "described" not in batch:
        return values
    return values[batch["described"] if part is None else batch["described"][part.described]]


def _clouds(values: Tensor, batch: Batch, part: Cone | None) -> list[Tensor]:
    """Return the rows of each cloud of a batch: of its points that have a descriptor, of all or of those of a part."""
    values, sizes = _with_descriptor(values, batch, part), batch["sizes"].to(values.device)
    if len(sizes) == 1:
        return [values]
    number = torch.repeat_interleave(torch.arange(len(sizes), device=values.device), sizes)
    number = _with_descriptor(number if part is None else number[part.described], batch, part)
    return [values[number == cloud] for cloud in range(len(sizes))]
