import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.metrics import aupimo
from tests.metrics.cases import TEST_SETS

BOUNDS = st.sampled_from([(1e-5, 1e-4), (0.01, 0.1), (0.05, 0.6), (0.3, 1.0)])


def slow(maps, masks, bounds, steps=20_000):
    """Every rate of a fine logarithmic grid, interpolated between the rates that thresholds give."""
    good = [m.astype(np.float64) for m, mask in zip(maps, masks, strict=True) if not mask.any()]
    thresholds = np.unique(np.concatenate([m.ravel() for m in good]))[::-1]
    edges = np.geomspace(*bounds, steps + 1)
    grid = np.sqrt(edges[1:] * edges[:-1])
    areas = []
    for m, mask in zip(maps, masks, strict=True):
        if not mask.any():
            areas.append(np.nan)
            continue
        inside, x, y = m[mask > 0].astype(np.float64), [0.0], [0.0]
        for t in thresholds:
            x += [x[-1], np.mean([np.mean(g >= t) for g in good])]
            y += [np.mean(inside > t), np.mean(inside >= t)]
        step = np.searchsorted(x, grid, side="left")
        x, y = np.array(x), np.array(y)
        slope = (y[step] - y[step - 1]) / (x[step] - x[step - 1])
        areas.append(np.mean(y[step - 1] + slope * (grid - x[step - 1])))
    return areas


@given(TEST_SETS, BOUNDS)
@settings(max_examples=60, deadline=None)
def test_areas_agree_with_fine_sampling(case, bounds):
    maps, masks = case
    maps, masks = [*maps, *maps[:2]], [*masks, *(np.zeros_like(mask) for mask in masks[:2])]
    assert aupimo(maps, masks, bounds=bounds) == pytest.approx(slow(maps, masks, bounds), abs=2e-4, nan_ok=True)


def test_closed_forms():
    good = np.linspace(0, 1, 100_000).reshape(250, 400)
    mask = np.zeros((250, 400), bool)
    mask[:100] = True
    constant = aupimo([np.ones((5, 5)), np.ones((5, 5))], [None, np.eye(5)])
    assert constant[1] == pytest.approx((1e-4 - 1e-5) / np.log(10), abs=1e-15)  # recall = rate
    assert aupimo([good, np.where(mask, 2.0, 0.0)], [None, mask])[1] == pytest.approx(1, abs=1e-12)
    assert aupimo([good, np.where(mask, 0.5, 0.9)], [None, mask])[1] == 0
    # Found once three of 100 000 good pixels are: from the rate 3e-5 on.
    late = aupimo([good, np.where(mask, (good.flat[-3] + good.flat[-4]) / 2, 0.0)], [None, mask])[1]
    assert late == pytest.approx(np.log(1e-4 / 3e-5) / np.log(10), abs=1e-9)


def test_good_images_of_other_sizes_weigh_the_same():
    small, large = np.zeros((1, 10)), np.zeros((10, 100))
    small[0, 0] = large[0, 0] = 1
    found = np.array([[0.5, 0.0]])
    area = aupimo([small, large, found], [None, None, np.array([[1, 0]])], bounds=(0.02, 0.2))[2]
    rate = (1 / 10 + 1 / 1000) / 2
    assert area == pytest.approx(np.log(0.2 / rate) / np.log(10), abs=1e-12)


def test_order_does_not_matter():
    random = np.random.default_rng(0)
    maps = [random.random((40, 50)).astype(np.float32) for _ in range(20)]
    masks = [np.eye(40, 50) if i % 3 else None for i in range(20)]
    one = aupimo(maps, masks, bounds=(1e-3, 1e-1))
    assert np.array_equal(aupimo(maps[::-1], masks[::-1], bounds=(1e-3, 1e-1))[::-1], one, equal_nan=True)


@pytest.mark.slow
def test_processes_do_not_matter():
    random = np.random.default_rng(0)
    maps = [random.random((40, 50)).astype(np.float32) for _ in range(20)]
    masks = [np.eye(40, 50) if i % 3 else None for i in range(20)]
    one, two = (aupimo(maps, masks, bounds=(1e-3, 1e-1), jobs=jobs) for jobs in (1, 2))
    assert np.array_equal(one, two, equal_nan=True)


def test_undefined_and_wrong():
    with pytest.warns(RuntimeWarning, match="no good image"):
        assert np.isnan(aupimo([np.ones((2, 2))], [np.eye(2)])).all()
    with pytest.warns(RuntimeWarning, match="no defective image"):
        assert np.isnan(aupimo([np.ones((2, 2))], [None])).all()
    with pytest.raises(ValueError, match="bounds must be false positive rates"):
        aupimo([], [], bounds=(1e-4, 1e-5))
    with pytest.raises(TypeError, match="masks are read more than once"):
        aupimo([], iter([]))


def test_rates_are_of_the_mean_over_images_where_one_has_most_of_the_high_scores():
    high, low = 1 + np.arange(1000.0).reshape(20, 50) / 1000, np.zeros((20, 50))
    maps = [high, low, low, np.full((2, 2), 1.1995)]
    area = aupimo(maps, [None, None, None, np.eye(2)], bounds=(0.01, 0.3))[3]
    assert area == pytest.approx(np.log(0.3 / (0.8 / 3)) / np.log(30), abs=1e-12)
