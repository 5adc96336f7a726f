import numpy as np
import pytest

from geoad.evaluation.fit_threshold import fit_threshold
from geoad.metrics import Threshold
from geoad.sample import AnomalyMap
from tests.evaluation.toys import Height, ToyDataset


class Counting(Height):
    """Scores each part with a number of its own, and counts how often it is asked."""

    calls = 0

    def score(self, sample):
        self.calls += 1
        return AnomalyMap(super().score(sample).pixels, score=float(self.calls))


@pytest.mark.parametrize("kind", ["maximum", "quantile", "k-sigma", "max-area"])
def test_each_part_is_scored_once_whatever_the_rule(kind):
    parts, detector = ToyDataset(("good",) * 3), Counting()
    threshold = fit_threshold(detector, parts, kind)
    assert detector.calls == 3
    maps = [Height().score(parts[i]).pixels for i in range(3)]
    assert threshold == Threshold.fit(maps, kind, scores=np.arange(1.0, 4.0))


def test_defective_parts_and_empty_datasets_are_refused():
    with pytest.raises(ValueError, match="test/bump/001: a threshold is fitted to good parts"):
        fit_threshold(Height(), ToyDataset(("good", "bump")))
    with pytest.raises(ValueError, match="at least one map"):
        fit_threshold(Height(), ToyDataset(()))


def test_parts_that_share_the_highest_score_are_told():
    class Saturated(Height):
        def score(self, sample):
            return AnomalyMap(super().score(sample).pixels, score=40.0)

    with pytest.warns(UserWarning, match="^3 of 3 good parts have the highest score of all, 40: a part that is no"):
        fit_threshold(Saturated(), ToyDataset(("good",) * 3))
