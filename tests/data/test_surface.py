"""Random points on triangles are on them, and as dense as area demands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.data.surface import sample_surface


@given(seed=st.integers(0, 1000), faces=st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_points_lie_inside_their_triangle(seed: int, faces: int) -> None:
    rng = np.random.default_rng(seed)
    triangles = rng.normal(size=(faces, 3, 3))
    points, face = sample_surface(triangles, 50, rng)
    assert points.shape == (50, 3) and (np.diff(face) >= 0).all()
    for point, corners in zip(points, triangles[face], strict=True):
        weights = np.linalg.lstsq(np.vstack([corners.T, np.ones(3)]), np.append(point, 1), rcond=None)[0]
        assert weights.min() > -1e-6
        assert np.allclose(weights @ corners, point, atol=1e-6)


def test_density_is_uniform_by_area() -> None:
    square = np.array([[[0, 0, 0], [3, 0, 0], [3, 1, 0]], [[0, 0, 0], [3, 1, 0], [0, 1, 0]]], float)
    tiny = np.array([[[0, 0, 5], [0.5, 0, 5], [0, 0.4, 5]]])
    points, _ = sample_surface(np.concatenate([square, tiny]), 31_000, np.random.default_rng(0))
    flat = points[points[:, 2] == 0]
    assert len(flat) == pytest.approx(30_000, abs=150)  # area 3 of 3.1: sigma 31
    cells = np.histogram2d(flat[:, 0], flat[:, 1], bins=(6, 2))[0]
    assert np.abs(cells - len(flat) / 12).max() < 5 * np.sqrt(len(flat) / 12)


def test_no_area_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"positive, finite area, got 0.0"):
        sample_surface(np.zeros((2, 3, 3)), 5, np.random.default_rng(0))
