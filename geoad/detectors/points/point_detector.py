"""What detectors of points share: which points of a scan they see, and how scores of points become a map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoad import _check
from geoad.detectors.base import Detector
from geoad.detectors.points.level import Level
from geoad.detectors.stray import stray_points
from geoad.detectors.unit import is_other_unit
from geoad.geometry.convert import xyz_to_cloud
from geoad.geometry.xyz_image import XYZImage
from geoad.nn.moments import Moments
from geoad.nn.point_graph import join_graphs, point_graph
from geoad.ops._arrays import on_live_cuda
from geoad.ops.farthest_point_sample import farthest_point_sample
from geoad.ops.harmonic_fill import harmonic_fill
from geoad.ops.knn import knn
from geoad.sample import AnomalyMap, Sample
from geoad.training.stage import Batch, Stage, Visit

HELD_AGAINST = 32  # good scans at most, or a score takes longer than the student
WATCHED = 1000  # points of a cloud whose neighbours are looked at for that


class PointDetector(Detector):
    """A detector that gives each of the `points` sampled from a scan a score; its author writes `terms`.

    `points` are kept of each scan by farthest point sampling (all, if there are fewer), each with its `k` nearest
    neighbours. `smooth` times a score is replaced by the mean over the point and its neighbours. All pixels that were
    not sampled get a score by harmonic interpolation (thesis 10.4.1), points of unorganised clouds that of the nearest
    scored. The scan's score is the `image_quantile` of its points' scores; 1 is the thesis's maximum, which one stray
    point decides. `normalise` measures each term of a score against those of good scans at the same place (`Level`):
    the validation scans, or the training scans where there are none, 32 at most. The author's stages end with
    `levels()`; one who prepares more overrides `prepare_on`.

    A prepared sample may hold "described" (n,) bool: the points that have a score. If `trained_spacing` says how far
    apart points and neighbours were in training, a scan where this is quite different raises a warning, once.

    >>> from geoad.geometry.xyz_image import XYZImage
    >>> class Height(PointDetector):
    ...     def terms(self, batch):
    ...         return -batch["points"][:, 2:]
    >>> y, x = np.mgrid[:8, :8] * 1e-3
    >>> scan = Sample(xyz=XYZImage(np.stack([x, y, 0.5 - y], -1)))
    >>> Height(points=20, k=4).map(scan).pixels.shape
    (8, 8)
    """

    def __init__(
        self,
        *,
        points: int = 64_000,
        k: int = 32,
        smooth: int = 0,
        normalise: bool = False,
        image_quantile: float = 1.0,
    ) -> None:
        super().__init__()
        _check.positive(points=points, k=k)
        if points <= k:
            raise ValueError(f"points must be greater than k = {k}, got {points}")
        _check.not_negative(smooth=smooth)
        if not 0 <= image_quantile <= 1:
            raise ValueError(f"image_quantile must lie in [0, 1], got {image_quantile}")
        self.points, self.k, self.smooth, self.image_quantile = points, k, smooth, image_quantile
        self.level = Level() if normalise else None

    def prepare(self, sample: Sample) -> Batch:
        """Return the sampled points, their neighbours, the pixels that they came from, and how many they are."""
        return self.prepare_on(torch.device("cpu"), sample)

    def prepare_on(self, device: torch.device, sample: Sample) -> Batch:
        """Return the same bits on a device, sampled and searched there if it has the kernels."""
        cloud = xyz_to_cloud(sample.scan())
        if len(cloud) <= self.k:
            raise ValueError(f"{sample.place} must have at least k + 1 = {self.k + 1} valid points, got {len(cloud)}")
        points, pixel = _where_kernels_are(device, torch.from_numpy(cloud.points)), torch.from_numpy(cloud.pixel)
        if len(points) > self.points:
            picks = farthest_point_sample(points, self.points, start=_lowest(cloud.points))
            chosen = picks.sort().values  # in the order of the pixels, not of the picks: neighbours lie close in memory
            points, pixel = points[chosen], pixel[chosen.cpu()]
        found = {**point_graph(points, self.k), "pixel": pixel, "sizes": torch.tensor([len(points)])}
        return {name: tensor.to(device) for name, tensor in found.items()}

    def collate(self, items: list[Batch]) -> Batch:
        """Return several clouds as one graph; "sizes" says where one ends and the next begins.

        A single cloud is not copied: a batch is not to be changed in place.
        """
        return join_graphs(items)

    def terms(self, batch: Batch) -> Tensor:
        """Return what adds up to the score of each point, (n, terms)."""
        raise NotImplementedError(f"{type(self).__name__} has no terms(batch)")

    def levels(self) -> Iterator[Stage]:
        """See the scores of good scans, if they are to be compared with them."""
        if self.level is not None:
            yield Visit("scores of good scans", self._see_level, held_out=True)
            self.level.settle()

    def _see_level(self, batch: Batch) -> None:
        known = _described(batch)
        if (odd := self._other_unit(batch)) is not None:
            self.warn_once("unit", f"good scan {int(batch['sample'][0])} (validation: -1, -2, …)", odd)
        assert self.level is not None
        if len(self.level.sizes) < HELD_AGAINST:
            self.level.see(batch["points"][known], self.terms(batch)[known])

    def errors(self, batch: Batch) -> Tensor:
        """Return the score of each point, (n,), before it is smoothed."""
        terms, points = self.terms(batch), batch["points"]
        if self.level is not None:
            terms = self.level.without(points[_described(batch)]).relative(points, terms)
        return terms.sum(1)

    def scores(self, batch: Batch) -> Tensor:
        """Return the score of each point, (n,), smoothed."""
        scores = self.errors(batch)
        for _ in range(self.smooth):
            index, known = batch["index"].long(), batch.get("described", torch.ones_like(scores, dtype=torch.bool))
            scores = scores * known
            scores = (scores + scores[index].sum(1)) / (known + known[index].sum(1)).clamp(min=1)
        return scores

    @property
    def trained_spacing(self) -> float | None:
        """The mean distance of points to their k neighbours in the training scans, if the method has measured it."""
        return None

    def _other_unit(self, batch: Batch) -> str | None:
        """Return what to tell of a cloud whose points are not in the unit of the training scans."""
        trained, every = self.trained_spacing, max(1, len(batch["points"]) // WATCHED)
        if trained is None:
            return None
        offsets = batch["points"][::every, None] - batch["points"][batch["index"][::every].long()]
        own = float(offsets.norm(dim=-1).mean())
        if not is_other_unit(own, trained):
            return None
        return f"has neighbours {own:.2g} apart, which were {trained:.2g} in training: metres against millimetres?"

    def see_unit(self, batch: Batch, spacing: float) -> None:
        """Warn of a training scan with stray points, or in another unit than others: a stage calls this once a scan."""
        if (stray := stray_points(batch["points"].cpu().numpy())) is not None:
            told = f"{stray}: the scale of distances and of features follows it: remove it"
            self.warn_of_training("stray", batch, told)
        else:
            self.compare_unit(batch, spacing, "neighbours {} apart")

    def map(self, sample: Sample) -> AnomalyMap:
        """Return the scores of all pixels of a scan."""
        batch = self.prepare(sample) if self.device.type == "cpu" else self.prepare_on(self.device, sample)
        if (odd := self._other_unit(batch)) is not None:
            self.warn_once("unit", sample.place, odd)
        known = _described(batch)
        return self.spread(sample, self.scores(batch)[known].float(), batch["pixel"][known])

    def spread(self, sample: Sample, scores: Tensor, pixel: Tensor) -> AnomalyMap:
        """Return the map that follows from scores (m,) at the pixels (m,) of a scan, filled where they are."""
        if strange := int((~scores.isfinite()).sum()):
            told = f"{strange} points whose scores are no finite numbers, as of points far from all others: remove them"
            raise ValueError(f"{sample.place} has {told}")
        image_score, scan = float(np.quantile(scores.cpu().numpy(), self.image_quantile)), sample.scan()
        if not scan.organised:
            pixels = _nearest(scan, scores.cpu().numpy(), pixel.cpu().numpy())
            return AnomalyMap(pixels, scan.valid, image_score)
        scores = _where_kernels_are(scores.device, scores)
        pixel, values = pixel.to(scores.device), scores.new_zeros(scan.valid.size)
        known = torch.zeros_like(values, dtype=torch.bool)
        values[pixel], known[pixel] = scores, True
        filled = harmonic_fill(values.view(sample.shape), known.view(sample.shape))
        return AnomalyMap(filled.cpu().numpy(), scan.valid, image_score)


def check_varied(moments: Iterable[Moments]) -> None:
    """Raise ValueError if a teacher never varied in the training set, at any size of neighbourhood.

    >>> varied = Moments(1)
    >>> varied.see(torch.tensor([[1.0], [2.0]]))
    >>> check_varied([varied, Moments(1)])
    """
    if not any(bool(each.varies.any()) for each in moments):
        raise ValueError("the teacher describes all points of all training scans alike: it has nothing to teach")


def _where_kernels_are(device: torch.device, values: Tensor) -> Tensor:
    """Return a tensor on a device, or on the CPU if the kernels for that one were not built."""
    there = values.to(device)
    return there if on_live_cuda(there) else values.cpu()


def _lowest(points: NDArray[np.float32]) -> int:
    """Return the point of lowest x, among several that of lowest y, then z: one that the numbering has no say in."""
    x = points[:, 0]
    rows = np.flatnonzero(x == x.min())  # few: to gather the other axes of all points takes longer than this
    for axis in (1, 2):
        values = points[rows, axis]
        rows = rows[values == values.min()]
    return int(rows[0])


def _described(batch: Batch) -> Tensor | slice:
    """Return which points of a batch have a score."""
    return batch.get("described", slice(None))


def _nearest(scan: XYZImage, scores: NDArray[np.float32], pixel: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give each point of a one-row scan the score of the nearest scored point, invalid ones the lowest score."""
    points, valid = scan.xyz.reshape(-1, 3), scan.valid.ravel()
    filled = np.full(len(points), scores.min(), np.float32)
    filled[valid] = scores[knn(points[pixel], 1, queries=points[valid]).index[:, 0]]
    return filled.reshape(scan.shape)
