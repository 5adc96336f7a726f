import json
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from geoad.metrics import Threshold
from geoad.metrics.threshold import SIGMAS
from geoad.metrics.threshold_rules import below_area, quantile
from tests.metrics.cases import TEST_SETS

RAMP = (np.arange(10_000) / 9999).reshape(100, 100)
FINITE = TEST_SETS.map(lambda case: [np.nan_to_num(m, posinf=5.0, neginf=-5.0) for m in case[0]])


def test_ramp_of_the_specification():
    values = {kind: Threshold.fit([RAMP], kind).value for kind in ("maximum", "quantile", "k-sigma", "max-area")}
    assert values["maximum"] == 1 and not Threshold.fit([RAMP]).apply(RAMP).any()
    assert values["quantile"] == 9899 / 9999 and np.mean(values["quantile"] < RAMP) == 0.01
    assert values["k-sigma"] == pytest.approx(0.5 + SIGMAS * RAMP.std(), abs=1e-12)
    assert values["k-sigma"] == pytest.approx(1.17163, abs=5e-6)
    assert pytest.approx(NormalDist().inv_cdf(0.99), abs=1e-12) == SIGMAS
    assert values["max-area"] == 9990 / 9999 and np.sum(values["max-area"] < RAMP) == 9


def test_gaussian_scores_make_quantile_and_sigmas_agree():
    scores = [np.random.default_rng(i).normal(size=(500, 500)).astype(np.float32) for i in range(4)]
    values = [Threshold.fit(scores, kind).value for kind in ("quantile", "k-sigma")]
    assert abs(values[0] - values[1]) < 0.01
    assert values[0] == np.sort(np.ravel(scores))[990_000 - 1]


@given(FINITE, st.floats(0.01, 1))
@settings(max_examples=60, deadline=None)
def test_quantile_is_the_smallest_score_with_enough_below(maps, p):
    scores = np.concatenate([m.ravel() for m in maps]).astype(np.float64)
    value = Threshold.fit(maps, "quantile", p=p).value
    enough = [s for s in np.unique(scores) if np.sum(scores <= s) >= p * len(scores) - 1e-9]
    assert value == min(enough)


@given(FINITE, st.floats(0.02, 1), st.sampled_from([4, 8]))
@settings(max_examples=60, deadline=None)
def test_max_area_is_the_smallest_score_that_leaves_only_small_components(maps, area, connectivity):
    structure = np.ones((3, 3)) if connectivity == 8 else None

    def all_small(t):
        for m in maps:
            labels, count = ndimage.label(m > t, structure)
            if count and np.bincount(labels.ravel())[1:].max() >= area * m.size - 1e-9:
                return False
        return True

    value = Threshold.fit(maps, "max-area", area=area, connectivity=connectivity).value
    candidates = [t for t in np.unique(np.concatenate([m.ravel() for m in maps])) if all_small(t)]
    assert value == min(candidates)


def test_diagonal_blobs_are_one_or_two():
    pixels = np.zeros((20, 20))
    pixels[2:4, 2:6] = pixels[4:6, 6:10] = 1
    assert Threshold.fit([pixels], "max-area", area=10 / 400).value == 0
    assert Threshold.fit([pixels], "max-area", area=10 / 400, connectivity=8).value == 1
    assert Threshold.fit([pixels], "max-area", area=8 / 400).value == 1


@given(FINITE)
@settings(max_examples=30, deadline=None)
def test_order_of_the_kinds_and_rates_by_construction(maps):
    highest = Threshold.fit(maps).value
    assert Threshold.fit(maps, "max-area").value <= highest
    assert Threshold.fit(maps, "max-area", area=1e-9).value == highest
    quantiles = [Threshold.fit(maps, "quantile", p=p) for p in (0.5, 0.9, 0.99)]
    assert [t.value for t in quantiles] == sorted(t.value for t in quantiles)
    scores = np.concatenate([m.ravel() for m in maps])
    assert np.mean(scores > quantiles[1].value) <= 0.1 + 1e-12


def test_parts_are_thresholded_by_the_same_rule():
    maps = [np.full((2, 2), float(i)) for i in range(10)]
    assert Threshold.fit(maps).part_value == 9
    assert Threshold.fit(maps, "quantile", p=0.5, scores=np.arange(10) * 2.0).part_value == 8
    sigma = Threshold.fit(maps, "k-sigma", k=1)
    assert sigma.part_value == pytest.approx(4.5 + np.arange(10).std())
    assert sigma.flags(8) and not sigma.flags(sigma.part_value)


def test_a_saved_threshold_can_be_edited(tmp_path):
    threshold = Threshold.fit([RAMP], "max-area")
    threshold.save(tmp_path / "threshold.json")
    assert Threshold.load(tmp_path / "threshold.json") == threshold
    content = json.loads((tmp_path / "threshold.json").read_text())
    (tmp_path / "threshold.json").write_text(json.dumps({**content, "value": 3}))
    assert Threshold.load(tmp_path / "threshold.json").value == 3
    assert [path.name for path in tmp_path.iterdir()] == ["threshold.json"]
    (tmp_path / "threshold.json").write_text('{"value": 1.5, "part_value": 2}')
    assert Threshold.load(tmp_path / "threshold.json").kind == "by hand"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not readable as JSON"),
        ("[]", "a threshold is a JSON object, got list"),
        ('{"value": "high", "part_value": 1}', "'value' must be a number, got \"high\""),
        ('{"value": 1}', "'part_value' must be a number, got null"),
        ('{"value": 1, "part_value": NaN}', "'part_value' must be a number, got NaN"),
        ('{"value": Infinity, "part_value": 1}', "'value' must be a number, got Infinity"),
        (f'{{"value": 1{"0" * 400}, "part_value": 1}}', "'value' must be a number, got Infinity"),
        ('{"value": 1, "part_value": 1, "valu": 3}', "unknown key 'valu'; known: kind, value"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, text, reason):
    (tmp_path / "threshold.json").write_text(text)
    with pytest.raises(ValueError, match=r"threshold\.json: ") as caught:
        Threshold.load(tmp_path / "threshold.json")
    assert reason in str(caught.value)


def test_wrong_arguments():
    for kind in ("maximum", "quantile", "k-sigma", "max-area"):
        with pytest.raises(ValueError, match="needs at least one map of a good part"):
            Threshold.fit([], kind)
        with pytest.raises(ValueError, match="map 0 holds 1 NaN"):
            Threshold.fit([[[np.nan, 0.0]]], kind)
    with pytest.raises(ValueError, match="unknown kind 'max'"):
        Threshold.fit([RAMP], "max")
    with pytest.raises(ValueError, match=r"p must be a share in \(0, 1\], got 99"):
        Threshold.fit([RAMP], "quantile", p=99)
    with pytest.raises(ValueError, match=r"area must be a share in \(0, 1\], got 10"):
        Threshold.fit([RAMP], "max-area", area=10)
    with pytest.raises(ValueError, match="must be finite"):
        Threshold.fit([[[np.inf, 0.0]]])
    with pytest.raises(ValueError, match=r"scores must have shape \(1,\), got \(2,\)"):
        Threshold.fit([RAMP], scores=[1, 2])


def test_pixels_and_parts_are_held_against_the_same_number():
    threshold, pixels = Threshold("by hand", 0.1, 0.1), np.array([[0.1]], np.float32)  # 0.100000001…
    assert threshold.apply(pixels).all() and threshold.flags(float(pixels.max()))
    with pytest.raises(ValueError, match="the score of a part must be a number, got NaN"):
        threshold.flags(float("nan"))


def test_what_a_threshold_is_fitted_to(tmp_path):
    maps = [np.arange(6.0).reshape(2, 3)]
    with pytest.raises(TypeError, match="maps are read more than once"):
        Threshold.fit((m for m in maps), "quantile")
    with pytest.raises(ValueError, match=r"map 0 must hold a pixel, got shape \(0, 3\)"):
        Threshold.fit([np.empty((0, 3))])
    fitted = Threshold.fit(maps, "quantile", p=np.float32(0.5))
    fitted.save(tmp_path / "threshold.json")
    assert Threshold.load(tmp_path / "threshold.json") == fitted


def test_a_threshold_comes_back_as_it_was(tmp_path):
    threshold = Threshold.fit([RAMP], "max-area")
    threshold.save(tmp_path / "threshold.json")
    again = Threshold.load(tmp_path / "threshold.json")
    assert again == threshold and repr(again) == repr(threshold)


def test_sigmas_are_those_of_all_pixels_of_all_maps():
    maps = [np.zeros((2, 3)), np.full((4, 4), 3.0), np.eye(5)]
    pixels = np.concatenate([m.ravel() for m in maps])
    assert Threshold.fit(maps, "k-sigma", k=1.5).value == pytest.approx(pixels.mean() + 1.5 * pixels.std(), abs=1e-12)


def test_a_quantile_of_maps_of_several_precisions_is_exact():
    maps = [np.full((1, 3), 1 + 1e-12), np.zeros((1, 2), np.float32)]
    assert Threshold.fit(maps, "quantile", p=1).value == Threshold.fit(maps[::-1], "quantile", p=1).value == 1 + 1e-12


def test_a_share_that_rounds_up_takes_no_rank_more():
    scores = [np.arange(100.0).reshape(10, 10)]
    assert 0.07 * 100 > 7 and quantile(scores, 0.07) == 6
    assert below_area([np.arange(100.0)[::-1].reshape(10, 10)], 0.07) == 93


@pytest.mark.parametrize("pixels", [np.full((2, 2), 0.1, np.float32), np.full((2, 2), 0.3, np.float32)])
def test_the_maximum_of_a_map_is_held_against_a_threshold_as_its_pixels_are(pixels):
    for value in (0.1, 0.3, np.float32(0.1), np.float32(0.3)):
        threshold = Threshold("by hand", value, value)
        assert threshold.apply(pixels).any() == threshold.flags(pixels.max()) == threshold.flags(float(pixels.max()))


@pytest.mark.parametrize(
    ("values", "error", "told"),
    [
        ((np.nan, 1.0), ValueError, "value of a threshold must be finite, got nan"),
        ((None, 1.0), TypeError, "value must be a number, got None"),
        ((1.0, np.inf), ValueError, "part_value of a threshold must be finite, got inf"),
        ((1.0, "2"), TypeError, "part_value must be a number, got '2'"),
    ],
)
def test_a_threshold_is_a_number(values, error, told):
    with pytest.raises(error, match=told):
        Threshold("by hand", *values)


def test_a_number_of_numpy_is_written_too(tmp_path):
    threshold = Threshold("by hand", np.float32(0.1), np.int64(2))
    threshold.save(tmp_path / "threshold.json")
    assert Threshold.load(tmp_path / "threshold.json") == threshold


def test_scores_are_as_much_checked_as_maps():
    with pytest.raises(ValueError, match="scores must not be masked"):
        Threshold.fit([RAMP], scores=np.ma.masked_equal([-999.0], -999))
    with pytest.raises(TypeError, match="scores must be an array of numbers, got list of <U1"):
        Threshold.fit([RAMP], scores=["3"])
