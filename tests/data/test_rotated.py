"""Copies of a dataset's scans, turned on the table."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from geoad.checks import Blindfolded
from geoad.data import open_dataset, rotated
from geoad.data.rotated import Rotated
from geoad.geometry import Camera, XYZImage
from geoad.geometry.plane import Plane
from geoad.geometry.rotate import rotate_scan
from geoad.sample import Sample
from tests.trees import make_scan


def scans(count: int = 2, camera: bool = True) -> list[Sample]:
    made = [make_scan(seed=seed) for seed in range(count)]
    return [Sample(xyz=s.image, camera=s.camera if camera else None, name=f"s{i}") for i, s in enumerate(made)]


def test_twenty_copies_of_each_within_five_degrees() -> None:
    copies = Rotated(scans())
    angles = np.array([copies.angle(i) for i in range(len(copies))])
    assert len(copies) == 40 and len(set(angles)) == 40
    assert np.abs(angles).max() < 5 and angles.min() < -3 and angles.max() > 3
    copy = copies[20]
    assert copy.name == "s1 turned 0" and copy.shape == (48, 64) and copy.rgb is not None and copy.camera is not None
    assert not np.array_equal(copy.rgb, scans()[1].rgb)
    with pytest.raises(IndexError, match=r"in \[-40, 40\), got 40"):
        copies[40]


def test_a_copy_is_turned_by_its_angle() -> None:
    (sample,) = scans(1)
    copies = Rotated([sample])
    assert sample.camera is not None and abs(copies.angle(7)) > 0.5
    wanted = rotate_scan(sample.scan(), copies.plane, copies.angle(7), sample.camera)
    np.testing.assert_array_equal(copies[7].xyz.xyz, wanted.xyz)


def test_a_copy_is_the_same_in_any_order_and_process_and_another_for_another_seed() -> None:
    one, two, other = Rotated(scans()), Rotated(scans(), memory=0), Rotated(scans(), seed=1)
    two[33]
    again = pickle.loads(pickle.dumps(two))
    for i in (25, 3, 25):
        assert np.array_equal(one[i].xyz.xyz, two[i].xyz.xyz) and np.array_equal(one[i].rgb, again[i].rgb)
        assert not np.array_equal(one[i].xyz.xyz, other[i].xyz.xyz)


def test_the_plane_is_the_whole_sequences_and_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = Rotated(scans(3))
    plane = copies.plane
    assert np.degrees(np.arccos(-plane.normal[2])) < 0.5 and plane.point[2] == pytest.approx(0.6, abs=1e-3)
    monkeypatch.setattr("geoad.data.rotated.fit_background", lambda points: pytest.fail("found twice"))
    assert copies[0].shape == copies[40].shape


@pytest.mark.parametrize("shape", [(200, 200), (300, 2000), (96, 64)])
def test_the_plane_is_found_in_scans_without_holes(shape: tuple[int, int]) -> None:
    camera = Camera.pinhole(1.2 * max(shape), shape)
    rays = camera.rays(np.stack(np.meshgrid(*map(np.arange, shape[::-1])), -1).reshape(-1, 2))
    table = Plane(np.array([0.15, 0.05, -0.987]) / np.linalg.norm([0.15, 0.05, -0.987]), np.array([0, 0, 0.5]))
    points = rays * (table.normal @ table.point / (rays @ table.normal))[:, None]
    points += 1e-4 * np.random.default_rng(0).standard_normal(points.shape)
    plane = Rotated([Sample(xyz=XYZImage(points.reshape(*shape, 3).astype(np.float32)))]).plane
    assert np.degrees(np.arccos(min(1, plane.normal @ table.normal))) < 0.5
    assert np.linalg.norm(plane.point - points.mean(0)) < 0.02 * np.ptp(points, axis=0).max()


def test_copies_are_kept_while_they_fit() -> None:
    size = 48 * 64 * 15
    copies = Rotated(scans(), memory=2.5 * size)
    assert copies[0] is copies[0] and copies[5] is copies[5]
    assert copies[7] is not copies[7] and copies[0] is copies[0]


def test_a_negative_index_and_slices_are_those_of_a_dataset() -> None:
    copies = Rotated(scans(), copies=3)
    assert copies[-1].name == "s1 turned 2" and np.array_equal(copies[-1].xyz.xyz, copies[5].xyz.xyz)
    part = copies[1:5:2]
    assert [copy.name for copy in part] == ["s0 turned 1", "s1 turned 0"] and part[-1] is copies[3]
    assert len(copies[:2]) == 2 and len(copies[9:]) == 0 and [copy.name for copy in part[1:]] == ["s1 turned 0"]
    with pytest.raises(IndexError, match=r"in \[-6, 6\), got -7"):
        copies[-7]
    assert Rotated(scans(), copies=0)[-1].name == "s1"


def test_none_leaves_the_scans_as_they_are() -> None:
    samples = scans()
    assert list(Rotated(samples, copies=0)) == samples


def test_ground_truth_stays_behind() -> None:
    blind = [Blindfolded.of(replace(s, mask=np.ones(s.shape, bool), label=1)) for s in scans()]
    copy = Rotated(blind, copies=2)[3]
    assert copy.mask is None and copy.label is None


def test_without_calibration_a_pinhole_is_fitted() -> None:
    with_camera, without = Rotated(scans())[4], Rotated(scans(camera=False))[4]
    assert without.camera is None
    both = with_camera.xyz.valid & without.xyz.valid
    assert both.sum() > 0.9 * with_camera.xyz.valid.sum()
    near = np.linalg.norm(with_camera.xyz.xyz - without.xyz.xyz, axis=-1)[both] < 0.02
    assert near.mean() > 0.95


def test_a_scan_that_its_camera_did_not_make_is_seen_by_a_pinhole_and_named_once() -> None:
    copies = Rotated([LARGER, replace(LARGER, name="too")], copies=2)
    with pytest.warns(UserWarning, match=r"larger has \(48, 64\) pixels and its camera \(96, 128\)"):
        first = copies[0]
    assert np.array_equal(first.xyz.xyz, Rotated([replace(LARGER, camera=None)] * 2, copies=2)[0].xyz.xyz)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert copies[3].shape == (48, 64)


def test_a_dataset_on_disk(tree: Path) -> None:
    train = open_dataset("mvtec3d", tree, category="bagel")
    copies = Rotated(train, copies=2)
    assert len(copies) == 2 * len(train) and copies[1].path == train[0].path


CLOUD = Sample(xyz=XYZImage(np.random.default_rng(0).random((1, 90, 3)).astype(np.float32)), name="cloud")
EMPTY = Sample(xyz=XYZImage(np.zeros((48, 64, 3), np.float32)), name="empty")
LARGER = replace(scans(1)[0], camera=Camera.pinhole(100.0, (96, 128)), name="larger")
BALL = np.random.default_rng(0).normal(size=(24, 24, 3))
BALL *= 0.3 / np.linalg.norm(BALL, axis=-1, keepdims=True)
BAD = {
    "cloud must be an organised scan to be turned, got (1, 90); set copies=0": [CLOUD],
    "photo must have xyz, it has colour alone": [Sample(rgb=np.zeros((4, 4, 3), np.uint8), name="photo")],
    "empty has no valid pixel: remove it, or scan it again": [EMPTY],
    "scans cannot be turned on their table: no plane lies behind": [
        Sample(xyz=XYZImage(BALL + np.array([0, 0, 1])), camera=Camera.pinhole(30.0, (24, 24)))
    ],
}


@pytest.mark.parametrize("error", BAD)
def test_what_cannot_be_turned_is_named(error: str) -> None:
    with pytest.raises(ValueError) as caught:
        Rotated(BAD[error])[0]
    assert str(caught.value).startswith(error)


def test_scans_that_no_pinhole_sees_need_calibration() -> None:
    y, x = np.mgrid[:24, :32] / 100
    table = np.stack([x, y, np.full(y.shape, 0.5)], -1)[:, ::-1]
    with pytest.raises(ValueError, match=r"part cannot be turned: no pinhole camera .*camera_parameters.json"):
        Rotated([Sample(xyz=XYZImage(table), name="part")])[0]


def test_scans_of_several_sizes_are_turned_each_on_its_own_pixels() -> None:
    large = make_scan((60, 80))
    samples = [*scans(1), Sample(xyz=large.image, camera=large.camera)]
    copies = Rotated(samples, copies=1)
    assert [copy.shape for copy in copies] == [(48, 64), (60, 80)]


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"copies": -1}, "copies must be 0"),
        ({"copies": 2.5}, "copies must be an int, got float"),
        ({"degrees": 0}, "degrees"),
        ({"degrees": np.inf}, "degrees must be finite"),
        ({"seed": 0.5}, "seed must be an int"),
    ],
)
def test_wrong_keywords(keywords: dict, error: str) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        Rotated(scans(), **keywords)


def test_a_digest_knows_how_copies_are_turned() -> None:
    made = [Rotated(scans(), **how).digest() for how in ({}, {}, {"copies": 3}, {"degrees": 4.0}, {"seed": 1})]
    assert made[0] == made[1] and len(set(made)) == 4


def test_the_plane_is_that_of_scans_from_the_whole_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [Sample(xyz=XYZImage(np.full((50, 60, 3), i + 1, np.float32))) for i in range(20)]
    seen: list[np.ndarray] = []
    monkeypatch.setattr(rotated, "fit_background", seen.append)
    _ = Rotated(samples).plane
    assert np.unique(seen[0]).tolist() == [1, 3, 6, 9, 11, 14, 17, 20] and len(seen[0]) == 8 * 2000


def test_small_integers_of_numpy_do_not_overflow() -> None:
    assert len(Rotated(scans() * 10, copies=np.uint8(20))) == 20 * len(scans() * 10) > 255
