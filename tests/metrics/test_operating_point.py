import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.metrics import Confusion, decide, decide_pixels, threshold_at_fpr
from tests.metrics import reference
from tests.metrics.cases import TEST_SETS, make_test_set


@given(TEST_SETS)
@settings(max_examples=50, deadline=None)
def test_counts_and_overlaps_agree_with_comparisons(case):
    maps, masks = case
    threshold = float(maps[0].flat[0])
    found = decide_pixels(maps, masks, threshold)
    scores, labels = (np.concatenate([a.ravel() for a in arrays]) for arrays in (maps, masks))
    above, labels = scores > threshold, labels > 0
    assert found.confusion == Confusion(
        int(sum(above & labels)), int(sum(above & ~labels)), int(sum(~above & ~labels)), int(sum(~above & labels))
    )
    inside = [m[lab == j] for m, mask in zip(maps, masks, strict=True) for lab, n in [reference.regions(mask > 0, 8)]
              for j in range(1, n + 1)]  # fmt: skip
    assert found.overlaps == pytest.approx([np.mean(region > threshold) for region in inside], abs=1e-15)


@given(TEST_SETS, st.floats(0, 0.99))
@settings(max_examples=40, deadline=None)
def test_threshold_at_a_rate_is_the_smallest_score_that_keeps_it(case, fpr):
    maps, masks = case
    threshold = threshold_at_fpr(maps, masks, fpr)
    good = np.concatenate([m[mask == 0] for m, mask in zip(maps, masks, strict=True)]).astype(np.float64)
    kept = [t for t in np.unique(good) if np.mean(good > t) <= fpr + 1e-12]
    assert threshold == min(kept)


def test_toy_of_the_thesis():
    mask, prediction = np.zeros((10, 10)), np.zeros((10, 10))
    mask[1:5, 1:5] = mask[7:9, 7:9] = 1
    prediction[1:5, 1:5] = prediction[0, 8:] = 1
    found = decide_pixels([prediction], [mask], 0.5)
    assert (found.confusion.tpr, found.confusion.fpr, found.pro) == (0.8, 0.025, 0.5)
    assert found.confusion.precision == pytest.approx(8 / 9) and found.confusion.iou == pytest.approx(8 / 11)
    assert found.quantiles() == [0.25, 0.5, 0.75]


def test_a_score_at_the_threshold_is_not_predicted():
    assert decide_pixels([[[0.5, 0.6]]], [[[1, 1]]], 0.5).confusion == Confusion(tp=1, fp=0, tn=0, fn=1)


def test_without_regions_shares_are_nan():
    found = decide_pixels([np.ones((2, 2))], [None], 0.5)
    assert np.isnan([found.pro, found.confusion.tpr, *found.quantiles()]).all() and found.confusion.fpr == 1
    assert np.isnan([Confusion(0, 0, 0, 0).f1, Confusion(0, 0, 1, 1).precision]).all()


def test_several_processes_count_the_same():
    maps, masks = (each * 20 for each in make_test_set(4, 5, 40, "float32"))  # more slices than wait at once
    one, two = (decide_pixels(maps, masks, 0.0, jobs=jobs) for jobs in (1, 2))
    assert one.confusion == two.confusion and one.overlaps.tolist() == two.overlaps.tolist()


def test_a_threshold_that_is_no_number():
    with pytest.raises(ValueError, match="threshold must be a number, got NaN"):
        decide_pixels([np.ones((1, 2))], [None], np.nan)


def test_a_score_of_fewer_bits_is_held_against_the_threshold_as_everywhere():
    scores = np.array([[0.1]], np.float32)  # 0.100000001…
    assert decide_pixels([scores], [[[1]]], 0.1).confusion == decide(scores.ravel(), [1], 0.1)
