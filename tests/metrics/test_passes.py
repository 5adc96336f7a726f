"""Readings in several processes."""

from functools import partial

import numpy as np
import pytest

from geoad.metrics import (
    au_pro,
    aupimo,
    decide_pixels,
    pixel_auroc,
    profile_images,
    rank_pixels,
    rank_saturated,
    threshold_at_fpr,
)
from geoad.metrics.passes import Reader, Source
from geoad.metrics.pimo import _Top


def test_of_many_slices_each_is_seen_once():
    with Reader(Source([np.zeros((1, 2))] * 60), jobs=2) as reader:
        assert reader.run(_Top(0.5, 60), size=1).images == 60


def test_the_number_of_processes_may_be_numpys_and_must_be_whole():
    maps, masks = [np.eye(2)] * 3, [np.eye(2)] * 3
    assert rank_pixels(maps, masks, jobs=np.uint8(2)).auroc == rank_pixels(maps, masks).auroc
    with pytest.raises(TypeError, match="jobs must be an int, got float"):
        rank_pixels(maps, masks, jobs=2.0)


@pytest.mark.parametrize("metric", [aupimo, decide_pixels, pixel_auroc, profile_images, rank_pixels, threshold_at_fpr])
def test_a_good_image_is_none_and_not_the_list(metric):
    more = (0.5,) if metric in (decide_pixels, threshold_at_fpr) else ()
    with pytest.raises(TypeError, match="masks must be a list, one entry an image, got None"):
        metric([np.eye(2)], None, *more)
    with pytest.raises(TypeError, match="regions must be a list, one entry an image, got None"):
        rank_saturated([np.eye(2)], None)


@pytest.mark.parametrize("metric", [aupimo, pixel_auroc, partial(au_pro, mode="community-224")])
def test_a_map_has_pixels(metric):
    with pytest.raises(ValueError, match=r"map 0 must hold a pixel, got shape \(0, 4\)"):
        metric([np.zeros((0, 4))], [np.zeros((0, 4))])
