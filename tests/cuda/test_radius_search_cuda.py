"""The CUDA radius search against brute force, bit for bit, every path of it forced."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoad.ops import reference
from geoad.ops.knn_cuda import Search
from geoad.ops.radius_search_cuda import within
from tests.cuda.test_knn_cuda import KEPT, SORTED, offsets_of, spoil, to
from tests.ops.clouds import KINDS, cloud, clouds

FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MOST = st.none() | st.integers(1, 100)


def square(radius: float) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(radius) * np.float32(radius))


def same(found, expected):
    assert found[2].dtype == found[0].dtype == torch.int64 and found[1].dtype == torch.float32
    for part, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part.cpu().numpy(), right)


def a_radius(points: np.ndarray, share: float) -> float:
    """Return one that leaves some neighbours."""
    finite = points[np.isfinite(points).all(1)].astype(np.float64)
    return float(np.ptp(finite, axis=0).max() * share) if len(finite) else share


@FEW
@given(clouds(max_size=150), st.floats(0, 0.6), st.booleans(), MOST, st.lists(st.integers(0, 999), max_size=3))
def test_equals_brute_force(device, points, share, include_self, most, places):
    points = spoil(points, places)
    radius = a_radius(points, share)
    expected = reference.radius_search(points, radius, include_self=include_self, max_neighbours=most)
    for unsorted, long in ((SORTED, 10**6), (KEPT, 0)):
        asked = Search(to(device, points), None, None, include_self, unsorted)
        same(within(asked, square(radius), most, long=long), expected)


@FEW
@given(clouds(max_size=120), clouds(max_size=60), st.floats(0, 0.6), MOST)
def test_queries_equal_brute_force(device, points, queries, share, most):
    radius = a_radius(points, share)
    expected = reference.radius_search(points, radius, queries=queries, max_neighbours=most)
    same(within(Search(to(device, points), to(device, queries), unsorted=SORTED), square(radius), most), expected)


@FEW
@given(st.lists(clouds(max_size=50), min_size=1, max_size=6), st.floats(0, 0.6), st.booleans(), MOST)
def test_clouds_of_a_batch_equal_brute_force(device, parts, share, include_self, most):
    points = np.concatenate(parts)
    radius = a_radius(points, share)
    batch = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    options = {"batch": batch, "include_self": include_self, "max_neighbours": most}
    asked = Search(to(device, points), None, offsets_of(parts, device), include_self, SORTED)
    same(within(asked, square(radius), most), reference.radius_search(points, radius, **options))


@pytest.mark.parametrize("kind", KINDS)
def test_large_clouds(device, kind):
    points = cloud(kind, 1060, 3)
    radius = a_radius(points, 0.05)
    same(
        within(Search(to(device, points), unsorted=SORTED), square(radius), None),
        reference.radius_search(points, radius),
    )


@pytest.mark.parametrize("long", [10**6, 100])
def test_rows_longer_than_shared_memory_holds(device, long):
    points = cloud("lattice", 700)
    asked = Search(to(device, points), to(device, points[:9]))
    same(
        within(asked, float("inf"), None, long=long), reference.radius_search(points, float("inf"), queries=points[:9])
    )
    same(
        within(asked, square(0.1), 90, long=long),
        reference.radius_search(points, 0.1, queries=points[:9], max_neighbours=90),
    )


def test_nothing_within_and_nobody_asks(device):
    points = cloud("uniform", 40)
    none = np.empty((0, 3), np.float32)
    for asked in (Search(to(device, points), to(device, points + 9)), Search(to(device, none), to(device, points))):
        index, sq_dist, starts = within(asked, 0.01, None)
        assert len(index) == len(sq_dist) == 0 and starts.tolist() == [0] * 41
    for asked in (Search(to(device, points), to(device, none)), Search(to(device, none))):
        assert within(asked, 0.01, None)[2].tolist() == within(asked, 0.01, 5)[2].tolist() == [0]


def test_what_the_rows_hold_before_they_are_cut_is_admitted(device, monkeypatch):
    asked = Search(to(device, np.zeros((300, 3), np.float32)))
    monkeypatch.setattr(sys.modules["geoad.ops.radius_search"], "EDGES", 50_000)
    with pytest.raises(ValueError, match="at most 50000 neighbours in all, got 90000"):
        within(asked, 0.0, 65)
    assert len(within(asked, 0.0, 64)[0]) == 300 * 64
