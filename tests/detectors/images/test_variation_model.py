"""The depth variation model on scans whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geoad.checks import synthetic_scan
from geoad.detectors.images.variation_model import DepthVariationModel
from geoad.geometry.camera import Camera
from geoad.geometry.convert import depth_to_xyz
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import Sample

CAMERA = Camera.pinhole(100.0, (8, 10))


def wall(depth: float, hole: bool = False) -> Sample:
    image = np.full((8, 10), depth)
    image[0, 0] = 4.0  # the largest of every set
    if hole:
        image[2:4, 3:6] = 0
    return Sample(xyz=depth_to_xyz(image.astype(np.float64), CAMERA), name="wall")


def test_the_default_floor_is_a_grey_value() -> None:
    detector = DepthVariationModel().fit([wall(2)] * 3)  # 2 of 4: 0.5, and another by 0.1
    assert detector.score(wall(2.4)).pixels[5, 5] == pytest.approx(0.1 * 255, rel=1e-5)
    assert detector.augment([wall(2)], seed=0)[0].name == "wall" and len(detector.augment([wall(2)], seed=0)) == 1


def test_one_two_three() -> None:
    detector = DepthVariationModel(floor=0.05).fit([wall(1), wall(2), wall(3)])
    for depth, score in ((5, 3.6742346), (2, 0.0)):
        assert detector.score(wall(depth)).pixels[5, 5] == pytest.approx(score, rel=1e-6)
    assert DepthVariationModel(floor=0.25).fit([wall(1), wall(2), wall(3)]).score(wall(5)).pixels[5, 5] == 3
    assert detector.score(wall(1)).pixels[0, 0] == 0


def test_an_invalid_pixel_has_depth_zero_and_takes_part() -> None:
    detector = DepthVariationModel(floor=0.1).fit([wall(2)] * 3)
    found = detector.score(wall(2, hole=True))
    assert found.valid is not None and not found.valid[2:4, 3:6].any()
    np.testing.assert_allclose(found.pixels[2:4, 3:6], 0.5 / 0.1, rtol=1e-6)
    assert (found.pixels > 0).sum() == 6
    often = DepthVariationModel(floor=0.1).fit([wall(2), wall(2, hole=True)])
    np.testing.assert_allclose(often.score(wall(2, hole=True)).pixels[2:4, 3:6], 1.0, rtol=1e-6)


def test_colours_are_seen_only_with_the_source_that_has_them() -> None:
    scans = [synthetic_scan(seed) for seed in range(4)]
    assert scans[0].rgb is not None
    painted = scans[0].rgb.copy()
    painted[10:20, 10:20] = (255, 0, 0)
    stained = replace(scans[0], rgb=painted)
    blind, seeing = DepthVariationModel().fit(scans), DepthVariationModel(source="depth+rgb").fit(scans)
    assert np.array_equal(blind.score(stained).pixels, blind.score(scans[0]).pixels)
    rise = seeing.score(stained).pixels - seeing.score(scans[0]).pixels
    assert rise[10:20, 10:20].min() > 1 and not rise[:10].any()


def test_channels_are_joined_as_asked() -> None:
    scans = [synthetic_scan(seed) for seed in range(4)]
    norm, most, mean = (
        DepthVariationModel(source="depth+rgb", reduce=how).fit(scans).score(synthetic_scan(9)).pixels
        for how in ("norm", "max", "mean")
    )
    assert (norm >= most).all() and (most >= mean).all() and (norm > mean).any()


def test_a_scan_of_another_size_is_scored_at_its_nearest_pixels() -> None:
    detector = DepthVariationModel(floor=0.1).fit([wall(2)] * 3)
    double = Sample(xyz=depth_to_xyz(np.full((16, 20), 2.0), Camera.pinhole(200.0, (16, 20))))
    assert not detector.score(double).pixels[4:].any()


@pytest.mark.parametrize(
    ("sample", "error"),
    [
        (Sample(rgb=np.zeros((8, 10, 3), np.uint8), name="photo"), "photo must have xyz, it has colour alone"),
        (wall(1), "wall must have rgb for source 'depth\\+rgb'"),
        (Sample(xyz=XYZImage(np.zeros((8, 10, 3), np.float32)), name="empty"), "empty has no valid pixel"),
    ],
)
def test_what_is_missing_is_named(sample: Sample, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        DepthVariationModel(source="depth+rgb").fit([sample])


@pytest.mark.parametrize("keywords", [{"source": "xyz"}, {"reduce": "sum"}, {"floor": 0.0}])
def test_wrong_keywords(keywords: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(keywords))):
        DepthVariationModel(**keywords)


def test_the_first_scan_decides_the_size() -> None:
    double = Sample(xyz=depth_to_xyz(np.full((16, 20), 2.0), Camera.pinhole(200.0, (16, 20))))
    detector = DepthVariationModel(floor=0.1).fit([wall(2), double])
    assert detector.size.tolist() == [8, 10] and detector.moments.count == 2
