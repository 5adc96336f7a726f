import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoad.metrics import Curve

STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12).filter(
    lambda steps: sum(x for x, _ in steps) > 0
)


def polygon(steps):
    x, y = np.cumsum([(0, 0), *steps], axis=0).T
    return Curve(x / x[-1], y / max(y[-1], 1))


@given(STEPS, st.floats(0.01, 1))
def test_area_agrees_with_fine_sampling_of_the_line(steps, limit):
    curve = polygon(steps)
    rises = np.diff(curve.x) > 0
    middle = limit * (np.arange(4000) + 0.5) / 4000
    segment = np.clip(np.searchsorted(curve.x[1:][rises], middle), 0, rises.sum() - 1)
    x0, x1 = curve.x[:-1][rises][segment], curve.x[1:][rises][segment]
    y0, y1 = curve.y[:-1][rises][segment], curve.y[1:][rises][segment]
    sampled = np.mean(y0 + (y1 - y0) * (middle - x0) / (x1 - x0))
    assert curve.area(limit) == pytest.approx(sampled, abs=1e-3)


def test_limit_between_and_at_the_corners():
    curve = Curve(np.array([0.0, 0.2, 0.6, 1.0]), np.array([0.0, 0.8, 1.0, 1.0]))
    assert curve.area(0.3) == pytest.approx(0.5416666666666667, abs=1e-15)
    assert curve.area(0.2) == pytest.approx(0.4, abs=1e-15)
    assert curve.area() == pytest.approx(0.84, abs=1e-15)


@pytest.mark.parametrize("limit", [0, -0.1, 1.5, float("nan")])
def test_limits_outside_are_refused(limit):
    with pytest.raises(ValueError, match=r"limit must be a false positive rate in \(0, 1\]"):
        polygon([(1, 1)]).area(limit)
