"""An unordered set of points that remembers the pixels it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.geometry.float32 import as_float32
from geoad.ops import _arrays


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points (N, 3) float32 in metres, sensor frame, with optional attributes; what is masked becomes NaN.

    `rgb` is (N, 3) uint8, `normals` (N, 3) float32, `pixel` (N,) int64: the flat address (row · W + column) of the
    pixel that each point came from.

    >>> import numpy as np
    >>> len(PointCloud(np.zeros((5, 3), np.float32)))
    5
    """

    points: NDArray[np.float32]
    rgb: NDArray[np.uint8] | None = None
    normals: NDArray[np.float32] | None = None
    pixel: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        points = self.points
        if isinstance(points, np.ma.MaskedArray):  # of whole numbers, too
            points = points.astype(np.float64)
        points = _arrays.as_numpy("points", points)
        _check.shape("points", points, ("N", 3))
        points = as_float32("points", points if points.dtype.kind == "f" else points.astype(np.float64))
        object.__setattr__(self, "points", points)
        if self.rgb is not None:
            object.__setattr__(self, "rgb", _check.colours("rgb", self.rgb, (len(self), 3)))
        for name, columns, kinds, dtype in (("normals", (3,), "fiu", np.float32), ("pixel", (), "iu", np.int64)):
            if (value := getattr(self, name)) is not None:
                _check.shape(name, value, (len(self), *columns))
                object.__setattr__(self, name, _arrays.to_numpy(name, value, kinds).astype(dtype, copy=False))

    def __len__(self) -> int:
        return len(self.points)

    def take(self, index: NDArray[np.int64]) -> PointCloud:
        """Return the cloud of the points at `index` (M,), attributes and pixel addresses along."""
        rest = {name: getattr(self, name) for name in ("rgb", "normals", "pixel")}
        return PointCloud(self.points[index], **{name: v if v is None else v[index] for name, v in rest.items()})
