from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.metrics.counting import LevelCounter

SCORES = st.lists(st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, np.inf, -np.inf]), min_size=1)


@given(SCORES, SCORES, st.sampled_from(["float32", "float64"]))
@settings(max_examples=150, deadline=None)
def test_counts_agree_with_comparisons(levels, scores, dtype):
    levels = np.unique(levels)
    with np.errstate(over="ignore"):
        scores = np.array([scores], dtype)
    counter = LevelCounter(levels)
    counter.add(scores)
    counter.add(scores[:, ::-1])
    edges = np.r_[-np.inf, levels, np.inf]
    assert counter.equal.tolist() == [2 * int((scores == level).sum()) for level in levels]
    inside = [int(((scores > a) & (scores < b)).sum()) for a, b in pairwise(edges)]
    inside[0] += int(((scores == -np.inf) & (levels[0] > -np.inf)).sum())
    inside[-1] += int(((scores == np.inf) & (levels[-1] < np.inf)).sum())
    assert counter.between.tolist() == [2 * n for n in inside]
