"""Frontier search on the neighbour table (spec 7.2)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.ops.knn import knn
from geoad.ops.receptive_field import receptive_field, relabel


def by_sets(index: np.ndarray, query: int, hops: int) -> set[int]:
    current = reached = {query}
    for _ in range(hops):
        current = {int(j) for i in current for j in index[i] if j >= 0}
        reached = reached | current
    return reached


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 6), st.integers(0, 1000))
def test_equals_the_union_over_hops(n: int, k: int, hops: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    index = rng.integers(-1, n, (n, k))
    field = receptive_field(index, seed % n, hops)
    assert set(field.nodes.tolist()) == by_sets(index, seed % n, hops)
    assert len(set(field.nodes.tolist())) == len(field.nodes) == field.sizes[-1]
    for hop, size in enumerate(field.sizes):
        assert set(field.nodes[:size].tolist()) == by_sets(index, seed % n, hop)


def test_several_queries_come_first() -> None:
    index = np.array([[1], [2], [3], [0]])
    field = receptive_field(index, [2, 0], 1)
    assert field.nodes.tolist() == [2, 0, 3, 1]
    assert relabel(index, field.nodes, 2).tolist() == [[2], [3]]


def test_relabel_refuses_an_open_set() -> None:
    with pytest.raises(ValueError, match="every neighbour"):
        relabel(np.array([[1], [0]]), np.array([0]), 1)


def test_query_outside() -> None:
    with pytest.raises(ValueError, match=r"queries must lie in \[0, 2\)"):
        receptive_field(np.array([[1], [0]]), 2, 1)


@pytest.mark.parametrize("seed", range(2))
def test_size_on_a_jittered_plane(seed: int) -> None:
    """Spec 2.7: 1757 ± 1 % points for k = 32, L = 8, mean over the 20 central points; jitter ± 0.1 pitch."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(253.0), np.arange(253.0)), -1).reshape(-1, 2)
    points = np.zeros((len(grid), 3), np.float32)
    points[:, :2] = grid + rng.uniform(-0.1, 0.1, grid.shape)
    index = knn(points, 32, include_self=False).index
    central = np.argsort(((points - points.mean(0)) ** 2).sum(1))[:20]
    assert np.mean([len(receptive_field(index, q, 8).nodes) for q in central]) == pytest.approx(1757, rel=0.01)


def test_size_on_random_planar_points() -> None:
    """Spec 7.2: 1660 ± 5 % on 64 000 uniform points."""
    rng = np.random.default_rng(0)
    points = np.zeros((64_000, 3), np.float32)
    points[:, :2] = rng.random((64_000, 2))
    index = knn(points, 32, include_self=False).index
    central = np.argsort(((points - [0.5, 0.5, 0]) ** 2).sum(1))[:20]
    assert np.mean([len(receptive_field(index, q, 8).nodes) for q in central]) == pytest.approx(1660, rel=0.05)


def test_neighbours_and_nodes_beyond_the_table_are_refused() -> None:
    index = np.array([[1], [10**9], [0]])
    with pytest.raises(ValueError, match="index must hold rows of the table, and -1 for none"):
        receptive_field(index, 0, 3)
    with pytest.raises(ValueError, match="index must hold rows of the table, and -1 for none"):
        relabel(index, np.array([0, 1]), 2)
    with pytest.raises(ValueError, match=r"nodes must lie in \[0, 3\), got values from 0 to 12"):
        relabel(index, np.array([0, 12]), 1)
    with pytest.raises(ValueError, match=r"rows must lie in \[0, 2\], the number of nodes, got 3"):
        relabel(index, np.array([0, 1]), 3)


@pytest.mark.parametrize(
    ("index", "queries", "hops", "error", "message"),
    [
        ([[1], [0]], np.array([False, True]), 1, TypeError, "queries must hold integers, got bool"),
        ([[1], [0]], [1.9], 1, TypeError, "queries must hold integers, got float64"),
        ([[1], [0]], [[1]], 1, ValueError, r"queries must have shape \(q,\)"),
        ([[1.0], [0.0]], 0, 1, TypeError, "index must hold integers, got float64"),
        ([[1], [0]], 0, 1.0, TypeError, "hops must be an int, got float"),
        ([[1], [0]], 0, np.array(1), TypeError, "hops must be an int, got ndarray"),
        ([[1], [0]], 0, -1, ValueError, "hops must be 0 or more, got -1"),
        (np.ma.masked_equal([[1], [0]], 1), 0, 1, TypeError, "index must be floating where some are masked"),
    ],
)
def test_whole_numbers_are_asked_for(index, queries, hops, error, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=message):
        receptive_field(index, queries, hops)
