"""The voxel variation model on scans whose answer is known."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from geoad.checks import synthetic_scan
from geoad.detectors.base import NotFittedError
from geoad.detectors.deviation_scores import Reduce, deviation_scores
from geoad.detectors.voxels.deviation_floor import FLOORS
from geoad.detectors.voxels.variation_model import VoxelVariationModel
from geoad.detectors.voxels.voxel_detector import Outside, Source, VoxelDetector
from geoad.geometry.camera import Camera
from geoad.geometry.convert import (
    cloud_to_voxels,
    depth_to_xyz,
    scores_to_pixels,
    voxel_scores_to_points,
    xyz_to_cloud,
)
from geoad.geometry.voxel_grid import VoxelGrid
from geoad.geometry.xyz_image import XYZImage
from geoad.nn.moments import Moments
from geoad.ops.splat_voxels import splat_voxels
from geoad.sample import Sample
from geoad.training.trainer import Trainer

CAMERA = Camera.pinhole(100.0, (40, 60))


def wall(boss: bool = False, hole: bool = False, camera: Camera | None = CAMERA) -> Sample:
    """A wall at z = 1, a ledge at 0.9 on its left; a boss before the wall, a hole where nothing came back."""
    depth = np.ones((40, 60))
    depth[:, :15] = 0.9
    if boss:
        depth[10:20, 30:40] = 0.95
    if hole:
        depth[10:20, 30:40] = 0
    return Sample(xyz=depth_to_xyz(depth, CAMERA), camera=camera, name="wall")


def fitted(**keywords: object) -> VoxelVariationModel:
    return VoxelVariationModel(resolution=16, **keywords).fit([wall()] * 3)  # type: ignore[arg-type]


def dense(detector: VoxelDetector, scan: Sample) -> VoxelGrid:
    """The grid of a scan, by the function for whole grids."""
    assert scan.xyz is not None
    cloud = xyz_to_cloud(XYZImage(scan.xyz.xyz, scan.rgb))
    return cloud_to_voxels(cloud, detector.grid(), rgb=detector.rgb, clip=detector.outside == "clip")


def seen(*values: float) -> Moments:
    moments = Moments(1)
    for value in values:
        moments.see(torch.tensor([[value]]))
    return moments


def test_one_two_three() -> None:
    five, minus_one, mean = (float(deviation_scores(torch.tensor([[v]]), seen(1, 2, 3), 0.05)) for v in (5, -1, 2))
    assert five == minus_one == pytest.approx(3.6742346) and mean == 0
    assert float(deviation_scores(torch.tensor([[5.0]]), seen(1, 2, 3), 1.0)) == 3.0


def test_channels_are_reduced() -> None:
    moments = Moments(2)
    moments.see(torch.zeros(1, 2))
    z = torch.tensor([[1.0], [3.0]])
    assert [round(float(deviation_scores(z, moments, 1.0, how)), 4) for how in get_args(Reduce)] == [3.1623, 3, 2]


def test_running_moments_equal_two_passes() -> None:
    images = 100 + torch.randn(1000, 30, generator=torch.Generator().manual_seed(0))
    moments, exact = Moments(30), images.double()
    for image in images:
        moments.see(image[None])
    assert torch.allclose(moments.mean, exact.mean(0), rtol=0, atol=1e-10)
    assert torch.allclose(moments.std, exact.std(0, correction=0), rtol=0, atol=1e-10)


def test_an_unchanged_scan_scores_zero() -> None:
    assert not fitted().score(wall()).pixels.any()


@pytest.mark.parametrize("floor", [0.05, 0.5])
def test_a_cell_that_was_always_empty_scores_two_by_the_floor(floor: float) -> None:
    found = fitted(floor=floor).score(wall(boss=True))
    assert found.score == pytest.approx(2 / floor)
    assert (found.pixels[11:19, 31:39] == np.float32(2 / floor)).all() and found.pixels[30:, 45:].max() == 0
    seen = fitted(floor=floor).score(wall(boss=True, camera=None)).pixels
    assert (seen[10:20, 30:40] == np.float32(2 / floor)).all() and (seen > 0).sum() == 100


def test_missing_material_is_seen_through_the_camera_and_not_without() -> None:
    detector = VoxelVariationModel(resolution=30).fit([wall()] * 3)  # two pixels a cell
    found = detector.score(wall(hole=True))
    assert found.valid is not None and not found.valid[10:20, 30:40].any()
    assert found.pixels[12:18, 32:38].min() == pytest.approx(40) and found.pixels[:8].max() == 0
    assert not detector.score(wall(hole=True, camera=None)).pixels.any()


def test_points_outside_the_grid_are_counted_and_scored_as_in_the_nearest_cell() -> None:
    sample = wall(camera=None)
    assert sample.xyz is not None
    xyz = sample.xyz.xyz.copy()
    xyz[5, 7:9, 0] = -9
    outside = replace(sample, xyz=XYZImage(xyz))
    detector = fitted()
    with pytest.raises(NotFittedError):
        VoxelVariationModel().count_outside(outside)
    assert detector.count_outside(wall()) == 0 and detector.count_outside(outside) == 2
    inside = xyz.copy()
    inside[5, 7:9, 0] = float(detector.lower[0])
    same = detector.score(replace(sample, xyz=XYZImage(inside))).pixels
    assert np.array_equal(detector.score(outside).pixels, same)


def test_points_outside_are_told_once_a_detector() -> None:
    detector = fitted(outside="drop")
    scan = wall()
    assert scan.xyz is not None
    gone = replace(scan, xyz=XYZImage(np.where(scan.xyz.valid[..., None], scan.xyz.xyz + 1, 0)), name="gone")
    with pytest.warns(UserWarning, match="gone has 2400 of 2400 points outside the training set's grid: they fill no"):
        found = detector.score(gone)  # no cell is filled
    assert np.isfinite(found.pixels).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.score(gone)
        fitted().score(wall(boss=True))
        few = replace(scan, xyz=XYZImage(scan.xyz.xyz + np.where(np.arange(60) < 2, 1, 0)[None, :, None]), name="few")
        assert fitted().count_outside(few) > 0
        fitted().score(few)
    with pytest.warns(UserWarning, match="gone has 2400 of 2400"):  # another training, another first scan
        detector.fit([wall()] * 3).score(gone)
    with pytest.warns(UserWarning, match="each counts as one in the nearest cell"):
        fitted().score(gone)


@pytest.mark.parametrize(
    ("camera", "why"), [(None, "no camera"), ((4, 4), r"\(40, 60\) pixels and its camera \(4, 4\)")]
)
def test_a_scan_that_its_camera_did_not_make_is_told_once_and_scored_by_its_own_points(
    camera: tuple[int, int] | None, why: str
) -> None:
    detector, scan = fitted(), wall(boss=True)
    other = replace(scan, camera=None if camera is None else Camera.pinhole(1.0, camera))
    with pytest.warns(UserWarning, match=f"wall has {why}: pixels get the scores of their own points alone"):
        found = detector.score(other).pixels
    assert np.array_equal(found, fitted(project="gather").score(scan).pixels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.score(other)


def test_scans_of_several_sizes_with_one_calibration_are_learnt_and_scored() -> None:
    scans = [wall(), replace(wall(), xyz=XYZImage(wall().xyz.xyz[:36]), name="shorter")]  # type: ignore[union-attr]
    detector = VoxelVariationModel(resolution=16).fit(scans)
    with pytest.warns(UserWarning, match=r"shorter has \(36, 60\) pixels and its camera \(40, 60\)"):
        assert detector.score(scans[1]).pixels.shape == (36, 60)


def test_a_deviating_cell_scores_less_than_one_that_never_varied() -> None:
    often = VoxelVariationModel(resolution=16).fit([wall(boss=True), wall(), wall()])
    assert 0 < (often.score(wall(boss=True)).score or 0) == pytest.approx((2 - 2 / 3) / np.sqrt(8 / 9), rel=1e-4)


def test_colours_are_seen_only_with_the_source_that_has_them() -> None:
    scans = [synthetic_scan(seed) for seed in range(4)]
    assert scans[0].rgb is not None
    painted = scans[0].rgb.copy()
    painted[10:20, 10:20] = (255, 0, 0)
    stained = replace(scans[0], rgb=painted)
    blind, seeing = (VoxelVariationModel(source=s, resolution=16).fit(scans) for s in ("xyz", "xyz+rgb"))  # type: ignore[arg-type]
    assert np.array_equal(blind.score(stained).pixels, blind.score(scans[0]).pixels)
    rise = seeing.score(stained).pixels - seeing.score(scans[0]).pixels
    assert rise[11:19, 11:19].mean() > 1


def test_the_state_is_independent_of_the_order_of_the_box() -> None:
    scans = [synthetic_scan(seed) for seed in range(4)]
    one, two = VoxelVariationModel(resolution=8).fit(scans), VoxelVariationModel(resolution=8).fit(scans[::-1])
    assert torch.equal(one.lower, two.lower) and torch.equal(one.upper, two.upper)
    assert torch.allclose(one.moments.mean, two.moments.mean, rtol=0, atol=1e-12)


def test_unorganised_clouds_have_maps_of_one_row() -> None:
    clouds = [XYZImage(np.random.default_rng(seed).random((1, 500, 3)).astype(np.float32)) for seed in range(3)]
    detector = VoxelVariationModel(resolution=4).fit([Sample(xyz=cloud) for cloud in clouds])
    assert detector.score(Sample(xyz=clouds[0])).pixels.shape == (1, 500)


def test_what_cannot_be_used_is_named() -> None:
    detector, scan = fitted(), wall()
    with pytest.raises(ValueError, match="wall has no valid pixel"):
        detector.score(replace(scan, xyz=XYZImage(np.zeros((40, 60, 3), np.float32))))
    with pytest.raises(ValueError, match="must have xyz"):
        detector.score(Sample(rgb=np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(ValueError, match="must have rgb for source"):
        VoxelVariationModel(source="xyz+rgb").fit([scan])
    for keywords in (
        {"source": "rgb"},
        {"resolution": 0},
        {"floor": 0.0},
        {"floor": float("inf")},
        {"smooth": -1},
        {"resolution": 1291},
        {"reduce": "sum"},
    ):
        with pytest.raises(ValueError, match=next(iter(keywords))):
            VoxelVariationModel(**keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["xyz", "xyz+rgb"])
@pytest.mark.parametrize("reduce", get_args(Reduce))
@pytest.mark.parametrize("outside", ["clip", "drop"])
def test_scores_are_those_of_dense_moments(source: Source, reduce: Reduce, outside: Outside) -> None:
    scans = [synthetic_scan(seed) for seed in range(5)]
    detector = VoxelVariationModel(source=source, resolution=16, reduce=reduce, outside=outside).fit(scans)
    moments = Moments(detector.channels * 16**3)
    for scan in scans:
        moments.see(torch.from_numpy(dense(detector, scan).values).flatten()[None])
    for scan in (scans[0], synthetic_scan(9, defect=True)):
        filled = dense(detector, scan)
        expected = deviation_scores(torch.from_numpy(filled.values), moments, detector.floor, reduce).float()
        scores, sparse = detector.scored_grid(detector.prepare(scan))
        torch.testing.assert_close(torch.from_numpy(scores), expected, rtol=0, atol=1e-6)
        assert sparse.values is None and np.array_equal(sparse.nearest, filled.nearest)


@pytest.mark.parametrize("floor", [0.05, None])
def test_a_state_of_any_size_is_saved_and_loaded(floor: float | None) -> None:
    keywords = {"source": "xyz+rgb", "resolution": 16, "floor": floor}
    one = VoxelVariationModel(**keywords).fit([synthetic_scan(seed) for seed in range(4)])  # type: ignore[arg-type]
    assert 0 < len(one.moments.cells) < 16**3 / 2
    two = VoxelVariationModel(**keywords)  # type: ignore[arg-type]
    two.load_state_dict(one.state_dict())
    scan = synthetic_scan(9, defect=True)
    assert two.floor == one.floor and np.array_equal(one.score(scan).pixels, two.score(scan).pixels)
    two.fit([synthetic_scan(1)])  # from scratch
    assert len(two.moments.cells) < len(one.moments.cells) and two.moments.count == 1 and two.floor == 0.05


def test_a_floor_is_chosen_that_makes_held_out_good_scans_likely() -> None:
    scans = [synthetic_scan(seed) for seed in range(6)]
    detector = VoxelVariationModel(resolution=16, floor=None)
    assert detector.floor == 0.05 and "floor=0.05 (until one is chosen)" in repr(detector)
    detector.fit(scans)
    losses = torch.zeros(len(FLOORS), dtype=torch.float64)
    for held_out in scans:  # the same by a fit without each scan in turn, in the box of all
        part = VoxelVariationModel(resolution=16)
        part.lower, part.upper = detector.lower, detector.upper
        for scan in scans:
            if scan is not held_out:
                part._see_cells(part.cells(part.prepare(scan)))
        values = torch.from_numpy(dense(part, held_out).values).double().flatten(1)
        moments = part.moments.at(torch.arange(16**3))
        for i, floor in enumerate(FLOORS):
            wide = moments.std.clamp_min(floor)
            losses[i] += (((values - moments.mean) / wide).square() / 2 + wide.log()).sum()
    torch.testing.assert_close(detector.losses, losses, rtol=1e-9, atol=1e-6)
    assert detector.floor == FLOORS[int(losses.argmin())] and FLOORS[0] < detector.floor < FLOORS[-1]
    assert f"floor={detector.floor:g} (chosen)" in repr(detector)
    assert "floor=0.2 (given)" in repr(VoxelVariationModel(floor=0.2))
    again = VoxelVariationModel(resolution=16, floor=None).fit(scans)
    assert torch.equal(again.losses, detector.losses)


def test_scores_are_smoothed_over_cells() -> None:
    plain, smooth = (fitted(smooth=deviation) for deviation in (0.0, 0.5))
    cloud = plain.prepare(wall(boss=True))
    expected = gaussian_filter(plain.scored_grid(cloud)[0], 0.5, mode="nearest")
    np.testing.assert_allclose(smooth.scored_grid(cloud)[0], expected, rtol=0, atol=1e-5)
    assert 0 < (smooth.score(wall(boss=True)).score or 0) < (plain.score(wall(boss=True)).score or 0)


def test_a_grid_of_256_cells_a_side_with_colours_fits() -> None:
    detector = VoxelVariationModel(source="xyz+rgb", resolution=256).fit([synthetic_scan(seed) for seed in range(3)])
    held = sum(tensor.numel() * tensor.element_size() for tensor in detector.state_dict().values())
    assert held < 52 * 3 * 32 * 40 + 1000 < 256**3 * 3 * 16 / 1000


@pytest.mark.slow
def test_two_devices_learn_the_same_state() -> None:
    scans = [synthetic_scan(seed) for seed in range(4)]
    one, two = (
        VoxelVariationModel(resolution=16, floor=None).fit(scans, trainer=Trainer(device="cpu", devices=devices))
        for devices in (1, 2)
    )
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[name]), name


def test_cells_that_score_nothing_need_not_be_drawn() -> None:
    detector, sample = fitted(), wall(boss=True, hole=True)
    scores, filled = detector.scored_grid(detector.prepare(sample))
    assert (scores == 0).mean() > 0.9
    drawn = splat_voxels(scores, filled.origin, filled.cell, CAMERA, sample.shape)
    pixel = np.flatnonzero(sample.xyz.valid)  # type: ignore[union-attr]
    own = scores_to_pixels(voxel_scores_to_points(scores, filled), pixel, sample.shape)
    assert np.array_equal(detector.score(sample).pixels, np.fmax(own, drawn))
