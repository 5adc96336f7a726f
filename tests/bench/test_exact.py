"""The brute force that others are held to, held to the slow twins itself."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geoad.bench import exact
from geoad.bench.cases import cloud, ragged
from geoad.ops import reference
from tests.ops.clouds import clouds


@given(clouds(max_size=60, min_size=1), st.integers(1, 8))
def test_nearest_are_the_references_bits(points: np.ndarray, k: int) -> None:
    points = points[np.isfinite(points).all(1) & (np.abs(points) < 1e15).all(1)]
    rows = np.arange(len(points))[::2]
    index, sq_dist = exact.nearest(points, rows, k)
    wanted = reference.knn(points, k)
    assert np.array_equal(index, wanted[0][rows]) and np.array_equal(sq_dist, wanted[1][rows])


def test_nearest_stay_in_their_cloud() -> None:
    points, batch = cloud("batch", 90), ragged(90)
    index, sq_dist = exact.nearest(points, np.arange(90), 5, batch)
    wanted = reference.knn(points, 5, batch=batch)
    assert np.array_equal(index, wanted[0]) and np.array_equal(sq_dist, wanted[1])
    assert (index == -1).any()


@given(clouds(max_size=60, min_size=1), st.integers(1, 60))
def test_farthest_are_the_references(points: np.ndarray, n: int) -> None:
    points = points[np.isfinite(points).all(1) & (np.abs(points) < 1e15).all(1)][:40]
    n = min(n, len(points))
    if n:
        picks = exact.farthest(points, n)
        assert np.array_equal(picks, reference.farthest_point_sample(points, n))
        assert exact.farthest_share(points, picks, 0.0) == (n > 1)


def test_a_pick_that_was_not_the_farthest_is_noticed() -> None:
    points = cloud("cube", 200)
    picks = exact.farthest(points, 20)
    picks[[5, 6]] = picks[[6, 5]]
    assert exact.farthest_share(points, picks, 1e-5) == 18 / 19
    assert exact.farthest_share(points, exact.farthest(points[::-1], 20) * -1 + 199, 1e-5) == 1  # another start


@given(clouds(max_size=60, min_size=1), st.floats(0, 2))
def test_within_is_the_mask_of_the_distance_matrix(points: np.ndarray, radius: float) -> None:
    points = points[np.isfinite(points).all(1) & (np.abs(points) < 1e15).all(1)]
    rows = np.arange(len(points))[::3]
    index, sq_dist, offsets = exact.within(points, rows, radius)
    limit = np.float32(radius) * np.float32(radius)
    for place, row in enumerate(rows):
        found = slice(offsets[place], offsets[place + 1])
        every, near = reference.knn(points, len(points), queries=points[[row]])
        inside = near[0] <= limit
        assert np.array_equal(index[found], every[0][inside]) and np.array_equal(sq_dist[found], near[0][inside])
