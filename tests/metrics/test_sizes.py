import numpy as np
import pytest
import torch
from PIL import Image

from geoad.metrics import au_pro, rank_pixels
from geoad.metrics.sizes import SIDE, community_maps, community_masks, maps_at_mask_size, resize_bilinear


@pytest.mark.parametrize("shape", [(400, 400), (900, 400), (640, 480), (1280, 1024), (960, 720), (223, 225)])
def test_community_sizes_follow_the_rules_of_torch_and_pillow(shape):
    pixels = np.random.default_rng(0).random(shape).astype(np.float32)
    expected = torch.nn.functional.interpolate(torch.from_numpy(pixels)[None, None], (SIDE, SIDE), mode="nearest")
    assert np.array_equal(community_maps([pixels])[0], expected[0, 0].numpy())
    mask = (pixels > 0.7).astype(np.uint8) * 255
    expected = np.asarray(Image.fromarray(mask).resize((SIDE, SIDE), Image.Resampling.NEAREST))
    assert np.array_equal(community_masks([mask])[0], expected)


def test_community_mode_is_the_official_one_at_another_size():
    random = np.random.default_rng(1)
    masks = [np.zeros((448, 300), np.uint8) for _ in range(3)]
    masks[0][50:150, 20:220] = masks[1][300:400, 100:150] = 255
    maps = [random.random((448, 300)) + 0.3 * (mask > 0) for mask in masks]
    small = rank_pixels(list(community_maps(maps)), list(community_masks(masks)))
    assert au_pro(maps, masks, mode="community-224") == small.au_pro([0.3], "official")[0.3]
    assert au_pro(maps, masks, mode="community-224") != au_pro(maps, masks, mode="official")
    assert au_pro(maps, [masks[0], masks[1], None], mode="community-224") == small.au_pro([0.3], "official")[0.3]


@pytest.mark.parametrize("shape", [(8, 12), (5, 7), (1, 1), (30, 4)])
def test_bilinear_agrees_with_torch(shape):
    pixels = np.random.default_rng(2).random((6, 9))
    expected = torch.nn.functional.interpolate(torch.from_numpy(pixels)[None, None], shape, mode="bilinear")
    np.testing.assert_allclose(resize_bilinear(pixels, shape), expected[0, 0].numpy(), atol=1e-12)
    assert resize_bilinear(pixels.astype(np.float32), shape).dtype == np.float32


def test_infinite_scores_do_not_become_nan():
    pixels = np.array([[np.inf, 0.0], [0.0, -np.inf]])
    assert not np.isnan(resize_bilinear(pixels[:1], (1, 6))).any()


def test_maps_take_the_size_of_their_masks_and_stay_without_one():
    maps = [np.arange(4.0).reshape(2, 2)] * 2
    fitted = maps_at_mask_size(maps, [np.zeros((4, 6)), None])
    assert [m.shape for m in fitted] == [(4, 6), (2, 2)] == [fitted[i].shape for i in range(len(fitted))]
    with pytest.raises(TypeError, match="masks are read more than once"):
        maps_at_mask_size(maps, iter([]))


def test_resized_maps_are_as_many_as_their_masks_and_known_by_their_numbers():
    maps, masks = [np.ones((2, 2))] * 3, [np.zeros((4, 4))] * 2
    with pytest.raises(ValueError, match=r"^every map needs its mask: 3 maps, 2 masks$"):
        maps_at_mask_size(maps, masks)
    bad = [*maps, np.full((2, 2), np.nan)]
    for resized in (maps_at_mask_size(bad, [np.zeros((4, 4))] * 4), community_maps(bad)):
        with pytest.raises(ValueError, match=r"^map 3 holds 4 NaN"):
            list(resized)


def test_the_scores_of_points_are_not_resized():
    cloud, mask = np.ones((1, 400)), np.ones((1, 400), bool)
    with pytest.raises(ValueError, match=r"^map 0 must not be that of a cloud, got \(1, 400\): community-224"):
        list(community_maps([cloud]))
    with pytest.raises(
        ValueError, match=r"^map 0 must be \(1, 400\) as its mask, got \(1, 100\): points lie in no order"
    ):
        list(maps_at_mask_size([cloud[:, :100]], [mask]))
    with pytest.raises(ValueError, match=r"^map 0 must be \(20, 20\) as its mask, got \(1, 400\): points lie in"):
        list(maps_at_mask_size([cloud], [mask.reshape(20, 20)]))
    assert maps_at_mask_size([cloud], [mask])[0].shape == (1, 400)


def test_a_mask_of_the_community_is_no_masked_one():
    with pytest.raises(ValueError, match="mask 0 must not be masked"):
        community_masks([np.ma.masked_equal(np.eye(4), 1)])[0]
