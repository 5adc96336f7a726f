"""Where the patches lie that a student is trained on: a point of each cloud at random, some likelier than others."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from geoad.training.stage import Batch


class PatchCentres:
    """Draws a point of each cloud in proportion to weights, which are asked for once a cloud.

    >>> batch = {"sizes": torch.tensor([2, 3]), "sample": torch.tensor([0, 1])}
    >>> PatchCentres().draw(batch, lambda: torch.tensor([0.0, 1, 0, 0, 1]), torch.ones(5)).tolist()
    [1, 4]
    """

    def __init__(self) -> None:
        self._sums: dict[int, Tensor] = {}

    def draw(self, batch: Batch, weigh: Callable[[], Tensor], alike: Tensor) -> Tensor:
        """Return a row of the batch for each of its clouds; `alike` (n,) stands in for weights that are all 0."""
        sizes, numbers = batch["sizes"], batch["sample"].flatten().tolist()
        if not self._sums.keys() >= set(numbers):
            parts = (torch.split(each, sizes.tolist()) for each in (weigh(), alike))
            for number, weights, instead in zip(numbers, *parts, strict=True):
                cloud = weights if weights.any() else instead
                self._sums[number] = cloud.cumsum(0, dtype=torch.float64).float()
        starts = (torch.cumsum(sizes, 0) - sizes).to(alike.device)
        return torch.stack([_draw(self._sums[number]) for number in numbers]) + starts


def _draw(sums: Tensor) -> Tensor:
    """Draw a number in proportion to weights whose running sum is `sums` (n,)."""
    where = torch.rand((), dtype=torch.float64).to(sums.device, sums.dtype) * sums[-1]
    return torch.searchsorted(sums, where, right=True).clamp(max=len(sums) - 1)
