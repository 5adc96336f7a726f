"""The shape of a surface as shades of grey: what a lamp above on the left would show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LAMP = np.array([-0.45, -0.55, -0.7])  # x to the right, y down, z away from the viewer
AMBIENT = 0.15
SMOOTH = 5  # pixels: normals of single pixels show the sensor's noise


def shade(xyz: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return brightness (H, W) in [0, 1] of a surface `xyz` (H, W, 3); 0 where it is not valid.

    >>> plane = np.dstack([*np.meshgrid(np.arange(8.0), np.arange(8.0)), np.ones((8, 8))])
    >>> shade(plane, np.ones((8, 8), bool)).round(2)[4, 4]
    np.float64(0.75)
    """
    smooth = _smooth(np.where(valid[..., None], xyz, 0).astype(np.float64), valid)
    normal = -np.cross(_slope(smooth, valid, 1), _slope(smooth, valid, 0))
    length = np.linalg.norm(normal, axis=-1)
    facing = np.maximum(normal @ (LAMP / np.linalg.norm(LAMP)), 0)
    lit = np.divide(facing, length, out=np.full(length.shape, 0.5), where=length > 0)
    return np.where(valid, AMBIENT + (1 - AMBIENT) * lit, 0)


def _smooth(xyz: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of the valid pixels around each."""
    from scipy.ndimage import uniform_filter

    weight = uniform_filter(valid.astype(np.float64), SMOOTH)[..., None]
    total = uniform_filter(xyz, (SMOOTH, SMOOTH, 1))
    mean: NDArray[np.float64] = np.divide(total, weight, out=xyz.copy(), where=valid[..., None])
    return mean


def _slope(xyz: NDArray[np.float64], valid: NDArray[np.bool_], axis: int) -> NDArray[np.float64]:
    """Difference of the two neighbours along an axis; an invalid or absent one is replaced by the pixel itself."""
    pad = [(1, 1) if a == axis else (0, 0) for a in range(3)]
    around, there = np.pad(xyz, pad), np.pad(valid, pad[:2])
    ends = []
    for first in (2, 0):
        part = tuple(slice(first, first + n) if a == axis else slice(None) for a, n in enumerate(valid.shape))
        ends.append(np.where(there[part][..., None], around[part], xyz))
    return ends[0] - ends[1]
