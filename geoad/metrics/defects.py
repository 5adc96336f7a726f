"""The defective pixels of one image: their scores, and the share of a region that each of them is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoad.metrics.regions import label_regions

Region = tuple[NDArray[np.bool_], float]


class Defects(NamedTuple):
    """Defective pixels (n,): `scores`; `share` of their region's overlap, before dividing by the number of regions.

    `counted` is False where a pixel of several regions stands once more. `regions` is how many there are.

    >>> find_defects(np.ones((2, 3)), np.array([[True, False, True], [True, False, False]])).share.tolist()
    [0.5, 1.0, 0.5]
    """

    scores: NDArray[Any]
    share: NDArray[np.float64]
    counted: NDArray[np.bool_]
    regions: int


def find_defects(pixels: NDArray[Any], mask: NDArray[np.bool_], connectivity: int = 8) -> Defects:
    """Return the pixels of the connected components of `mask` (H, W): each is 1 / size of its component.

    >>> find_defects(np.array([[0.5, 1.0, 2.0]]), np.array([[False, True, True]])).scores.tolist()
    [1.0, 2.0]
    """
    if not mask.any():
        return Defects(pixels[:0].reshape(-1), np.zeros(0), np.zeros(0, bool), 0)
    labels, count = label_regions(mask, connectivity)
    inside = labels[mask]
    return Defects(pixels[mask], 1 / np.bincount(inside)[inside], np.ones(len(inside), bool), count)


def find_saturated(pixels: NDArray[Any], regions: Iterable[Region]) -> Defects:
    """Return the pixels of annotated regions (mask (H, W) bool, saturation area): the highest carry all the weight.

    Of a region that saturates at s pixels the s highest scores are 1/s each, the others nothing; a broken s leaves a
    broken share to the next.

    >>> region = np.array([[True, True, False]]), 1.0
    >>> find_saturated(np.array([[0.5, 2.0, 1.0]]), [region]).share.tolist()
    [1.0, 0.0]
    """
    seen = np.zeros(pixels.shape, bool)
    scores, share, counted = [pixels[:0].reshape(-1)], [np.zeros(0)], [np.zeros(0, bool)]
    number = 0
    for mask, saturation in regions:
        inside = pixels[mask]
        order = np.argsort(-inside)
        filled = np.minimum(np.arange(len(inside) + 1), saturation)
        scores.append(inside[order])
        share.append(np.diff(filled) / saturation)
        counted.append(~seen[mask][order])
        seen |= mask
        number += 1
    return Defects(np.concatenate(scores), np.concatenate(share), np.concatenate(counted), number)
