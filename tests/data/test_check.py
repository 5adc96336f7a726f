"""The report on a tree: every fault at once, never an exception, and what is in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from geoad.data import check_dataset
from geoad.data.check import SPARSE, Contents, _check_entry
from geoad.data.dataset import Entry
from geoad.data.sim3d import make_sim3d
from geoad.data.sim3d.plan import Counts, Size
from geoad.geometry import XYZImage
from tests.trees import SMALL, make_scan, make_tree


def test_a_sound_tree(tree: Path) -> None:
    report = check_dataset("mvtec3d", tree)
    assert report.ok and [contents.category for contents in report.contents] == ["bagel", "rope"]
    bagel = report.contents[0]
    assert bagel.scans == {"train/good": 3, "validation/good": 1, "test/dent": 2, "test/good": 2, "test/hole": 2}
    assert bagel.sizes == {SMALL: 10} and bagel.colours == 10 and bagel.masks == 6 and bagel.not_finite == 0
    xyz = np.stack([tifffile.imread(path) for path in (tree / "bagel").rglob("*.tiff")])
    assert bagel.valid == (xyz != 0).any(-1).sum() and bagel.pixels == 10 * SMALL[0] * SMALL[1]
    np.testing.assert_array_equal(bagel.box[1], xyz.reshape(-1, 3).max(0))
    assert str(report).splitlines()[-1] == "no faults" and "bagel: 10 (" in str(report)


def test_one_category_of_it(tree: Path) -> None:
    shutil.rmtree(tree / "rope" / "train")
    assert check_dataset("mvtec3d", tree, category="bagel").ok
    assert not check_dataset("mvtec3d", tree).ok


def damage(tree: Path) -> dict[str, str]:
    """Break a tree in many ways; return the problem of each file."""
    bagel, rope = tree / "bagel", tree / "rope"
    good = bagel / "train" / "good"
    (good / "xyz" / "000.tiff").write_bytes(b"II*\0")
    xyz = tifffile.imread(good / "xyz" / "001.tiff")
    tifffile.imwrite(good / "xyz" / "001.tiff", np.zeros_like(xyz), photometric="rgb")
    Image.new("RGB", (3, 4)).save(good / "rgb" / "002.png")
    (bagel / "test" / "dent" / "gt" / "000.png").unlink()
    Image.new("L", SMALL[::-1], 77).save(bagel / "test" / "dent" / "gt" / "001.png")
    Image.new("L", SMALL[::-1], 255).save(bagel / "test" / "good" / "gt" / "000.png")
    Image.new("L", SMALL[::-1], 0).save(bagel / "test" / "hole" / "gt" / "000.png")
    (bagel / "test" / "hole" / "rgb" / "001.png").write_bytes(b"")
    shutil.rmtree(bagel / "validation")
    (rope / "calibration" / "camera_parameters.json").write_text("{}")
    (rope / "class_ids.json").write_text("[")
    shutil.move(rope / "train" / "good", rope / "train" / "bad")
    return {
        "bagel/train/good/xyz/000.tiff": "not a readable tiff",
        "bagel/train/good/xyz/001.tiff": "no valid pixel",
        "bagel/train/good/rgb/002.png": "rgb must be 48x64 (HxW) like its scan, got 4x3",
        "bagel/test/dent/gt/000.png": "no mask for",
        "bagel/test/dent/gt/001.png": "mask value 77 is no class",
        "bagel/test/good/gt/000.png": "marks a defect on a good scan",
        "bagel/test/hole/gt/000.png": "marks nothing on a defective scan",
        "bagel/test/hole/rgb/001.png": "not a readable image",
        "bagel/validation": "no such folder, or none in it",
        "rope/calibration/camera_parameters.json": "not a camera file",
        "rope/class_ids.json": "not a readable list of classes",
        "rope/train/bad": "train holds only good scans",
    }


def test_every_fault_at_once(tree: Path) -> None:
    expected = {str(tree / place): problem for place, problem in damage(tree).items()}
    report = check_dataset("mvtec3d", tree)
    assert not report.ok and {fault.file for fault in report.faults} == set(expected)
    assert len(report.faults) == len(expected)
    for fault in report.faults:
        assert fault.problem.startswith(expected[fault.file]), fault
        assert ": " in fault.problem and "\n" not in str(fault)  # what is wrong: what mends it
    assert str(report).splitlines()[-1] == f"{len(expected)} faults"


def test_counts_go_on_behind_a_fault(tree: Path) -> None:
    damage(tree)
    bagel = check_dataset("mvtec3d", tree, category="bagel").contents[0]
    assert sum(bagel.scans.values()) == 9 and bagel.sizes == {SMALL: 7}


def test_nan_and_inf_are_counted_not_faults(tree: Path) -> None:
    path = tree / "bagel" / "train" / "good" / "xyz" / "000.tiff"
    xyz = tifffile.imread(path)
    before = check_dataset("mvtec3d", tree, category="bagel").contents[0]
    valid = np.argwhere((xyz != 0).any(-1))
    xyz[tuple(valid[0])] = np.nan
    xyz[*valid[1], 1] = np.inf
    tifffile.imwrite(path, xyz, photometric="rgb")
    report = check_dataset("mvtec3d", tree, category="bagel")
    assert report.ok and report.contents[0].not_finite == 2 and report.contents[0].valid == before.valid - 2


def test_a_camera_for_other_images(tree: Path) -> None:
    path = tree / "bagel" / "calibration" / "camera_parameters.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "image_width": 63}))
    faults = check_dataset("mvtec3d", tree).faults
    assert [str(fault) for fault in faults] == [
        f"{path}: for images of 48x63, but a scan has 48x64: give its own camera"
    ]


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    report = check_dataset("mvtec3d", tmp_path / "nowhere")
    assert [fault.problem.split(":")[0] for fault in report.faults] == ["no such folder"]
    assert not check_dataset("mvtec3d", tmp_path).ok and not check_dataset("folder", tmp_path).ok


def test_the_own_scans_of_a_person(tmp_path: Path) -> None:
    make_tree(tmp_path, categories=("own",), kinds=("dent",), validation=0)
    assert check_dataset("folder", tmp_path / "own").ok
    flat = tmp_path / "own" / "train" / "good"
    report = check_dataset("folder", flat)
    assert report.ok and report.contents[0].scans == {"train/good": 3} and report.contents[0].category is None
    np.save(flat / "xyz" / "000.npy", np.ones((3, 3)))
    np.save(flat / "xyz" / "003.npy", np.ones((3, 2)))
    problems = [fault.problem.split(":")[0] for fault in check_dataset("folder", flat).faults]
    assert sorted(problems) == [
        "has the name of 000.npy",
        f"no rgb for {flat}/xyz/003.npy",
        "rgb must be 1x3 (HxW) like its scan, got 48x64",
        "xyz must have shape (H, W, 3), got (3, 2)",
    ]


def test_a_folder_that_may_not_be_read_hides_no_other(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Path.iterdir

    def closed(self: Path) -> Iterator[Path]:
        if "bagel" in self.parts and self.name == "train":
            raise PermissionError(13, "Permission denied", str(self))
        return listed(self)

    monkeypatch.setattr(Path, "iterdir", closed)  # who runs tests as root may read everything
    report = check_dataset("mvtec3d", tree)
    assert [contents.category for contents in report.contents] == ["bagel", "rope"]
    (fault,) = (fault for fault in report.faults if "permission" in fault.problem)
    assert fault.file.endswith("bagel/train") and report.contents[1].scans["train/good"] > 0


def test_progress_is_told(tree: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    check_dataset("mvtec3d", tree, category="bagel", progress=lambda *at: seen.append(at))
    assert len(seen) == 10 and seen[0] == (1, 3, "train/good/000") and seen[-1] == (6, 6, "test/hole/001")


def test_unknown_words_raise(tree: Path) -> None:
    with pytest.raises(ValueError, match="unknown dataset 'mvtec4d'"):
        check_dataset("mvtec4d", tree)
    with pytest.raises(ValueError, match="known: bagel, rope"):
        check_dataset("mvtec3d", tree, category="foam")


def test_a_scan_in_another_unit_is_a_fault(tmp_path: Path) -> None:
    xyz = make_scan().image.xyz
    for number, scale in enumerate((1, 1, 1000, 1)):
        np.save(tmp_path / f"{number}.npy", scale * xyz)
    report = check_dataset("folder", tmp_path)
    assert [Path(fault.file).name for fault in report.faults] == ["2.npy"]
    assert "metres against millimetres?" in report.faults[0].problem


def test_a_simulated_scan_that_somebody_changed(tmp_path: Path) -> None:
    root = make_sim3d(tmp_path, categories=["dowel"], size=Size(64, Counts(1, 1, 1, 1)))
    assert check_dataset("sim3d", root).ok
    path = root / "dowel" / "test" / "good" / "xyz" / "000.tiff"
    tifffile.imwrite(path, tifffile.imread(path) * np.float32(1.01), photometric="rgb")
    for category in (None, "dowel"):
        report = check_dataset("sim3d", root, category=category)
        assert [fault.file for fault in report.faults] == [str(path)] and "repeat geoad data make" in str(report)


def test_colours_are_counted_once_a_scan(tmp_path: Path) -> None:
    for folder in ("xyz", "rgb"):
        (tmp_path / folder).mkdir()
    np.save(tmp_path / "xyz" / "a.npy", np.ones((5, 6)))
    Image.new("RGB", (5, 1)).save(tmp_path / "rgb" / "a.png")
    assert check_dataset("folder", tmp_path).contents[0].colours == 1


def test_a_few_flying_points_make_no_other_unit() -> None:
    points = np.random.default_rng(0).random((1, 200 * SPARSE, 3)).astype(np.float32)
    points[0, : 2 * SPARSE : SPARSE] = 1e4  # a stray in a hundred
    contents = Contents()
    contents.add("a", XYZImage(points))
    assert contents.lengths["a"] < 2


def test_the_box_holds_every_scan() -> None:
    contents = Contents()
    for shift in (0, 5):
        contents.add(str(shift), XYZImage(np.array([[[0, 0, 1.0], [1, 1, 2]]]) + shift))
    np.testing.assert_array_equal(contents.box, [[0, 0, 1], [6, 6, 7]])


def test_a_hundred_times_is_another_unit_and_25_times_is_none() -> None:
    contents = Contents(lengths={"a": 1.0, "b": 1.0, "c": 100.0, "d": 0.01, "e": 1.0, "f": 25.0})
    assert [fault.file for fault in contents.other_units()] == ["c", "d"]


def test_a_mask_must_be_of_the_size_of_its_photo(tmp_path: Path) -> None:
    Image.new("RGB", (6, 4)).save(tmp_path / "photo.png")
    Image.new("L", (4, 4), 255).save(tmp_path / "mask.png")
    entry = Entry("test/hole/a", "hole", None, tmp_path / "photo.png", tmp_path / "mask.png")
    (fault,) = _check_entry(SimpleNamespace(codes=None), entry, Contents())  # type: ignore[arg-type]
    assert "mask must be 4x6" in fault.problem
