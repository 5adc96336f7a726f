"""One size of neighbourhood in 3D-ST: its unit of length, the teacher's statistics at it, and who learnt from it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from geoad.nn.cone import Cone, cone
from geoad.nn.moments import Moments
from geoad.nn.point_graph import neighbour_distance
from geoad.training.stage import Batch


class Scale(nn.Module):
    """The students that see `k` neighbours, s (eq. 10.4) and the teacher's moments at that k.

    `student` makes one network; several (`students`) are an ensemble, whose members differ in their first weights.
    A point's score is the squared distance of the mean student to the teacher's normalised features (eq. 10.6) and,
    for an ensemble, the variance of its members (in two dimensions: eqs. 5.9, 5.10). Channels in which the teacher
    never varied are dropped.

    >>> from geoad.nn.local_features import LocalFeatures
    >>> scale = Scale(4, 2, lambda: LocalFeatures(8, 1))
    >>> scale.terms(torch.tensor([[[0.0] * 8], [[2.0] * 8]]), torch.zeros(1, 8)).tolist()
    [[8.0, 8.0]]
    """

    def __init__(self, k: int, students: int, student: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.k = k
        self.spacing = Moments(1)
        self.students = nn.ModuleList(student() for _ in range(students))
        self.moments = Moments(int(self.students[0].outputs))  # type: ignore[arg-type]

    @property
    def factor(self) -> Tensor:
        """1 / s, the mean neighbour distance over the training set (eq. 10.4)."""
        return 1 / self.spacing.mean[0]

    def index(self, batch: Batch) -> Tensor:
        """Return the table of the k nearest of the neighbours in the batch."""
        index = batch["index"]
        return index if index.shape[1] == self.k else index[:, : self.k].contiguous()

    def see_spacing(self, batch: Batch) -> float:
        """Add a cloud to s, and return its own."""
        own = neighbour_distance(batch["points"], self.index(batch))
        self.spacing.see(own.view(1, 1))
        return float(own)

    def see_features(self, features: Tensor) -> None:
        """Add the teacher's features of a cloud; students whose descriptors are open get the length of these."""
        for student in self.students:
            if not student.outputs:
                student.grow(features.shape[1])  # type: ignore[operator]
        self.moments.see(features)

    def patch(self, batch: Batch, centres: Tensor, reach: int) -> Cone:
        """Return what the students need to describe the points within `reach` hops of the `centres`."""
        hops = int(self.students[0].hops)  # type: ignore[arg-type]
        return cone(batch["points"], self.index(batch), centres, hops, reach=reach)

    def seen(self, batch: Batch, part: Cone | None = None) -> tuple[Tensor, Tensor, Tensor, list[int] | None]:
        """Return what a network is to see of a batch: of all of it, or of what `part` describes."""
        if part is None:
            return batch["points"], self.index(batch), self.factor, None
        return part.points, part.table, self.factor, part.sizes

    def predict(self, batch: Batch, part: Cone | None = None) -> Tensor:
        """Return what the students say of every point, or of those that `part` describes: (students, n, d)."""
        seen, varies = self.seen(batch, part), self.moments.varies
        said = torch.stack([student(*seen) for student in self.students])
        return said if bool(varies.all()) else said * varies

    def terms(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the terms of each point's score, (n, terms), from (students, n, d) and (n, d)."""
        error = (predicted.mean(0) - target).square().sum(1, keepdim=True)
        if len(predicted) > 1:
            error = torch.cat([error, predicted.var(0, correction=0).sum(1, keepdim=True)], dim=1)
        return error
