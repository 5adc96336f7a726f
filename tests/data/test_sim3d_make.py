"""The tree that make_sim3d writes: exact, reproducible, resumable, and never mixed with other files."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from geoad.data import check_dataset, open_dataset
from geoad.data.sim3d import CATEGORIES, get_category, make_sim3d
from geoad.data.sim3d.category import Counts
from geoad.data.sim3d.make import _settings
from geoad.data.sim3d.plan import SIZES, Size, plan
from geoad.data.sim3d.store import checksum, write_xyz

SIZE = Size(64, Counts(2, 1, 1, 4))


def small(root: Path, **options: object) -> Path:
    return make_sim3d(root, **{"categories": ["foam"], "size": SIZE, "seed": 3, **options})  # type: ignore[arg-type]


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and path.name != ".lock")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("sim3d") / "root")


def test_the_tree_is_that_of_mvtec_3d_ad(made: Path) -> None:
    wanted = {"manifest.json", "foam/calibration/camera_parameters.json"}
    for folder, count in (("train/good", 2), ("validation/good", 1)):
        for i in range(count):
            wanted |= {f"foam/{folder}/xyz/{i:03d}.tiff", f"foam/{folder}/rgb/{i:03d}.png"}
    for kind in ("good", "color", "combined", "contamination", "cut"):
        wanted |= {f"foam/test/{kind}/{part}" for part in ("xyz/000.tiff", "rgb/000.png", "gt/000.png")}
    assert set(tree(made)) == wanted


def test_files_reopen_in_mvtecs_formats(made: Path) -> None:
    folder = made / "foam" / "test" / "cut"
    with tifffile.TiffFile(folder / "xyz" / "000.tiff") as file:
        assert file.pages[0].compression == 1
        xyz = file.asarray()
    assert (xyz.shape, xyz.dtype) == ((64, 64, 3), np.float32)
    valid = (xyz != 0).any(-1)
    assert 0.7 < valid.mean() < 1
    assert xyz[valid][:, 2].min() > 0.4 and xyz[valid][:, 2].max() < 0.6
    with Image.open(folder / "rgb" / "000.png") as rgb, Image.open(folder / "gt" / "000.png") as gt:
        assert (rgb.mode, rgb.size, gt.mode, gt.size) == ("RGB", (64, 64), "L", (64, 64))
        assert set(np.unique(gt)) == {0, 255}
    with Image.open(made / "foam" / "test" / "good" / "gt" / "000.png") as gt:
        assert not np.asarray(gt).any()


def test_the_loader_opens_it_without_faults(made: Path) -> None:
    assert "no faults" in str(check_dataset("sim3d", made))
    test = open_dataset("sim3d", made, category="foam", split="test")
    assert {sample.label for sample in test} == {0, 1}


def test_the_calibration_maps_every_point_to_its_own_pixel(made: Path) -> None:
    sample = open_dataset("sim3d", made, category="foam", split="train")[0]
    assert sample.xyz is not None and sample.camera is not None
    row, column = np.nonzero(sample.xyz.valid)
    pixels = sample.camera.project(sample.xyz.xyz[row, column])
    assert np.abs(pixels - np.column_stack([column, row])).max() < 0.01


def test_the_manifest_holds_settings_and_checksums(made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_text())
    assert (manifest["simulator"], manifest["seed"], manifest["complete"]) == ("sim3d-1", 3, True)
    assert manifest["sensor"]["noise"] > 0
    assert manifest["files"] == {name: checksum(made / name) for name in tree(made) if name != "manifest.json"}


def test_same_seed_same_bytes_also_in_parallel(made: Path, tmp_path: Path) -> None:
    assert tree(small(tmp_path / "again", jobs=2)) == tree(made)


def test_another_seed_gives_other_scans(made: Path, tmp_path: Path) -> None:
    name = "foam/train/good/xyz/000.tiff"
    few = Size(64, Counts(1, 0, 0, 0))
    assert tree(small(tmp_path / "a", size=few, seed=4))[name] != tree(made)[name]
    assert tree(small(tmp_path / "b", size=few))[name] == tree(made)[name]


def test_an_interrupted_run_goes_on(made: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(tmp_path / "root", progress=stop)
    root = tmp_path / "root"
    finished = {path: path.stat().st_mtime_ns for path in root.rglob("*.tiff")}
    assert len(finished) == 3
    (root / "foam" / "train" / "good" / "rgb" / "001.png").unlink()
    (root / "foam" / "test" / "good" / "xyz").mkdir(parents=True)
    (root / "foam" / "test" / "good" / "xyz" / ".000.tiff.part").write_bytes(b"half")
    seen: list[tuple[int, int]] = []
    small(root, progress=lambda done, total: seen.append((done, total)))
    assert tree(root) == tree(made)
    assert finished == {path: path.stat().st_mtime_ns for path in finished}
    assert seen == [(done, 8) for done in range(3, 9)]


def test_a_finished_run_writes_nothing(made: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    small(made)
    assert before == {path: path.stat().st_mtime_ns for path in made.rglob("*")}


def test_two_do_not_write_into_one_root(tmp_path: Path) -> None:
    seen = []

    def another(done: int, total: int) -> None:
        with pytest.raises(ValueError, match=r"root is in use by another process"):
            small(tmp_path / "root")
        seen.append(done)

    small(tmp_path / "root", progress=another)
    assert seen


def test_a_write_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        small(tmp_path / "root")
    assert tree(tmp_path / "root") == {}


def test_a_scan_is_whole_where_the_disk_is_full(tmp_path: Path) -> None:
    xyz = np.ones((65, 63, 3), np.float32)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (49152, before[1]))  # all but the last block
    try:
        with pytest.raises(OSError, match=r"000\.tiff: cannot be written: file too large"):
            write_xyz(tmp_path / "000.tiff", xyz)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
    assert write_xyz(tmp_path / "000.tiff", xyz) == checksum(tmp_path / "000.tiff")
    assert np.array_equal(tifffile.imread(tmp_path / "000.tiff"), xyz)


def test_a_scan_that_cannot_be_synced_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"000\.tiff: cannot be written: no space left"):
        write_xyz(tmp_path / "000.tiff", np.ones((4, 5, 3), np.float32))
    assert not list(tmp_path.iterdir())


def test_foreign_files_are_refused(made: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (made / ".DS_Store").write_text("of a file manager")
    small(made)
    (made / ".DS_Store").unlink()
    with pytest.raises(ValueError, match=r"not sim3d's, notes\.txt: choose an empty folder"):
        small(tmp_path)
    assert set(tree(tmp_path)) == {"notes.txt"}
    with pytest.raises(ValueError, match="must be a folder"):
        small(tmp_path / "notes.txt")
    stray = made / "foam" / "train" / "good" / "xyz" / "999.tiff"
    stray.write_bytes(b"")
    try:
        with pytest.raises(ValueError, match=r"999\.tiff"):
            small(made)
    finally:
        stray.unlink()


@pytest.mark.parametrize("options", [{"seed": 4}, {"size": "tiny"}, {"categories": ["foam", "bagel"]}])
def test_other_settings_are_refused(made: Path, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="was made with"):
        small(made, **options)


def test_a_manifest_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match=r"manifest\.json: not a manifest of sim3d"):
        small(tmp_path)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            {"categories": ["bagle"]},
            r"unknown category 'bagle' \(did you mean 'bagel'\?\); known: bagel, cable_gland, carrot, .*, tire",
        ),
        ({"categories": []}, "at least one"),
        ({"size": "huge"}, "known: full, small, tiny"),
        ({"size": Size(8, None)}, "64 pixels or more"),
        ({"scale": 0.1, "size": "small"}, "64 pixels or more, .* got 40"),
        ({"scale": 0.0}, "scale must be positive"),
        ({"size": Size(64, Counts(0, 0, 0, 0))}, "train positive"),
        ({"jobs": 0}, "jobs must be positive"),
        ({"seed": -1}, "seed must be 0 or more"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_written(tmp_path: Path, options: dict, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        small(tmp_path / "root", **options)
    assert not (tmp_path / "root").exists()


def test_a_seed_of_numpy_can_be_written() -> None:
    assert json.dumps(_settings(["dowel"], np.int64(1))["seed"]) == "1"  # type: ignore[arg-type]


def test_a_string_is_no_list_of_categories(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="must be a sequence of names"):
        small(tmp_path / "root", categories="foam")


def test_a_disk_too_small_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match="choose a smaller size"):
        small(tmp_path / "root")


def test_full_has_the_originals_counts_and_sizes() -> None:
    published = {
        "bagel": (244, 22, 22, 88, 800, 800),
        "cable_gland": (223, 23, 21, 87, 400, 400),
        "carrot": (286, 29, 27, 132, 800, 800),
        "cookie": (210, 22, 28, 103, 500, 500),
        "dowel": (288, 34, 26, 104, 400, 400),
        "foam": (236, 27, 20, 80, 900, 900),
        "peach": (361, 42, 26, 106, 600, 600),
        "potato": (300, 33, 22, 92, 800, 800),
        "rope": (298, 33, 32, 69, 900, 400),
        "tire": (210, 29, 25, 87, 600, 800),
    }
    assert set(published) == set(CATEGORIES)
    for name, (train, validation, good, bad, width, height) in published.items():
        category = get_category(name)
        entries = plan(category, SIZES["full"])
        counts = [
            sum(e.split == split and e.kind == "good" for e in entries) for split in ("train", "validation", "test")
        ]
        assert [*counts, sum(e.kind != "good" for e in entries)] == [train, validation, good, bad]
        camera = category.station(SIZES["full"].longest(category.shape)).camera
        assert (camera.image_width, camera.image_height) == (width, height)
        assert len({e.name for e in entries}) == len(entries)


def test_tiny_keeps_the_aspect_of_an_image_that_is_not_square() -> None:
    rope = get_category("rope")
    camera = rope.station(SIZES["tiny"].longest(rope.shape)).camera
    assert (camera.image_width, camera.image_height) == (300, 133)


def test_scale_multiplies_the_sides(tmp_path: Path) -> None:
    root = small(tmp_path / "root", size=Size(128, Counts(1, 0, 0, 0)), scale=0.5)
    assert tifffile.imread(root / "foam/train/good/xyz/000.tiff").shape == (64, 64, 3)
    assert Size(None, None, scale=0.25).longest((800, 600)) == 200


def test_the_kinds_are_the_originals_41() -> None:
    kinds = {name: get_category(name).kinds[1:] for name in CATEGORIES}
    published = (4, 4, 5, 4, 4, 4, 5, 4, 3, 4)
    assert [len(kinds[name]) for name in CATEGORIES] == list(published) and sum(published) == 41
    tire = [entry.kind for entry in plan(get_category("tire"), SIZES["full"])]
    assert [tire.count(kind) for kind in kinds["tire"]] == [5, 28, 27, 27]
