from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.metrics import average_precision, bootstrap, compare, profile_images, rank_pixels, roc_auc
from geoad.metrics import profiles as profiles_module
from geoad.metrics.profiles import Profiles
from geoad.metrics.resampling import _areas
from tests.metrics.cases import LIMITS, TEST_SETS


def ranked_areas(maps, masks):
    ranking = rank_pixels(maps, masks)
    labels = [mask.any() for mask in masks]
    found = {
        (name, limit): value
        for name in ("au_pro", "au_roc", "au_iou")
        for limit, value in getattr(ranking, name)(LIMITS).items()
    }
    found |= {("pixel_auroc", None): ranking.auroc, ("pixel_ap", None): ranking.average_precision}
    if 0 < sum(labels) < len(labels):
        found["image_auroc", None] = roc_auc(ranking.maxima, labels)
        found["image_ap", None] = average_precision(ranking.maxima, labels)
    return found


@given(TEST_SETS, st.data())
@settings(max_examples=40, deadline=None)
def test_a_draw_has_the_areas_of_the_images_it_holds(case, data):
    maps, masks = case
    times = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(maps), max_size=len(maps))))
    drawn = np.repeat(np.arange(len(maps)), times)
    pixels = np.concatenate([masks[i].ravel() for i in drawn] or [[]])
    if not pixels.any() or pixels.all():
        return
    found = {key: values[0] for key, values in _areas(profile_images(maps, masks), times[None], LIMITS, None)}
    for key, value in ranked_areas([maps[i] for i in drawn], [masks[i] for i in drawn]).items():
        # Each good score is a level here, so even the IoU is exact.
        assert found[key] == pytest.approx(value, abs=1e-9), key


def make_images(count, seed, height=0.3, shape=(60, 80)):
    random = np.random.default_rng(seed)
    masks = [np.zeros(shape, bool) for _ in range(count)]
    for mask in masks[count // 3 :]:
        row, column = random.integers(0, 40, 2)
        mask[row : row + 15, column : column + 20] = True
    strength = random.uniform(0, 2 * height, count)
    maps = [
        (np.random.default_rng((seed, i)).random(shape) + s * m).astype(np.float32)
        for i, (m, s) in enumerate(zip(masks, strength, strict=True))
    ]
    return maps, masks


def test_on_a_coarse_grid_areas_are_within_the_stated_error():
    maps, masks = make_images(12, seed=1)
    exact = rank_pixels(maps, masks)
    for levels in (100, 400):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(profiles_module, "LEVELS", levels)
            profiles = profile_images(maps, masks, exact)
        once = dict(_areas(profiles, np.ones((1, 12)), LIMITS, None))
        for limit in LIMITS:
            error = abs(once["au_pro", limit][0] - exact.au_pro([limit])[limit])
            assert error <= profiles.grid_error(limit) + 1e-12
            assert error < 1e-3
        assert once["pixel_ap", None][0] == pytest.approx(exact.average_precision, abs=1e-3)


def test_intervals_hold_the_value_and_shrink_with_the_number_of_images():
    widths = []
    for count in (12, 96):
        maps, masks = make_images(count, seed=2)
        profiles, value = profile_images(maps, masks), rank_pixels(maps, masks).au_pro([0.3])[0.3]
        low, high = bootstrap(profiles, limits=[0.3], resamples=300)["au_pro", 0.3]
        assert low < value < high
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]
    again = bootstrap(profiles, limits=[0.3], resamples=300)
    assert again["au_pro", 0.3] == (low, high), "one seed, one answer"
    assert bootstrap(profiles, limits=[0.3], resamples=300, seed=1)["au_pro", 0.3] != (low, high)


def test_two_methods_on_the_same_images():
    maps, masks = make_images(30, seed=3)
    better = [m + np.float32(0.05) * mask for m, mask in zip(maps, masks, strict=True)]
    random = np.random.default_rng(0)
    same = [m + random.normal(0, 1e-3, m.shape).astype(np.float32) for m in maps]
    profiles = [profile_images(each, masks) for each in (better, maps, same)]
    key = ("au_pro", 0.3)
    won, tied = (compare(profiles[i], profiles[1], resamples=400)[key] for i in (0, 2))
    assert won.p < 0.01 and won.interval.low > 0 and won.difference > 0
    assert tied.interval.low < 0 < tied.interval.high or abs(tied.difference) < 1e-4
    lost = compare(profiles[1], profiles[0], resamples=400)[key]
    assert lost.difference == -won.difference and lost.p == won.p
    apart = [bootstrap(each, limits=[0.3], resamples=400)[key] for each in profiles[:2]]
    assert apart[0].low < apart[1].high, "only on the same draws can they be told apart"
    with pytest.raises(ValueError, match="same images in the same order"):
        compare(profiles[0], profile_images(maps[::-1], masks[::-1]))


def test_areas_of_images_are_drawn_too():
    maps, masks = make_images(9, seed=4)
    own = np.where([mask.any() for mask in masks], 0.25, np.nan)
    assert bootstrap(profile_images(maps, masks), image_areas=own, resamples=20)["aupimo", None] == (0.25, 0.25)


def test_undefined_and_wrong():
    profiles = profile_images([np.ones((2, 2))], [np.eye(2)])
    drawn = bootstrap(profiles, resamples=3)
    assert np.isnan(drawn["image_auroc", None]).all() and not np.isnan(drawn["au_pro", 0.3]).any()
    assert np.isnan(bootstrap(profile_images([np.ones((2, 2))], [None]), resamples=3)["au_pro", 0.3]).all()
    with pytest.raises(ValueError, match="resamples must be positive"):
        bootstrap(profiles, resamples=0)
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\), got 95"):
        bootstrap(profiles, level=95)
    with pytest.raises(ValueError, match="limit must be"):
        bootstrap(profiles, limits=[30])


def test_many_images_have_fewer_levels():
    maps, masks = make_images(30, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiles_module, "MEMORY", 32 * 50 * 30)
        profiles = profile_images(maps, masks)
    assert profiles.good.shape[1] <= 2 * 50 + 1 and (profiles.good.sum(1) + profiles.defective.sum(1) == 4800).all()


def test_a_method_is_not_better_than_itself():
    profiles = profile_images(*make_images(9, seed=6))
    same = compare(profiles, profiles, resamples=40)
    assert {each.p for each in same.values()} == {1.0} and {each.difference for each in same.values()} == {0.0}


def test_the_level_is_how_much_lies_in_the_interval():
    a, b = (profile_images(*make_images(12, seed=7, height=height)) for height in (0.3, 0.6))
    key, how = ("au_pro", 0.3), {"limits": [0.3], "resamples": 100}
    for draw in (
        lambda level: bootstrap(a, level=level, **how)[key],
        lambda level: compare(a, b, level=level, **how)[key].interval,
    ):
        wide, narrow = draw(0.95), draw(0.5)
        assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("keywords", "error"), [({"resamples": 0}, "resamples must be positive"), ({"level": 95}, "level must be in")]
)
def test_draws_that_are_none(keywords, error):
    profiles = profile_images(*make_images(9, seed=6))
    for draw in (partial(bootstrap, profiles), partial(compare, profiles, profiles)):
        with pytest.raises(ValueError, match=error):
            draw(**keywords)


def test_areas_of_images_are_one_an_image():
    profiles = profile_images(*make_images(9, seed=6))
    own = torch.full((9,), 0.25, requires_grad=True)
    assert bootstrap(profiles, image_areas=own, resamples=9)["aupimo", None] == (0.25, 0.25)
    assert compare(profiles, profiles, image_areas=(own, own), resamples=9)["aupimo", None].difference == 0
    for draw, wrong in (
        (partial(bootstrap, profiles), own[:8]),
        (partial(compare, profiles, profiles), (own, own[:8])),
    ):
        with pytest.raises(ValueError, match=r"image_areas must have shape \(9,\), got \(8,\)"):
            draw(image_areas=wrong)
    with pytest.raises(ValueError, match="image_areas must not be masked"):
        bootstrap(profiles, image_areas=np.ma.masked_equal(np.arange(9.0), 4))


def test_draws_are_of_images():
    with pytest.raises(ValueError, match="profiles must be of at least one image, got none"):
        bootstrap(profile_images([], []))


def test_other_defects_are_other_images():
    maps, mask = [np.eye(4)], np.array([[1, 0, 1, 0]] * 4)
    with pytest.raises(ValueError, match="same images in the same order"):
        compare(profile_images(maps, [np.eye(4)]), profile_images(maps, [mask]), resamples=2)


def test_one_level_with_good_and_bad_pixels_has_half_of_their_area_for_its_error():
    mixed = np.array([[1, 0, 0]])
    profiles = Profiles(mixed, mixed, 1.0 * mixed, np.array([1]), np.array([1.0]), np.array([True]))
    assert profiles.grid_error(1.0) == 0.5
