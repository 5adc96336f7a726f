"""Clouds to measure on, by name and size: the same bits for the same name and size, on every machine alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check

Floats = NDArray[np.float32]


def cloud(name: str, n: int) -> Floats:
    """Return points (n, 3) of the cloud `name`, one of CLOUDS, in metres.

    >>> cloud("sphere", 100).shape
    (100, 3)
    """
    _check.one_of("case", name, CLOUDS)
    _check.positive(n=n)
    return np.ascontiguousarray(CLOUDS[name](n), dtype=np.float32)


def organised(shape: tuple[int, int]) -> Floats:
    """Return a scan (H, W, 3) as a structured-light sensor gives it, NaN where it saw nothing.

    A relief 0.6 m away with a wave on it, depth noise of 0.05 mm, a bore, the shadow beside a wall, lost pixels.

    >>> image = organised((40, 50))
    >>> bool(0.7 < np.isfinite(image).all(2).mean() < 0.95)
    True
    """
    random = np.random.default_rng(0)
    rows, columns = (np.linspace(-0.5, 0.5, side) for side in shape)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    depth = 0.6 - 0.03 * np.sqrt(np.clip(1 - 5 * (x**2 + y**2), 0, 1)) + 0.002 * np.sin(25 * x) * np.cos(31 * y)
    depth += 5e-5 * random.standard_normal(shape)
    lost = (np.hypot(x + 0.1, y - 0.15) < 0.08) | ((x > 0.3) & (x < 0.36)) | (random.random(shape) < 0.03)
    depth[lost] = np.nan
    return np.stack([0.3 * x * depth, 0.3 * y * depth, depth], axis=-1).astype(np.float32)


def ragged(n: int) -> NDArray[np.int64]:
    """Return ascending cloud ids (n,) of eight clouds, the largest about fifty times the smallest.

    >>> np.bincount(ragged(1000)).size
    8
    """
    shares = np.cumsum(np.geomspace(1, 50, 8))
    ends = np.maximum(np.arange(1, 9), np.round(shares / shares[-1] * n)).astype(int)
    return np.searchsorted(ends, np.arange(n), side="right")


def _scan(n: int) -> NDArray[Any]:
    """The first n points of a scan, row by row."""
    side = int(np.sqrt(n)) + 2
    while True:
        image = organised((side, side))
        points = image[np.isfinite(image).all(2)]
        if len(points) >= n:
            return points[:n]
        side += 1 + side // 50


def _sphere(n: int) -> NDArray[Any]:
    random = np.random.default_rng(1)
    direction = random.standard_normal((n, 3))
    lengths = np.linalg.norm(direction, axis=1, keepdims=True) / random.normal(0.1, 2e-4, (n, 1))
    return np.asarray(direction / lengths)


def _cube(n: int) -> NDArray[Any]:
    return np.random.default_rng(2).random((n, 3))


def _gaussian(n: int) -> NDArray[Any]:
    return np.random.default_rng(3).standard_normal((n, 3))


def _lattice(n: int) -> NDArray[Any]:
    """A grid of 0.5 mm, 0.6 m away: nothing but ties, and coordinates that are large beside their differences."""
    side = int(np.ceil(n ** (1 / 3)))
    cells: NDArray[np.int64] = np.stack(np.unravel_index(np.arange(n), (side + 1, side, side)), axis=1)
    return cells * 5e-4 + (0.0, 0.0, 0.6)


def _clusters(n: int) -> NDArray[Any]:
    """Twenty clusters whose densities differ by many powers of ten."""
    random = np.random.default_rng(4)
    member: NDArray[np.int64] = random.integers(0, 20, n)
    spread = np.geomspace(1e-4, 1e-1, 20)[member, None]
    return random.random((20, 3))[member] + spread * random.standard_normal((n, 3))


def _duplicates(n: int) -> NDArray[Any]:
    """Every point about eight times."""
    random = np.random.default_rng(5)
    return random.random((max(n // 8, 1), 3))[random.integers(0, max(n // 8, 1), n)]


CLOUDS: dict[str, Callable[[int], NDArray[Any]]] = {
    "scan": _scan,
    "sphere": _sphere,
    "cube": _cube,
    "gaussian": _gaussian,
    "lattice": _lattice,
    "clusters": _clusters,
    "duplicates": _duplicates,
    "batch": _cube,
}
