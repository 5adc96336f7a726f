import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.metrics import Curve, au_pro, average_precision, counting, pixel_auroc, rank_pixels, ranking_walk, roc_auc
from geoad.metrics import ranking as ranking_module
from geoad.metrics.pixel_ranking import official_ranks
from geoad.metrics.threshold_rules import below_area
from tests.metrics import reference
from tests.metrics.cases import LIMITS, TEST_SETS, make_test_set


def block(shape, *boxes):
    """A mask with ones in the boxes (row, column, height, width)."""
    mask = np.zeros(shape, np.uint8)
    for row, column, height, width in boxes:
        mask[row : row + height, column : column + width] = 1
    return mask


@given(TEST_SETS, st.sampled_from([4, 8]))
@settings(max_examples=80, deadline=None)
def test_exact_areas_agree_with_the_slow_twin(case, connectivity):
    maps, masks = case
    x, y = reference.pro_curve(maps, masks, connectivity)
    for limit, value in au_pro(maps, masks, limit=LIMITS, connectivity=connectivity).items():
        assert value == pytest.approx(reference.area(x, y, limit), abs=1e-12)
    scores = np.concatenate([m.ravel().astype(np.float64) for m in maps])
    labels = np.concatenate([m.ravel() > 0 for m in masks])
    assert pixel_auroc(maps, masks) == pytest.approx(roc_auc(scores, labels), abs=1e-12)


@given(TEST_SETS)
@settings(max_examples=60, deadline=None)
def test_the_other_areas_agree_with_their_slow_twins(case):
    maps, masks = case
    ranking = rank_pixels(maps, masks)
    roc, iou = reference.curve(maps, masks, reference.recall), reference.curve(maps, masks, reference.iou)
    for limit in LIMITS:
        assert ranking.au_roc([limit])[limit] == pytest.approx(reference.area(*roc, limit), abs=1e-12)
        assert ranking.au_iou([limit])[limit] == pytest.approx(reference.area(*iou, limit), abs=1e-12)
    scores = np.concatenate([m.ravel().astype(np.float64) for m in maps])
    labels = np.concatenate([m.ravel() > 0 for m in masks])
    expected = reference.average_precision(scores, labels)
    assert ranking.average_precision == pytest.approx(expected, abs=1e-12)
    assert ranking.average_precision == pytest.approx(average_precision(scores, labels), abs=1e-12)
    assert ranking.pr_trapezoid == pytest.approx(reference.precision_trapezoid(scores, labels), abs=1e-12)


@given(TEST_SETS, st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_many_defective_pixels_go_through_a_file_in_bands(case, capacity):
    maps, masks = case
    whole = rank_pixels(maps, masks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking_module, "CAPACITY", capacity)
        banded = rank_pixels(maps, masks)
    assert banded.au_pro(LIMITS) == pytest.approx(whole.au_pro(LIMITS), abs=1e-14)
    assert banded.au_pro(LIMITS, "official") == whole.au_pro(LIMITS, "official")
    assert banded.au_iou(LIMITS) == pytest.approx(whole.au_iou(LIMITS), abs=1e-14)
    assert banded.auroc == whole.auroc
    assert banded.average_precision == pytest.approx(whole.average_precision, abs=1e-14)


def test_long_curves_keep_few_corners_and_exact_areas():
    random = np.random.default_rng(5)
    masks = [block((300, 400), (20, 30, 200, 150), (240, 10, 50, 300)), block((300, 400))] * 3
    maps = [(random.random((300, 400)) + 0.4 * mask).astype(np.float32) for mask in masks]
    ranking = rank_pixels(maps, masks)
    assert ranking.defective == 135_000 and len(ranking.corners.score) < 150_000
    scores, labels = np.ravel(maps).astype(np.float64), np.ravel(masks) > 0
    order = np.argsort(-scores)
    x, found = np.cumsum(~labels[order]) / np.sum(~labels), np.cumsum(labels[order])
    inside = [m[lab == j] for m, mask in zip(maps, masks, strict=True) for lab, n in [reference.regions(mask, 8)]
              for j in range(1, n + 1)]  # fmt: skip
    thresholds = scores[order]
    overlap = np.mean([np.searchsorted(np.sort(-r), -thresholds, side="right") / len(r) for r in inside], axis=0)
    last = np.r_[thresholds[1:] != thresholds[:-1], True]
    iou = found / (labels.sum() + np.cumsum(~labels[order]))
    for limit in (*LIMITS, 0.1234):
        for areas, y in ((ranking.au_pro, overlap), (ranking.au_roc, found / labels.sum()), (ranking.au_iou, iou)):
            expected = Curve(np.r_[0, x[last]], np.r_[0, y[last]]).area(limit)
            close = 1e-12 if limit in LIMITS and y is not iou else 1e-7
            assert areas([limit])[limit] == pytest.approx(expected, abs=close)
    assert ranking.average_precision == pytest.approx(average_precision(scores, labels), abs=1e-12)


def test_several_processes_find_the_same():
    maps, masks = make_test_set(4, 5, 40, "float32")
    maps, masks = maps * 4, masks * 4
    told = []
    one, two = rank_pixels(maps, masks), rank_pixels(maps, masks, jobs=2, progress=told.append)
    assert two.au_pro(LIMITS) == one.au_pro(LIMITS) and two.auroc == one.auroc
    assert two.maxima.tolist() == one.maxima.tolist()
    assert told[-1] == 40 and told == sorted(told)
    with pytest.raises(TypeError, match="masks must be a sequence where jobs > 1, got list_iterator"):
        rank_pixels(maps, iter(masks), jobs=2)
    with pytest.raises(ValueError, match="20 maps, 19 masks"):
        rank_pixels(maps, masks[:-1], jobs=2)


@given(TEST_SETS)
@settings(max_examples=20, deadline=None)
def test_official_mode_agrees_with_its_slow_twin(case):
    maps, masks = case
    x, y = reference.official_curve(maps, masks)
    for limit, value in au_pro(maps, masks, limit=LIMITS, mode="official").items():
        assert value == pytest.approx(reference.area(x, y, limit), abs=1e-12)


@given(TEST_SETS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_order_of_images_does_not_matter(case, random):
    pairs = list(zip(*case, strict=True))
    random.shuffle(pairs)
    maps, masks = zip(*pairs, strict=True)
    mixed, ordered = rank_pixels(maps, masks), rank_pixels(*case)
    assert mixed.au_pro(LIMITS) == ordered.au_pro(LIMITS) and mixed.au_iou(LIMITS) == ordered.au_iou(LIMITS)
    assert mixed.au_roc(LIMITS) == ordered.au_roc(LIMITS) and mixed.auroc == ordered.auroc
    assert (mixed.average_precision, mixed.pr_trapezoid) == (ordered.average_precision, ordered.pr_trapezoid)


@given(TEST_SETS)
@settings(max_examples=40, deadline=None)
def test_increasing_transforms_do_not_matter(case):
    maps, masks = case
    ranks = {v: i for i, v in enumerate(np.unique(np.concatenate([m.ravel() for m in maps])))}
    transformed = [np.array([[ranks[v] ** 3 - 7.0 for v in row] for row in m]) for m in maps]
    assert au_pro(transformed, masks, limit=LIMITS) == au_pro(maps, masks, limit=LIMITS)
    assert pixel_auroc(transformed, masks) == pixel_auroc(maps, masks)


@given(TEST_SETS)
@settings(max_examples=40, deadline=None)
def test_curves_rise_from_the_origin_to_one(case):
    ranking = rank_pixels(*case)
    for curve in (ranking.pro_curve, ranking.roc_curve):
        assert curve.x[0] == 0 and curve.x[-1] == 1 and curve.y[0] == 0
        assert curve.y[-1] == pytest.approx(1, abs=1e-12)
        assert (np.diff(curve.x) >= 0).all() and (np.diff(curve.y) >= 0).all() and curve.y.max() <= 1
    assert ranking.roc_curve.area() == pytest.approx(ranking.auroc, abs=1e-12)


def test_equal_single_regions_make_pro_the_true_positive_rate():
    random = np.random.default_rng(3)
    maps = [random.random((6, 6)) for _ in range(4)]
    ranking = rank_pixels(maps, [block((6, 6), (i, 1, 2, 3)) for i in range(4)])
    np.testing.assert_allclose(ranking.pro_curve.y, ranking.roc_curve.y, atol=1e-14)


def test_toy_of_the_thesis_has_overlap_one_half():
    mask = block((10, 10), (1, 1, 4, 4), (7, 7, 2, 2))
    prediction = block((10, 10), (1, 1, 4, 4), (0, 8, 1, 2))
    ranking = rank_pixels([prediction], [mask])
    at = np.flatnonzero(ranking.pro_curve.x == 0.025)[-1]
    assert ranking.pro_curve.y[at] == 0.5
    assert ranking.roc_curve.y[at] == 0.8
    assert ranking.regions == 2


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.3, 1.0])
def test_perfect_constant_and_inverted_maps(limit):
    masks = [block((10, 10), (2, 2, 4, 5)), block((10, 10))]
    perfect = [m.astype(np.float32) for m in masks]
    constant = [np.full((10, 10), 0.25)] * 2
    inverted = [1 - m for m in perfect]
    assert au_pro(perfect, masks, limit=limit) == rank_pixels(perfect, masks).roc_curve.area(limit) == 1
    assert au_pro(constant, masks, limit=limit) == pytest.approx(limit / 2, abs=1e-15)
    assert rank_pixels(constant, masks).roc_curve.area(limit) == pytest.approx(limit / 2, abs=1e-15)
    assert au_pro(inverted, masks, limit=limit) == pixel_auroc(inverted, masks) == 0
    share = 0.1  # of the pixels that are defective
    areas = [rank_pixels(maps, masks).au_iou([limit])[limit] for maps in (perfect, constant, inverted)]
    assert areas == pytest.approx([1 - 0.9 * limit / 2, share * limit / 2, max(0, limit - 1)], abs=1e-15)
    flat = np.ravel(masks)
    assert average_precision(np.ravel(perfect), flat) == 1
    assert average_precision(np.ravel(constant), flat) == average_precision(np.ravel(inverted), flat) == 0.1


@pytest.mark.parametrize("limit", [0.01, 0.3, 1.0])
def test_one_region_first_and_one_last(limit):
    mask = block((8, 5), (0, 0, 2, 5), (4, 0, 1, 4))
    scores = np.full((8, 5), 0.5)
    scores[:2], scores[4, :4] = 1, 0
    assert au_pro([scores], [mask], limit=limit) == pytest.approx(0.5, abs=1e-15)
    assert pixel_auroc([scores], [mask]) == 10 / 14


def test_a_cloud_is_measured_the_same_in_any_order():
    rng = np.random.default_rng(0)
    clouds = [rng.random((1, 300)) for _ in range(3)]
    masks = [rng.random((1, 300)) < 0.1, np.zeros((1, 300), bool), np.arange(300)[None] < 20]
    orders = [rng.permutation(300) for _ in clouds]
    mixed = [[values[:, order] for values, order in zip(each, orders, strict=True)] for each in (clouds, masks)]
    for limit in (0.05, 0.3):
        assert au_pro(clouds, masks, limit=limit) == pytest.approx(au_pro(*mixed, limit=limit), abs=1e-15)
    ranking = rank_pixels(clouds, masks)
    assert ranking.regions == 2
    assert below_area(clouds, 0.1) == below_area(mixed[0], 0.1) == max(np.sort(c.ravel())[-30] for c in clouds)


def test_interpolation_at_the_limit():
    scores = np.array([[2] * 8 + [1] * 2, [2] * 2 + [1] * 4 + [0] * 4])
    mask = block((2, 10), (0, 0, 1, 10))
    assert au_pro([scores], [mask]) == pytest.approx(0.5416666666666667, abs=1e-15)
    assert au_pro([scores], [mask], limit=1.0) == pytest.approx(0.84, abs=1e-15)
    assert average_precision(scores.ravel(), mask.ravel()) == pytest.approx(0.765, abs=1e-15)
    ranking = rank_pixels([scores], [mask])
    assert ranking.average_precision == pytest.approx(0.765, abs=1e-15)
    assert ranking.au_iou([0.3])[0.3] == pytest.approx(0.4427083333333333, abs=1e-15)


def test_connectivity():
    mask = block((10, 10), (1, 1, 4, 4), (5, 5, 1, 1))
    prediction = block((10, 10), (1, 1, 4, 4))
    for connectivity, overlap in ((4, 0.5), (8, 16 / 17)):
        curve = rank_pixels([prediction], [mask], connectivity=connectivity).pro_curve
        assert curve.y[curve.x == 0].max() == pytest.approx(overlap, abs=1e-15)


def test_false_positive_in_a_good_image_changes_the_rate_alone():
    maps = [block((4, 4), (1, 1, 2, 2)), 2 * block((4, 4), (3, 3, 1, 1))]
    curve = rank_pixels(maps, [block((4, 4), (1, 1, 2, 2)), None]).pro_curve
    assert (1 / 28, 0.0) in zip(curve.x, curve.y, strict=True)
    assert au_pro(maps, [maps[0], None]) == au_pro(maps, [maps[0], np.zeros((4, 4))])


def test_one_pixel_region_at_the_border():
    scores = np.arange(9.0).reshape(3, 3)
    assert au_pro([scores], [block((3, 3), (2, 2, 1, 1))]) == 1


def test_both_zeros_are_one_score():
    scores = np.array([[0.0, -0.0, -0.0, 0.0]], np.float32)
    assert au_pro([scores], [np.array([[1, 1, 0, 0]])], limit=1.0) == pixel_auroc([scores], [[[1, 1, 0, 0]]]) == 0.5


def test_float64_is_not_rounded():
    scores = np.array([[1 + 1e-12, 1.0, 1e300, 1e301]])
    assert pixel_auroc([scores], [[[1, 0, 0, 1]]]) == 0.75


def test_large_maps_with_a_long_range_of_scores():
    random = np.random.default_rng(5)
    scores = (random.random((120, 130)) ** 40 * (random.random((120, 130)) < 0.6)).astype(np.float32)
    mask = random.random((120, 130)) < 0.3
    assert pixel_auroc([scores], [mask]) == pytest.approx(roc_auc(scores.ravel(), mask.ravel()), abs=1e-12)


def test_tensors_codes_and_lazy_sequences():
    maps, masks = make_test_set(1, 4, 30, "float32")

    class Lazy:
        def __len__(self):
            return len(maps)

        def __getitem__(self, i):
            return torch.from_numpy(maps[i])

    coded = [torch.from_numpy(np.where(m > 0, 253 + i % 3, 0).astype(np.uint8)) for i, m in enumerate(masks)]
    assert au_pro(Lazy(), coded) == au_pro(maps, [m > 0 for m in masks])
    assert au_pro(maps, iter(masks)) == au_pro(maps, masks)


def test_maps_are_maxima_too():
    maps, masks = make_test_set(2, 3, 30, "float64")
    assert rank_pixels(maps, masks).maxima.tolist() == [m.max() for m in maps]


@pytest.mark.parametrize("mode", ["exact", "official"])
def test_areas_without_one_kind_of_pixel_are_nan(mode):
    scores = np.random.default_rng(0).random((1, 5, 5))
    for kind, mask in (("defective", np.zeros((5, 5))), ("good", np.ones((5, 5)))):
        with pytest.warns(RuntimeWarning, match=f"no {kind} pixel"):
            assert np.isnan(au_pro(scores, [mask], mode=mode))
        with pytest.warns(RuntimeWarning, match=f"no {kind} pixel"):
            assert np.isnan(pixel_auroc(scores, [mask]))
    with pytest.warns(RuntimeWarning, match="no defective pixel"):
        assert np.isnan(au_pro([], []))


def test_errors_name_the_image_and_the_mend():
    maps, masks = make_test_set(1, 3, 30, "float32")
    with pytest.raises(TypeError, match=r"maps are read more than once: give a list.* got a one-shot generator"):
        au_pro((m for m in maps), masks)
    bad = maps[1].copy()
    bad.flat[:2] = np.nan
    with pytest.raises(ValueError, match=r"map 1 holds 2 NaN: every pixel needs a score"):
        au_pro([maps[0], bad, maps[2]], masks)
    with pytest.raises(ValueError, match=r"mask 2 must have the size of its map, \(3, 3\), got \(2, 2\)"):
        au_pro([*maps[:2], np.zeros((3, 3))], [*masks[:2], np.zeros((2, 2))])
    with pytest.raises(ValueError, match=r"map 0 must have shape \(H, W\), got \(4,\)"):
        au_pro(np.zeros((2, 4)), masks)
    with pytest.raises(ValueError, match=r"more maps than masks \(2\)"):
        au_pro(maps, masks[:2])
    with pytest.raises(ValueError, match=r"more masks than maps \(2\)"):
        au_pro(maps[:2], masks)
    with pytest.raises(TypeError, match=r"map 0 must be an array of numbers, got str"):
        au_pro(["a"], masks[:1])
    with pytest.raises(
        ValueError, match=r"unknown mode 'offical' \(did you mean 'official'\?\); known: community-224, exact, official"
    ):
        au_pro(maps, masks, mode="offical")
    with pytest.raises(ValueError, match=r"limit must be a false positive rate in \(0, 1\], got 0"):
        au_pro(maps, masks, limit=(0.3, 0))
    with pytest.raises(ValueError, match=r"connectivity must be 4 or 8, got 6"):
        au_pro(maps, masks, connectivity=6)


def test_maps_that_change_between_readings_are_refused():
    class Changing:
        turn = 0

        def __iter__(self):
            self.turn += 1
            yield np.arange(6.0).reshape(2, 3) + self.turn

    with pytest.raises(ValueError, match="maps changed between the two readings"):
        au_pro(Changing(), [np.eye(2, 3)])


def test_memory_does_not_grow_with_the_number_of_images():
    class Images:
        def __init__(self, count, kind):
            self.count, self.kind = count, kind

        def __iter__(self):
            for i in range(self.count):
                mask = block((100, 120), (20, 30, 40, 60))
                yield mask if self.kind else np.random.default_rng(i).random((100, 120)) + 0.2 * mask

    def peak(count):
        tracemalloc.start()
        ranking = rank_pixels(Images(count, 0), Images(count, 1))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found, ranking.defective

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking_module, "CAPACITY", 20_000)
        patch.setattr(ranking_walk, "GRID", 1 << 10)
        patch.setattr(ranking_module, "SAMPLE", 16)
        patch.setattr(counting, "PENDING", 1 << 14)
        few, many = peak(20), peak(200)
    assert many[1] == 10 * few[1] == 480_000
    assert many[0] < 1.5 * few[0]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_are_evaluated_as_they_are(kind):
    maps, masks = make_test_set(6, 3, 30, "float32")
    tensors = [torch.from_numpy(m).to(kind).requires_grad_() for m in maps]
    rounded = [m.detach().double().numpy() for m in tensors]
    assert au_pro(tensors, [torch.from_numpy(m) for m in masks], limit=LIMITS) == au_pro(rounded, masks, limit=LIMITS)


@pytest.mark.gpu
def test_tensors_of_any_device_give_the_same():
    maps, masks = make_test_set(6, 3, 30, "float32")
    there = [[torch.from_numpy(a).cuda() for a in arrays] for arrays in (maps, masks)]
    assert au_pro(*there, limit=LIMITS) == au_pro(maps, masks, limit=LIMITS)
    assert pixel_auroc(*there) == pixel_auroc(maps, masks)


def test_area_under_the_iou_of_a_perfect_ranking():
    share, limit = 0.027, 0.3
    scores = np.random.default_rng(0).permutation(100_000).reshape(100, 1000).astype(np.float64)
    mask = scores >= 100_000 * (1 - share)
    found = rank_pixels([scores], [mask]).au_iou([limit])[limit]
    ratio = limit * (1 - share) / share
    assert found == pytest.approx(np.log(1 + ratio) / ratio, abs=1e-5)
    assert found == pytest.approx(0.2284, abs=1e-4)


def test_the_area_under_precision_over_recall_begins_at_no_recall():
    assert rank_pixels([[[0.9, 0.1, 0.2]]], [[[1, 0, 0]]]).pr_curve.area() == 1
    rng = np.random.default_rng(0)
    ranking = rank_pixels(list(rng.random((3, 9, 9))), list(rng.random((3, 9, 9)) < 0.3))
    assert ranking.pr_curve.area() == pytest.approx(ranking.pr_trapezoid, rel=1e-12)
    assert ranking.au_pro(0.3) == ranking.au_pro([0.3]) and rank_pixels([[[1, 0]]], [[[1, 0]]], limits=0.3).auroc == 1


def test_curves_of_good_images_alone_have_no_corner():
    ranking = rank_pixels([[[0.9, 0.1]]], [None])
    for name in ("pro_curve", "roc_curve", "iou_curve", "pr_curve", "official_curve"):
        curve = getattr(ranking, name)
        assert len(curve.x) == 0 and np.isnan(curve.area(0.3))


def test_masks_have_no_negative_numbers_and_maps_no_masked_ones():
    for mask in ([[-1, 0]], [[np.nan, 0.0]]):
        with pytest.raises(ValueError, match="mask 0 must be 0 where good and above 0 where defective"):
            pixel_auroc([[[0.9, 0.1]]], [mask])
    with pytest.raises(ValueError, match="map 0 must not be masked"):
        pixel_auroc([np.ma.masked_equal([[0.9, 0.1]], 0.1)], [[[1, 0]]])


def test_scores_of_parts_may_be_tensors_that_learn():
    scores = torch.tensor([0.9, 0.1], requires_grad=True)
    assert roc_auc(scores, torch.tensor([1, 0])) == roc_auc(scores.bfloat16(), [1, 0]) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_maps_of_several_precisions_are_not_rounded(order):
    maps = [np.float32([[0.5, 1, 2]]), np.array([[1 + 1e-12, 1 + 2e-12, 1 + 3e-12]])][::order]
    masks = [np.array([[1, 0, 0]]), np.array([[0, 1, 0]])][::order]
    expected = roc_auc([0.5, 1, 2, 1 + 1e-12, 1 + 2e-12, 1 + 3e-12], [1, 0, 0, 0, 1, 0])
    assert pixel_auroc(maps, masks) == expected


def test_a_long_curve_is_exact_where_it_was_asked_for(monkeypatch):
    monkeypatch.setattr(ranking_walk, "GRID", 16)
    rng, mask = np.random.default_rng(5), np.zeros((60, 80), bool)
    mask[20:40, 30:60] = True
    scores = rng.random((60, 80)) + 0.4 * mask
    found = mask.ravel()[np.argsort(-scores.ravel())]
    x, y = (np.r_[0, np.cumsum(part)] / part.sum() for part in (~found, found))
    ranking = rank_pixels([scores], [mask], limits=[0.1234])
    assert len(ranking.corners.score) < 600
    assert ranking.au_pro(0.1234)[0.1234] == pytest.approx(Curve(x, y).area(0.1234), abs=1e-12)
    good, bad = -np.sort(-scores[~mask]), np.sort(scores[mask])
    above = official_ranks(len(good))
    overlap = 1 - np.searchsorted(bad, good[above], side="right") / len(bad)
    expected = Curve(np.r_[above / len(good), 1], np.r_[overlap, 1]).area(0.3)
    assert rank_pixels([scores], [mask]).au_pro(0.3, "official")[0.3] == pytest.approx(expected, abs=1e-12)


def test_scores_of_minus_infinity_in_several_passes(monkeypatch):
    scores = np.array([[-np.inf, -np.inf, -np.inf, -np.inf, 1, 2, 0.5, 3]])
    mask = np.array([[1, 1, 1, 0, 1, 0, 0, 1]])
    whole = rank_pixels([scores], [mask])
    monkeypatch.setattr(ranking_module, "CAPACITY", 2)
    banded = rank_pixels([scores], [mask])
    assert banded.auroc == whole.auroc and banded.au_pro(1.0) == pytest.approx(whole.au_pro(1.0), abs=1e-14)
