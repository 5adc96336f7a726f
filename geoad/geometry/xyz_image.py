"""The organised scan: one 3D point per pixel, as the sensor saw it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.geometry.float32 import as_float32
from geoad.ops import _arrays


@dataclass(frozen=True, eq=False)
class XYZImage:
    """An image of 3D points in the sensor frame, in metres.

    `xyz` is (H, W, 3) float32 (float64 is converted, what is masked becomes NaN). A pixel is valid where all three
    coordinates are finite and not all are zero: `valid` is found once, so `xyz` must not change afterwards. `rgb` is
    (H, W, 3) uint8. An unorganised cloud of N points is an image of one row, (1, N, 3), or of one column.

    Raises ValueError for another shape, other or masked colours, and for coordinates too far from the origin for
    float32, and TypeError for coordinates that are not floating.

    >>> import numpy as np
    >>> image = XYZImage(np.array([[[0, 0, 0], [0, 0, 1.0]]]))
    >>> image.valid, image.shape
    (array([[False,  True]]), (1, 2))
    """

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8] | None = field(default=None)

    def __post_init__(self) -> None:
        xyz = _arrays.as_numpy("xyz", self.xyz, "fiub")
        _check.shape("xyz", xyz, ("H", "W", 3))
        if xyz.dtype.kind != "f":
            raise TypeError(f"xyz must be float32 in metres, got {xyz.dtype}")
        object.__setattr__(self, "xyz", np.ascontiguousarray(as_float32("xyz", xyz)))
        if self.rgb is not None:
            object.__setattr__(self, "rgb", _check.colours("rgb", self.rgb, (*self.shape, 3)))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.xyz.shape[0], self.xyz.shape[1]

    @property
    def organised(self) -> bool:
        """Whether neighbouring pixels are neighbouring points; False for a cloud stored as one row or one column."""
        return min(self.shape) > 1

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """(H, W) bool: the pixels that hold a point."""
        x, y, z = np.moveaxis(self.xyz, -1, 0)  # reducing an axis of three takes several times as long
        finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
        return np.asarray(finite & ((x != 0) | (y != 0) | (z != 0)))
