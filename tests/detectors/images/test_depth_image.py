"""Scans as depth methods see them, and what they cannot see."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from geoad.checks import synthetic_scan
from geoad.detectors import make_detector
from geoad.detectors.images.depth_image import depth_channels, zoom, zoom_bilinear, zoom_nearest
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import Sample

SCAN = synthetic_scan(0)


def test_depth_is_zero_where_invalid_and_colours_are_shares() -> None:
    assert SCAN.xyz is not None and SCAN.rgb is not None
    depth, *colours = depth_channels(SCAN, rgb=True)
    assert np.array_equal(depth[SCAN.xyz.valid], SCAN.xyz.xyz[..., 2][SCAN.xyz.valid])
    assert not depth[~SCAN.xyz.valid].any() and (~SCAN.xyz.valid).any()
    assert np.array_equal(np.stack(colours, -1), SCAN.rgb / np.float32(255))
    assert depth_channels(SCAN).shape == (1, 32, 40)


def test_depth_is_zoomed_without_new_values_and_colours_with() -> None:
    image = torch.from_numpy(depth_channels(SCAN, rgb=True))
    zoomed = zoom(image, (48, 48))
    assert zoomed.shape == (4, 48, 48)
    assert set(zoomed[0].flatten().tolist()) <= set(image[0].flatten().tolist())
    assert not set(zoomed[1].flatten().tolist()) <= set(image[1].flatten().tolist())
    assert torch.equal(zoom(image, (32, 40)), image)


def test_a_doubled_image_comes_back() -> None:
    values = torch.rand(3, 6, 9)
    assert torch.equal(zoom_nearest(zoom_nearest(values, (12, 18)), (6, 9)), values)
    ramp = torch.arange(8.0).expand(1, 4, 8)
    torch.testing.assert_close(zoom_bilinear(zoom_bilinear(ramp, (8, 16)), (4, 8))[..., 1:-1], ramp[..., 1:-1])


BAD = {
    "photo must have xyz, it has colour alone": Sample(rgb=np.zeros((8, 9, 3), np.uint8), name="photo"),
    r"cloud must be an organised scan for a depth method, got \(1, 5\)": Sample(
        xyz=XYZImage(np.ones((1, 5, 3))), name="cloud"
    ),
    "empty has no valid pixel: remove it": Sample(xyz=XYZImage(np.zeros((8, 9, 3))), name="empty"),
    "grey must have rgb for source 'depth\\+rgb', it has none": replace(
        SCAN, xyz=XYZImage(SCAN.xyz.xyz), rgb=None, name="grey"
    ),
}


BAD[r"risen must lie before the camera \(z > 0\) for a depth method, 8 of 72 points do not: turn the scan"] = Sample(
    xyz=XYZImage(np.linspace([0, 0, -0.1], [0, 1, 0.8], 72).reshape(8, 9, 3)), name="risen"
)


BAD[r"flat must lie before the camera \(z > 0\) for a depth method, 9 of 72 points do not: turn the scan"] = Sample(
    xyz=XYZImage(np.linspace([0, 1, 0], [0, 1, 0.7], 8)[:, None].repeat(9, 1)), name="flat"
)


@pytest.mark.parametrize("error", BAD)
def test_what_a_depth_method_cannot_see_is_named(error: str) -> None:
    with pytest.raises(ValueError, match=error):
        depth_channels(BAD[error], rgb=True)


def test_a_few_stray_points_behind_the_camera_are_invalid_pixels() -> None:
    xyz = synthetic_scan(0).xyz.xyz.copy()
    row, column = np.argwhere(np.isfinite(xyz[..., 2]) & (xyz[..., 2] > 0))[7]
    xyz[row, column, 2] = -0.1
    depth = depth_channels(Sample(xyz=XYZImage(xyz)))[0]
    assert depth[row, column] == 0 and (depth > 0).sum() == (synthetic_scan(0).xyz.xyz[..., 2] > 0).sum() - 1


@pytest.mark.parametrize("name", ["depth-vm", "depth-ae"])
def test_a_scan_in_another_unit_is_told(name: str) -> None:
    keywords = {"steps": 1, "size": 64, "width": 8, "latent": 4, "copies": 0} if name == "depth-ae" else {}
    detector = make_detector(name, **keywords).fit([synthetic_scan(0)])
    scan = Sample(xyz=XYZImage(1000 * synthetic_scan(1).xyz.xyz), name="part 7")
    with pytest.warns(UserWarning, match="part 7 is .* metres against millimetres"):
        detector.score(scan)
    with warnings.catch_warnings(action="error"):
        detector.score(synthetic_scan(1))
