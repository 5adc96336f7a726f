import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.metrics import au_pro, au_spro, label_regions, rank_saturated
from tests.metrics import reference
from tests.metrics.cases import LIMITS, TEST_SETS


def cut_into_regions(masks, random):
    """Two annotations an image, overlapping and in several parts, with saturation areas whole and broken."""
    regions = []
    for mask in masks:
        mine = []
        for _ in range(2):
            mask_of_one = (mask > 0) & (random.random(mask.shape) < 0.7)
            if mask_of_one.any():
                mine.append((mask_of_one, random.choice([1.0, 0.6, 0.31]) * mask_of_one.sum()))
        regions.append(mine)
    if not any(regions):
        regions[0] = [(masks[0] > 0, 0.5)]
    return regions


@given(TEST_SETS, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_areas_agree_with_the_slow_twin(case, seed):
    maps, masks = case
    regions = cut_into_regions(masks, np.random.default_rng(seed))
    x, y = reference.spro_curve(maps, regions)
    for limit, value in au_spro(maps, regions, limit=LIMITS).items():
        assert value == pytest.approx(reference.area(x, y, limit), abs=1e-12)


@given(TEST_SETS)
@settings(max_examples=40, deadline=None)
def test_whole_regions_are_those_of_per_region_overlap_and_smaller_saturation_is_never_worse(case):
    maps, masks = case
    whole, half = [], []
    for mask in masks:
        labels, count = label_regions(mask > 0)
        each = [labels == j for j in range(1, count + 1)]
        whole.append([(region, region.sum()) for region in each])
        half.append([(region, region.sum() / 2) for region in each])
    full, pro, easier = (
        au_spro(maps, whole, limit=LIMITS),
        au_pro(maps, masks, limit=LIMITS),
        au_spro(maps, half, limit=LIMITS),
    )
    for limit in LIMITS:
        assert full[limit] == pytest.approx(pro[limit], abs=1e-12)
        assert easier[limit] >= full[limit] - 1e-12


@pytest.mark.parametrize(
    ("saturation", "small", "large"),
    [(5, 1, 1), (10, 1, 1), (20, 0.5125, 0.575), (50, 0.22, 0.32), (100, 0.1225, 0.235)],
)
def test_closed_form_of_one_region(saturation, small, large):
    region = np.zeros((20, 20), bool)
    region[5:15, 5:15] = True
    scores = np.zeros((20, 20))
    scores[5, 5:15] = 1
    areas = au_spro([scores], [[(region, saturation)]], limit=(0.05, 0.3))
    assert areas == pytest.approx({0.05: small, 0.3: large}, abs=1e-14)


def test_two_cables_of_which_one_is_enough():
    cables = np.zeros((10, 30), bool)
    cables[2, :] = cables[7, :] = True
    marked = np.zeros((10, 30))
    marked[2] = 1
    assert au_spro([marked], [[(cables, 30)]]) == 1
    parts = [(cables & (np.arange(10)[:, None] == row), 30) for row in (2, 7)]
    assert rank_saturated([marked], [parts]).pro_curve.y[1:3].max() == 0.5


@pytest.mark.parametrize("limit", LIMITS)
def test_a_constant_map_has_half_the_limit(limit):
    region = np.eye(6, dtype=bool)
    assert au_spro([np.ones((6, 6))] * 2, [[(region, 3)], []], limit=limit) == pytest.approx(limit / 2, abs=1e-15)


def test_wrong_regions_are_named():
    image, region = np.zeros((3, 3)), np.eye(3, dtype=bool)
    for saturation in (0, 4, float("nan")):
        with pytest.raises(ValueError, match=r"region 1 of image 0: the saturation area must be in \(0, 3\]"):
            au_spro([image], [[(region, 3), (region, saturation)]])
    with pytest.raises(ValueError, match="region 0 of image 0 is empty"):
        au_spro([image], [[(~region & region, 1)]])
    with pytest.raises(ValueError, match=r"mask 0 of image 0 must have the size of its map, \(3, 3\), got \(2, 2\)"):
        au_spro([image], [[(np.eye(2), 1)]])
    with pytest.warns(RuntimeWarning, match="no defective pixel"):
        assert np.isnan(au_spro([image], [[]]))
