import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.metrics import average_precision, best_balanced_accuracy, best_f1, rate_pairs, roc_auc
from tests.metrics import reference

LABELLED = st.lists(
    st.tuples(st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 0.3, 2.0, 7.0, np.inf]), st.booleans()),
    min_size=2,
    max_size=40,
).filter(lambda pairs: len({label for _, label in pairs}) == 2)


@given(LABELLED)
@settings(max_examples=100, deadline=None)
def test_areas_agree_with_the_slow_twins(pairs):
    scores, labels = zip(*pairs, strict=True)
    assert roc_auc(scores, labels) == pytest.approx(reference.roc_auc(scores, labels), abs=1e-12)
    assert average_precision(scores, labels) == pytest.approx(reference.average_precision(scores, labels), abs=1e-12)


@given(LABELLED)
@settings(max_examples=50, deadline=None)
def test_inverting_the_scores_mirrors_the_area(pairs):
    scores, labels = np.array(pairs).T
    assert roc_auc(-scores, labels) == pytest.approx(1 - roc_auc(scores, labels), abs=1e-15)


def test_ties_count_half():
    assert roc_auc([3, 2, 2, 1], [1, 1, 0, 0]) == 0.875
    assert roc_auc([1, 1, 1], [1, 0, 0]) == 0.5
    assert average_precision([1, 1, 1, 1], [1, 0, 0, 0]) == 0.25


def test_one_class_is_nan():
    for labels, kind in (([0, 0], "anomalous"), ([1, 1], "good")):
        with pytest.warns(RuntimeWarning, match=f"no {kind} label"):
            assert np.isnan(roc_auc([1, 2], labels))
    with pytest.warns(RuntimeWarning, match="no anomalous label"):
        assert np.isnan(average_precision([1, 2], [0, 0]))
    assert average_precision([1, 2], [1, 1]) == 1


@pytest.mark.parametrize("area", [roc_auc, average_precision])
def test_errors(area):
    with pytest.raises(ValueError, match="scores must not be NaN, got NaN at index 1"):
        area([0.0, np.nan], [0, 1])
    with pytest.raises(ValueError, match=r"labels must have shape \(3,\), got \(2,\)"):
        area([0.0, 1.0, 2.0], [0, 1])


@pytest.mark.parametrize("labels", [[0.0, 0.3, 0.2, 0.5], ["good", "bad", "good", "bad"]])
@pytest.mark.parametrize("metric", [roc_auc, average_precision])
def test_labels_that_are_none_are_refused(metric, labels):
    with pytest.raises(ValueError, match=r"labels must be whole numbers, .* the order is \(scores, labels\)"):
        metric([0, 1, 1, 0], labels)
    assert metric([0, 1, 1, 0], [0.0, 1.0, 255.0, 0.0]) == 1


@pytest.mark.parametrize("metric", [roc_auc, average_precision, best_f1, best_balanced_accuracy, rate_pairs])
def test_scores_are_numbers_that_are_there(metric):
    masked = np.ma.masked_equal([3.0, 2, -999, 1], -999)
    with pytest.raises(ValueError, match="scores must not be masked"):
        metric(masked, [1, 0, 1, 0])
    with pytest.raises(ValueError, match="labels must not be masked"):
        metric([1, 0, 1, 0], masked)
    for scores in (["3", "2"], [3j, 2j], np.array(["2001", "2002"], "datetime64[Y]")):
        with pytest.raises(TypeError, match="scores must be an array of numbers"):
            metric(scores, [1, 0])


def test_no_label_is_negative():
    for negative in ([-1, 1, 1], [-1.0, 1.0, 1.0]):  # as outliers are marked elsewhere
        with pytest.raises(ValueError, match="labels must be 0 where good and above 0 where defective"):
            roc_auc([3, 2, 1], negative)
