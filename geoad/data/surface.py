"""Random points on triangles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sample_surface(
    triangles: NDArray[np.float64], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw n points (n, 3), independent and uniform by area, and the triangle (n,) of each, ascending.

    `triangles` (F, 3, 3) are three corners each.

    >>> points, face = sample_surface(np.eye(3)[None], 5, np.random.default_rng(0))
    >>> points.sum(axis=1).round(6).tolist(), face.tolist()
    ([1.0, 1.0, 1.0, 1.0, 1.0], [0, 0, 0, 0, 0])
    """
    corner, along, across = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    area = np.linalg.norm(np.cross(along, across), axis=1)
    if not 0 < area.sum() < np.inf:
        raise ValueError(f"no face of positive area: all must have a positive, finite area, got {area.sum() / 2}")
    face = np.repeat(np.arange(len(area)), rng.multinomial(n, area / area.sum()))
    u, v = rng.random((2, n, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    return corner[face] + u * along[face] + v * across[face], face
