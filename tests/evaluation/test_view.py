import numpy as np
import pytest

from geoad.evaluation.view import LARGEST, views_of
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import Sample


def test_reducing_loses_no_hot_pixel_and_no_marked_one():
    shape = (LARGEST * 2 + 7, 50)
    for hot in ((0, 0), (shape[0] - 1, 49), (700, 13)):
        scores, mask = np.zeros(shape), np.zeros(shape, bool)
        scores[hot], mask[hot] = 5, True
        (view,) = views_of(Sample(rgb=np.zeros((*shape, 3), np.uint8), mask=mask), scores)
        assert max(view.scores.shape) <= LARGEST and view.scores.shape == view.rgb.shape[:2] == view.valid.shape
        assert view.scores.max() == 5
        assert view.mask.sum() >= 1


def test_small_scans_are_left_as_they_are():
    xyz = np.random.default_rng(0).random((9, 13, 3)).astype(np.float32)
    scores = xyz[..., 0]
    (view,) = views_of(Sample(xyz=XYZImage(xyz)), scores)
    np.testing.assert_array_equal(view.xyz, xyz)
    np.testing.assert_array_equal(view.scores, scores)


def test_a_cloud_shows_either_side_its_own_points():
    random = np.random.default_rng(0)
    x, y = random.random((2, 20_000))
    side = random.random(20_000) < 0.5
    points = np.stack([x, 0.8 * y, np.where(side, 0.2, 0.0)], 1)
    sample = Sample(xyz=XYZImage(points[None]))
    views = views_of(sample, side[None].astype(float))
    shown = [np.nanmean(view.scores) for view in views]
    assert sorted(shown) == pytest.approx([0, 1], abs=0.02)
    assert all(view.valid[8:-8, 8:-8].mean() > 0.99 for view in views)


def test_the_back_is_the_mirror_of_the_front():
    random = np.random.default_rng(0)
    points = random.random((3000, 3)) * [1.0, 0.6, 0.001]
    front, back = views_of(Sample(xyz=XYZImage(points[None])), points[None, :, 0])
    assert front.valid.shape == back.valid.shape
    assert np.nanmean(np.abs(front.scores - back.scores[:, ::-1])) < 0.05


@pytest.mark.parametrize("sides", [(1, 0.6, 0.1), (1, 0.1, 0.6), (0.6, 1, 0.1), (0.1, 0.6, 1)])
def test_a_cloud_is_not_drawn_as_its_mirror_image(sides):
    points = np.random.default_rng(0).random((1, 500, 3)) * sides
    for view in views_of(Sample(xyz=XYZImage(points)), np.arange(500.0)[None]):
        index = view.scores[view.valid].astype(int)
        turn = np.linalg.lstsq(points[0, index] - points[0].mean(0), view.xyz[view.valid], rcond=None)[0]
        assert np.linalg.det(turn) > 0


@pytest.mark.parametrize("sides", [(1, 0.6, 0.1), (0.6, 1, 0.1)])
def test_the_front_is_what_a_sensor_sees(sides):
    points = np.random.default_rng(0).random((1, 5000, 3)) * sides
    front, back = views_of(Sample(xyz=XYZImage(points)), points[..., 2])
    assert np.nanmean(front.scores) < 0.04 and np.nanmean(back.scores) > 0.06


@pytest.mark.parametrize("side", ["front", "back"])
def test_scores_colours_and_truth_are_those_of_the_points_that_are_seen(side):
    points = np.random.default_rng(0).random((1, 2000, 3)) * [1, 0.6, 0.01] + 1
    x = points[..., 0].copy()
    points[0, ::3] = 0  # not valid
    points[0, -1, 0] = x[0, -1] = 1.9
    grey = np.repeat((250 * (x[..., None] - 1)).astype(np.uint8), 3, 2)
    sample = Sample(xyz=XYZImage(points, grey), mask=x > 1.5)
    view = next(view for view in views_of(sample, x) if view.name == side)
    own = view.xyz[view.valid][:, 0] * (1 if side == "front" else -1)
    assert np.corrcoef(own, view.scores[view.valid])[0, 1] > 0.99
    assert np.corrcoef(own, view.rgb[view.valid][:, 0])[0, 1] > 0.99
    np.testing.assert_array_equal(view.mask, np.nan_to_num(view.scores) > 1.5)


def test_clouds_of_few_points():
    for n in (1, 2, 5):
        points = np.random.default_rng(n).random((1, n, 3)) + 1
        for view in views_of(Sample(xyz=XYZImage(points)), np.ones((1, n))):
            assert np.nanmax(view.scores) == 1
    with pytest.raises(ValueError, match="test/x has no valid point"):
        views_of(Sample(xyz=XYZImage(np.zeros((1, 4, 3))), name="test/x"), np.ones((1, 4)))


def test_of_several_cameras_the_first_is_drawn():
    one = Sample(rgb=np.full((4, 5, 3), 7, np.uint8))
    (view,) = views_of(Sample(views=(one, one)), np.zeros((4, 5)))
    assert (view.rgb == 7).all()
