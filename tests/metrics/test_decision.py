import numpy as np
import pytest
from hypothesis import given, settings

from geoad.metrics import best_balanced_accuracy, best_f1, decide, rate_pairs
from tests.metrics.test_classification import LABELLED


@given(LABELLED)
@settings(max_examples=80, deadline=None)
def test_the_best_is_reached_and_no_threshold_is_better(pairs):
    scores, labels = zip(*pairs, strict=True)
    candidates = [decide(scores, labels, t) for t in (-np.inf, *scores)]
    for best, name in ((best_f1, "f1"), (best_balanced_accuracy, "balanced_accuracy")):
        value, threshold = best(scores, labels)
        assert value == pytest.approx(getattr(decide(scores, labels, threshold), name), abs=1e-12)
        assert value == pytest.approx(max(getattr(c, name) for c in candidates), abs=1e-12)


@given(LABELLED)
@settings(max_examples=50, deadline=None)
def test_rates_are_those_of_the_confusion_matrix(pairs):
    scores, labels = zip(*pairs, strict=True)
    for threshold, tpr, tnr in zip(*rate_pairs(scores, labels), strict=True):
        at = decide(scores, labels, threshold)
        assert (at.tpr, at.tnr) == pytest.approx((tpr, tnr), abs=1e-15)


def test_one_class_is_nan():
    with pytest.warns(RuntimeWarning, match="no anomalous label"):
        assert np.isnan(best_f1([1, 2], [0, 0]).value)
    with pytest.warns(RuntimeWarning, match="no good label"):
        assert np.isnan(best_balanced_accuracy([1, 2], [1, 1]).value)
    assert best_f1([1, 2], [1, 1]).value == 1
    assert np.isnan(rate_pairs([1.0], [1])[2]).all()


def test_errors():
    with pytest.raises(ValueError, match="scores must not be NaN"):
        decide([np.nan], [1], 0)
    with pytest.raises(ValueError, match="threshold must be a number, got NaN"):
        decide([3, 2, 1], [1, 0, 1], np.nan)
    for wrong in (None, "1"):
        with pytest.raises(TypeError, match="threshold must be a number, got"):
            decide([3, 2, 1], [1, 0, 1], wrong)


def test_a_threshold_between_neighbouring_numbers_parts_them():
    low = np.nextafter(1.0, 2)
    high = np.nextafter(low, 2)  # the middle of the two rounds to it
    assert best_f1([high, low], [1, 0]) == best_balanced_accuracy([high, low], [1, 0]) == (1.0, low)
