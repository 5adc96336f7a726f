"""The scores of good scans, overall and place by place: what a score has to exceed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geoad.ops.knn import knn

EVERY = 8  # one point in so many of a scan is kept
AROUND = 64  # kept points that make up a place: with six scans as many as 85 pixels of each
FLOOR = 0.3  # of the deviation overall, added to that of a place


class Level(nn.Module):
    """Scores of good scans, in front of a camera that stands still, and how far others are above them.

    A student never learns edges and shadows as well as the flat table, so its scores are high there on every scan. Each
    term of a score e becomes its excess over the mean μ of good scans at that place, in units of their deviation σ
    there (and `FLOOR` of that over all places), plus `overall` times e in units of its mean over all places: the first
    finds what is strange for where it is, the second what is strange anywhere, for parts that do not lie still.

    `see` keeps every `EVERY`-th point of a scan, `settle` measures μ and σ among the `AROUND` of them around each.

    >>> level = Level()
    >>> x = torch.arange(32.0)
    >>> points = torch.stack([x, x, x], 1)
    >>> level.see(points, torch.ones(32, 1)), level.see(points, 3 * torch.ones(32, 1)), level.settle()
    (None, None, None)
    >>> level.relative(points[:2], torch.tensor([[2.0], [4.6]])).tolist()  # 2 and 4.6, where good scans have 1 and 3
    [[0.20000000298023224], [2.4600000381469727]]
    """

    places: Tensor
    terms: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, overall: float = 0.2) -> None:
        super().__init__()
        self.overall = overall
        self.register_buffer("places", torch.empty(0, 3))
        for name in ("terms", "mean", "deviation"):
            self.register_buffer(name, torch.empty(0, 0))

    def see(self, points: Tensor, terms: Tensor) -> None:
        """Add a good scan: points (n, 3) and the terms of their scores (n, t)."""
        points, terms = points[::EVERY], terms[::EVERY]
        self.places = torch.cat([self.places, points])
        self.terms = torch.cat([self.terms, terms]) if self.terms.numel() else terms

    def settle(self) -> None:
        """Measure the level of each place, after the last scan."""
        near = self.terms[knn(self.places, min(AROUND, len(self.places))).index]
        self.mean, self.deviation = near.mean(1), near.std(1, correction=0)

    def relative(self, points: Tensor, terms: Tensor) -> Tensor:
        """Return how far the terms (n, t) of scores at points (n, 3) exceed those of good scans, (n, t)."""
        place = knn(self.places, 1, queries=points).index[:, 0]
        unit = self.deviation[place] + FLOOR * self.terms.std(0, correction=0)
        least = torch.finfo(unit.dtype).tiny
        above = (terms - self.mean[place]) / unit.clamp(min=least)
        return above + self.overall * terms / self.terms.mean(0).clamp(min=least)
