"""Point clouds that break careless kernels: lattices, duplicates, clusters, planes, offsets, huge coordinates."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

KINDS = (
    "uniform",
    "lattice",
    "same",
    "duplicates",
    "clusters",
    "plane",
    "line",
    "offset",
    "outlier",
    "overflow",
    "tiny",
)


def cloud(kind: str, count: int, seed: int = 0) -> np.ndarray:
    """Return points (count, 3) float32 of one kind."""
    rng = np.random.default_rng(seed)
    uniform = rng.random((count, 3), dtype=np.float32)
    made = {
        "uniform": lambda: uniform,
        "lattice": lambda: rng.integers(0, 6, (count, 3)).astype(np.float32) * np.float32(0.1),
        "same": lambda: np.broadcast_to(uniform[:1], uniform.shape),
        "duplicates": lambda: uniform[rng.integers(0, max(count // 8, 1), count)],
        "clusters": lambda: uniform[rng.integers(0, 5, count) % max(count, 1)] + rng.normal(size=(count, 3)) * 1e-4,
        "plane": lambda: uniform * (1, 1, 0),
        "line": lambda: uniform * (0, 1, 0) + (3, 0, 0),
        "offset": lambda: np.round(uniform * 20) * 0.0005 + (100, -1000, 0.6),
        "outlier": lambda: np.where(np.arange(count)[:, None] % 50 == 7, uniform * 1e6, uniform),
        "overflow": lambda: (uniform - 0.5) * rng.choice([1e30, 6e38], (count, 1)),
        "tiny": lambda: uniform * 1e-22,
    }[kind]()
    return np.ascontiguousarray(made, dtype=np.float32)


def clouds(max_size: int = 300, min_size: int = 0) -> st.SearchStrategy[np.ndarray]:
    """Draw clouds of every kind and size."""
    return st.builds(cloud, st.sampled_from(KINDS), st.integers(min_size, max_size), st.integers(0, 2**31))


def same(found, expected) -> None:
    """Hold every array of a result, numpy's or torch's, against what is expected, bit for bit."""
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(mine), theirs)
