from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.ops import kd_tree_numba
from tests.ops.clouds import clouds


@settings(max_examples=60, deadline=None)
@given(clouds(min_size=1, max_size=500), st.sampled_from([2, 3, 24, 128]))
def test_every_box_holds_exactly_its_points(points, leaf):
    order, axes, boxes = kd_tree_numba.build(points, leaf)
    depth = kd_tree_numba.depth_for(len(points), leaf)
    np.testing.assert_array_equal(np.sort(order), np.arange(len(points)))
    np.testing.assert_array_equal(axes[:, : len(points)].T, points[order])
    assert boxes.shape == (2 << depth, 6)
    for level in range(depth + 1):
        for node in range(1 << level):
            first, last = (n * len(points) >> level for n in (node, node + 1))
            part = points[order[first:last]]
            if len(part):
                np.testing.assert_array_equal(boxes[(1 << level) + node], [*part.min(0), *part.max(0)])
                if level == depth and leaf <= kd_tree_numba.FEW:
                    assert (np.diff(order[first:last]) > 0).all()


def test_coinciding_points_stay_in_order_in_every_node():
    order, _, _ = kd_tree_numba.build(np.zeros((3000, 3), np.float32), 16)
    np.testing.assert_array_equal(order, np.arange(3000))


class Counted(list):
    """Keys that count how often they are read."""

    reads = 0

    def __getitem__(self, place):
        self.reads += 1
        return super().__getitem__(place)


@pytest.mark.parametrize("order", ["out and back", "ascending", "random"])
def test_no_order_of_the_points_makes_a_selection_slow(order, monkeypatch):
    count = 4000
    rank = {
        "out and back": np.minimum(np.arange(count), np.arange(count)[::-1]),
        "ascending": np.arange(count),
        "random": np.random.default_rng(0).permutation(count),
    }[order]
    keys = Counted(int(key) << 32 | i for i, key in enumerate(rank))
    monkeypatch.setattr(kd_tree_numba, "_sort_few", kd_tree_numba._sort_few.py_func)
    kd_tree_numba.select.py_func(keys, 0, count, count // 2)
    assert max(list(keys)[: count // 2]) < min(list(keys)[count // 2 :])
    assert keys.reads < 15 * count  # two reads a step; a pivot that is always the least takes 2000 reads a key
