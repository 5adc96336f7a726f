"""The scores of good scans, overall and place by place: what a score has to exceed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geoad.ops.knn import knn

EVERY = 8  # one point in so many of a scan is kept
AROUND = 64  # kept points that make up a place: with six scans as many as 85 pixels of each
FLOOR = 0.3  # of the deviation overall, added to that of a place
LEAST = 1e-3  # of the mean, of which no deviation is less: good scans may all score alike
OVERALL = 0.2  # of a score in units of its mean over all places, added to its excess


class Level(nn.Module):
    """Scores of good scans, place by place, and how far others are above them.

    A student never learns edges and shadows as well as the flat table, so its scores are high there on every scan. Each
    term of a score e becomes its excess over the mean μ of good scans at that place, in units of their deviation σ
    there (and `FLOOR` of that over all places), plus `OVERALL` times e in units of its mean over all places: the first
    finds what is strange for where it is, if the camera stands still, the second what is strange anywhere.

    `see` keeps every `EVERY`-th point of a scan, `settle` measures μ and σ among the `AROUND` of them around each. A
    scan that it has seen is held against the others alone: `without`.

    >>> level = Level()
    >>> x = torch.arange(32.0)
    >>> points = torch.stack([x, x, x], 1)
    >>> level.see(points, torch.ones(32, 1)), level.see(points, 3 * torch.ones(32, 1)), level.settle()
    (None, None, None)
    >>> level.relative(points[:2], torch.tensor([[2.0], [4.6]])).tolist()  # 2 and 4.6, where good scans have 1 and 3
    [[0.20000000298023224], [2.4600000381469727]]
    """

    sizes: Tensor
    places: Tensor
    terms: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sizes", torch.empty(0, dtype=torch.int64))  # places of each scan
        self.register_buffer("places", torch.empty(0, 3))
        for name in ("terms", "mean", "deviation"):
            self.register_buffer(name, torch.empty(0, 0))

    def see(self, points: Tensor, terms: Tensor) -> None:
        """Add a good scan: points (n, 3) and the terms of their scores (n, t)."""
        points, terms = points[::EVERY], terms[::EVERY].float()  # also where a training computes with fewer bits
        terms = terms.clone(memory_format=torch.contiguous_format)  # as if loaded: sums depend on how they lie
        self.sizes = torch.cat([self.sizes, self.sizes.new_tensor([len(points)])])
        self.places = torch.cat([self.places, points])
        self.terms = torch.cat([self.terms, terms]) if self.terms.numel() else terms

    def settle(self) -> None:
        """Measure the level of each place, after the last scan. Raises ValueError if none has a score."""
        if not self.terms.any():
            raise ValueError("good scans have no errors to hold others against: normalise needs validation scans")
        near = self.terms[knn(self.places, min(AROUND, len(self.places))).index]
        self.mean, self.deviation = near.mean(1), near.std(1, correction=0)

    def without(self, points: Tensor) -> Level:
        """Return the level of the other scans if it has seen the scan of these points (n, 3), else itself.

        A scan that is among those it is held against looks better than a new one, and a threshold would be too strict.
        """
        count, first = -(-len(points) // EVERY), 0
        for size in self.sizes.tolist():
            last = first + size
            if size == count < len(self.places) and _are_among(self.places[first:last], points):
                rest = Level().to(self.places.device)
                rest.places, rest.terms = (torch.cat([rows[:first], rows[last:]]) for rows in (self.places, self.terms))
                rest.settle()
                return rest
            first = last
        return self

    def relative(self, points: Tensor, terms: Tensor) -> Tensor:
        """Return how far the terms (n, t) of scores at points (n, 3) exceed those of good scans, (n, t)."""
        place = knn(self.places, 1, queries=points).index[:, 0]
        tiny, overall = torch.finfo(torch.float32).tiny, self.terms.mean(0)
        unit = self.deviation[place] + FLOOR * self.terms.std(0, correction=0)
        above = (terms - self.mean[place]) / unit.maximum(LEAST * overall).clamp(min=tiny)
        return above + OVERALL * terms / overall.clamp(min=tiny)


def _are_among(places: Tensor, points: Tensor) -> bool:
    """Tell whether all places (m, 3) are points (n, 3), in whatever order; the first nearly always tells if not."""
    alike = points[points[:, 0] == places[0, 0]]
    return bool((alike == places[0]).all(1).any()) and not bool(knn(points, 1, queries=places).sq_dist.any())
