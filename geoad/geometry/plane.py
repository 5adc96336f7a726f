"""The plane that parts lie on, found among the points of their scans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad._optional import need
from geoad.ops import _arrays

TOLERANCE = 0.002
"""How far from the plane its points may lie, as a share of their median distance from the camera: 1 mm at 0.5 m."""
BEHIND = 0.05
"""The largest share of all points that may lie behind the background: flying pixels, reflections."""
LEAST = 0.05
"""The smallest share of all points that a background has."""
TRIALS = 1000


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane by its unit `normal` (3,), which points towards the camera (z < 0), and a `point` (3,) on it, in metres.

    >>> Plane(np.array([0, 0, -1.0]), np.array([0, 0, 0.5])).normal.tolist()
    [0.0, 0.0, -1.0]
    """

    normal: NDArray[np.float64]
    point: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("normal", "point"):
            vector = _arrays.as_numpy(name, getattr(self, name)).astype(np.float64, copy=False)
            _check.shape(name, vector, (3,))
            if not np.isfinite(vector).all():
                raise ValueError(f"{name} must be finite, got {vector.tolist()}")
            object.__setattr__(self, name, vector)
        if not abs(np.linalg.norm(self.normal) - 1) < 1e-6:
            raise ValueError(f"normal must have length 1, got {self.normal.tolist()}")


def fit_background(points: NDArray[np.floating]) -> Plane:
    """Return the plane of the largest number of points (N, 3) behind which next to none lies: RANSAC, fixed seed.

    Its `point` is the centroid of the points on it. The plane must be seen from above: z is a function of x and y. What
    is not finite is left out.

    Raises ValueError if there is no such plane.

    >>> y, x = np.mgrid[:20, :20] / 100
    >>> table = np.stack([x, y, 0.5 + 0.1 * x], -1).reshape(-1, 3)
    >>> part = table[:100] - [0, 0, 0.03]
    >>> fit_background(np.concatenate([table, part])).normal.round(3).tolist()
    [0.1, 0.0, -0.995]
    """
    points = _arrays.to_vectors("points", points, 3)
    _check.shape("points", points, ("N", 3))
    points = points[np.isfinite(points).all(1)]
    ground, height = points[:, :2].astype(np.float64), points[:, 2].astype(np.float64)
    median = float(np.median(height)) if len(height) else 0.0
    if not median > 0:
        raise ValueError(f"points must lie before the camera (z > 0), got {len(points)} of median z {median:g} m")
    tolerance = TOLERANCE * median

    def is_behind_all(model: Any, *_: Any) -> bool:
        return bool(np.mean(height - model.predict(ground) > tolerance) <= BEHIND)

    ransac = need("sklearn.linear_model", "find the background plane").RANSACRegressor(
        min_samples=3,
        residual_threshold=tolerance,
        is_model_valid=is_behind_all,
        max_trials=TRIALS,
        stop_probability=0.999,
        random_state=0,
    )
    nothing = f"no plane lies behind the {len(points)} points of the scans: they show no background"
    try:
        ransac.fit(ground, height)
    except ValueError as error:
        raise ValueError(nothing) from error
    if np.mean(ransac.inlier_mask_) < LEAST:
        raise ValueError(nothing)
    normal = np.array([*ransac.estimator_.coef_, -1.0])
    on_it = points[ransac.inlier_mask_]
    return Plane(normal / np.linalg.norm(normal), on_it.mean(0, dtype=np.float64))
