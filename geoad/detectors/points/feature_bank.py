"""A memory bank of the 3D-ST teacher's features: what is far from everything good is anomalous; nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from geoad import _check
from geoad.descriptors.teacher import Teacher
from geoad.detectors.points.point_detector import PointDetector, check_varied
from geoad.detectors.unit import check_spacing
from geoad.nn.moments import Moments
from geoad.nn.point_graph import neighbour_distance
from geoad.training.stage import Batch, Stage, Visit

ROUNDING = 1e-5
BLOCK = {"cpu": 512, "cuda": 8192}  # rows and columns of a block of distances; 1 MB stays in a core's cache


def nearest_sq_dist(features: Tensor, bank: Tensor) -> Tensor:
    """Return the squared distance of each row of (n, d) to the nearest row of (m, d), (n,), from |a|² − 2ab + |b|².

    It is 0 below `ROUNDING` |a|², where such a difference has no digits.

    >>> nearest_sq_dist(torch.tensor([[0.0, 1.0], [5.0, 0.0]]), torch.tensor([[0.0, 0.0], [4.0, 0.0]]))
    tensor([1., 1.])
    """
    block = BLOCK.get(features.device.type, BLOCK["cuda"])
    nearest = features.new_full((len(features),), torch.inf, dtype=torch.float32)
    with torch.autocast(features.device.type, enabled=False):  # the difference has no digits to lose
        features, bank = features.float(), bank.float()
        for others in torch.split(bank, block):
            lengths = others.square().sum(1)
            for rows, best in zip(torch.split(features, block), torch.split(nearest, block), strict=True):
                torch.minimum(best, torch.addmm(lengths, rows, others.T, alpha=-2).amin(1), out=best)
        lengths = features.square().sum(1)
        sq_dist = nearest + lengths
        return sq_dist.masked_fill(sq_dist < ROUNDING * lengths, 0)  # NaN and inf stay


class FeatureBank(PointDetector):
    """The squared distance of a point's teacher features to the nearest of `bank` features of good scans.

    Features are those of `3d-st`: of the sampled `points` with their `k` neighbours (by default as many as the teacher
    was pretrained with), in units of s (eq. 10.4), each channel with mean 0 and deviation 1 over the training set. The
    bank is drawn at random, every scan with the same share; what is in it scores 0, so `normalise` wants validation
    scans. The other keywords are those of `PointDetector`.

    >>> from geoad.checks import synthetic_scan
    >>> detector = FeatureBank(**FeatureBank.tiny()).fit([synthetic_scan(seed) for seed in range(3)])
    >>> detector.bank.shape, detector.score(synthetic_scan(3)).pixels.shape
    (torch.Size([501, 64]), (32, 40))
    """

    bank: Tensor

    def __init__(
        self,
        *,
        teacher: str = "3d-st-64",
        points: int = 64_000,
        k: int | None = None,
        bank: int = 20_000,
        smooth: int = 0,
        normalise: bool = False,
        image_quantile: float = 1.0,
    ) -> None:
        made = Teacher.from_pretrained(teacher)
        k = made.k if k is None else k
        super().__init__(points=points, k=k, smooth=smooth, normalise=normalise, image_quantile=image_quantile)
        _check.positive(bank=bank)
        self.size = bank
        self.teacher, self.resolved = made.network, {"k": k}
        self.spacing, self.moments = Moments(1), Moments(self.teacher.outputs)
        self.register_buffer("bank", torch.empty(0, self.teacher.outputs))

    @classmethod
    def tiny(cls) -> dict[str, Any]:
        """Return few points and a small bank."""
        return {"points": 512, "k": 16, "bank": 500}

    @property
    def trained_spacing(self) -> float:
        """s of eq. (10.4)."""
        return float(self.spacing.mean[0])

    def stages(self) -> Iterator[Stage]:
        """Measure s and the teacher's moments, then fill the bank."""
        yield Visit("neighbour distance", self._see_spacing)
        check_spacing("training scans", self.trained_spacing)
        yield Visit("teacher statistics", lambda batch: self.moments.see(self._features(batch)))
        check_varied([self.moments])
        yield Visit("memory bank", self._see_bank)
        yield from self.levels()

    def terms(self, batch: Batch) -> Tensor:
        """Return the squared distance of each point to the bank, (n, 1)."""
        features = self.moments.normalise(self._features(batch))
        return nearest_sq_dist(features, self.bank)[:, None]

    def _features(self, batch: Batch) -> Tensor:
        described: Tensor = self.teacher(batch["points"], batch["index"], 1 / self.spacing.mean[0])
        return described

    def _see_spacing(self, batch: Batch) -> None:
        own = neighbour_distance(batch["points"], batch["index"])
        self.spacing.see(own.view(1, 1))
        self.see_unit(batch, float(own))

    def _see_bank(self, batch: Batch) -> None:
        share = -(-self.size // int(self.spacing.count))
        drawn = torch.randperm(len(batch["points"]))[:share].to(self.device)
        self.bank = torch.cat([self.bank, self.moments.normalise(self._features(batch))[drawn]])
