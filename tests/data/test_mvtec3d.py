"""The tree of MVTec 3D-AD: official splits, and an error for everything that can be wrong with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from geoad.data import list_categories, open_dataset
from geoad.geometry import Camera
from tests.trees import SMALL, make_scan, make_tree

# What is in the tree


def test_splits_names_and_labels(tree: Path) -> None:
    train, validation, test = (
        open_dataset("mvtec3d", tree, category="bagel", split=split) for split in ("train", "validation", "test")
    )
    assert [entry.name for entry in train.entries] == [f"train/good/00{i}" for i in range(3)]
    assert [entry.name for entry in validation.entries] == ["validation/good/000"]
    assert [entry.name for entry in test.entries] == [
        f"test/{kind}/00{i}" for kind in ("dent", "good", "hole") for i in range(2)
    ]
    assert [test.label(i) for i in range(6)] == [1, 1, 0, 0, 1, 1]
    assert {entry.kind for entry in [*train.entries, *validation.entries]} == {"good"}


def test_a_sample_is_what_was_written(tree: Path) -> None:
    samples = open_dataset("sim3d", tree, category="bagel", split="test")
    sample, scan = samples[1], make_scan(SMALL, "dent", 8)
    assert sample.shape == SMALL and sample.kind == "dent" and sample.label == 1 and sample.name == "test/dent/001"
    assert sample.xyz.xyz.dtype == np.float32 and sample.rgb.dtype == np.uint8 and sample.mask.dtype == bool
    assert sample.xyz.rgb is sample.rgb and sample.path.endswith("test/dent/xyz/001.tiff")
    assert sample.camera == scan.camera
    np.testing.assert_array_equal(sample.xyz.xyz, scan.image.xyz)
    np.testing.assert_array_equal(sample.rgb, scan.image.rgb)
    np.testing.assert_array_equal(sample.mask, scan.mask)
    assert not samples[2].mask.any() and samples[2].label == 0


def test_masks_may_lie_on_invalid_pixels(tree: Path) -> None:
    sample = open_dataset("mvtec3d", tree, category="bagel", split="test")[4]
    assert sample.kind == "hole" and sample.mask.any() and not sample.xyz.valid[sample.mask].any()


def test_masks_and_labels_without_the_scans(tree: Path) -> None:
    samples = open_dataset("mvtec3d", tree, category="rope", split="test")
    for i in range(len(samples)):
        np.testing.assert_array_equal(samples.mask(i), samples[i].mask)
        assert samples.label(i) == samples[i].label == int(samples[i].mask.any())
    for path in tree.rglob("rope/test/*/rgb/*.png"):
        path.write_bytes(b"")
    assert samples.mask(0).any() and samples.label(0) == 1


def test_it_is_a_lazy_sequence(tree: Path) -> None:
    samples = open_dataset("mvtec3d", tree, category="bagel")
    assert len(samples) == 3 and samples[-1].name == "train/good/002"
    with pytest.raises(IndexError):
        samples[3]
    tail = samples[1:]
    assert [sample.name for sample in tail] == ["train/good/001", "train/good/002"] and len(samples) == 3
    assert tail.camera == samples.camera
    shutil.rmtree(tree / "bagel" / "train" / "good" / "rgb")
    with pytest.raises(FileNotFoundError, match=r"rgb/000\.png: no such file"):
        samples[0]


def test_scans_at_full_size(full_size_tree: Path) -> None:
    samples = open_dataset("mvtec3d", full_size_tree, category="bagel", split="test")
    assert samples[0].shape == (800, 800) and samples[0].camera.shape == (800, 800)
    assert 0.5 < samples[0].xyz.valid.mean() < 1
    files = list((full_size_tree / "bagel").rglob("*.tiff"))
    assert {file.stat().st_size for file in files} == {800 * 800 * 12 + 288}  # as the originals


def test_class_codes_are_defects(tree: Path) -> None:
    gt = tree / "bagel" / "test" / "dent" / "gt" / "000.png"
    mask = np.array(Image.open(gt)) > 0
    Image.fromarray(np.where(mask, 254, 0).astype(np.uint8)).save(gt)
    np.testing.assert_array_equal(open_dataset("mvtec3d", tree, category="bagel", split="test").mask(0), mask)


def test_what_a_tree_may_lack(tree: Path) -> None:
    base = tree / "bagel"
    shutil.rmtree(base / "calibration")
    shutil.rmtree(base / "test" / "good" / "gt")
    (base / "class_ids.json").unlink()
    for folder in base.rglob("rgb"):
        shutil.rmtree(folder)
    (base / "test" / ".cache").mkdir()
    (base / "train" / "good" / "xyz" / "._000.tiff").write_bytes(b"left by another system")
    samples = open_dataset("mvtec3d", tree, category="bagel", split="test")
    assert (
        samples.camera is None and samples.codes is None and samples[2].rgb is None and samples[2].mask.shape == SMALL
    )
    assert len(open_dataset("mvtec3d", tree, category="bagel")) == 3


def test_root_may_be_one_category(tree: Path) -> None:
    assert list_categories("mvtec3d", tree) == ["bagel", "rope"]
    assert list_categories("mvtec3d", tree / "bagel") == []
    assert len(open_dataset("mvtec3d", tree / "bagel")) == 3


def test_the_card_adds_up() -> None:
    card = (Path(__file__).parents[2] / "datasets" / "mvtec3d.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line.count("|") == 9]
    table = {row[0]: [int(cell) for cell in row[1:7]] for row in rows if row[1].isdecimal()}
    total = table.pop("all")
    assert len(table) == 10 and [sum(column) for column in zip(*table.values(), strict=True)] == total
    assert total == [2656, 294, 249, 948, 41, 1148]


@pytest.mark.data
def test_real_masks_and_codes(shared_data: Path, tmp_path: Path) -> None:
    """The tire category has no scans here: flat ones stand in, all else is real."""
    real = shared_data / "mvtec3d_tire_rgb_gt" / "tire"
    for kind in ("cut", "combined"):
        for path in sorted((real / "test" / kind / "gt").glob("*.png"))[:3]:
            place = tmp_path / "tire" / "test" / kind
            for folder in ("xyz", "gt"):
                (place / folder).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place / "gt" / path.name)
            write(place / "xyz" / f"{path.stem}.tiff", np.full((800, 600, 3), 0.5, np.float32))
    shutil.copyfile(real / "class_ids.json", tmp_path / "tire" / "class_ids.json")
    (tmp_path / "tire" / "calibration").mkdir()
    calibration = "calibration/camera_parameters.json"
    shutil.copyfile(real / calibration, tmp_path / "tire" / calibration)
    samples = open_dataset("mvtec3d", tmp_path, category="tire", split="test")
    assert (
        len(samples) == 6 and samples.codes == {0, 253, 254, 255} and samples.camera == Camera.load(real / calibration)
    )
    for i in range(6):
        share = samples.mask(i).mean()
        assert 0.0001 < share < 0.02
    assert samples[0].shape == (800, 600)


# What can be wrong with it


def xyz(tree: Path) -> Path:
    return tree / "bagel" / "train" / "good" / "xyz" / "001.tiff"


def write(path: Path, array: np.ndarray) -> None:
    tifffile.imwrite(path, array, photometric="minisblack", planarconfig="contig" if array.ndim > 2 else None)


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    write(path, change(tifffile.imread(path)))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:5000]), "not a readable tiff"),
        (lambda p: p.write_bytes(p.read_bytes()[:8]), "not a readable tiff"),
        (lambda p: p.write_bytes(b""), "not a readable tiff"),
        (lambda p: p.write_bytes(b"hello world" * 99), "not a readable tiff"),
        (lambda p: rewrite(p, lambda a: a[..., 0]), "xyz must have shape (H, W, 3), got (48, 64)"),
        (lambda p: rewrite(p, lambda a: a[..., :2]), "xyz must have shape (H, W, 3), got (48, 64, 2)"),
        (lambda p: rewrite(p, lambda a: a[..., [0, 1, 2, 2]]), "xyz must have shape (H, W, 3), got (48, 64, 4)"),
        (lambda p: rewrite(p, lambda a: a.astype(np.uint8)), "xyz must be float32 in metres, got uint8"),
        (lambda p: rewrite(p, np.zeros_like), "no valid pixel"),
        (lambda p: rewrite(p, lambda a: a * np.nan), "no valid pixel"),
        (lambda p: (p.unlink(), p.mkdir()), "no rgb"),
    ],
)
def test_a_bad_scan_is_named_in_one_line(tree: Path, damage: Callable[[Path], object], problem: str) -> None:
    damage(xyz(tree))
    if problem == "no rgb":  # a folder is no scan, so its colours are left over
        with pytest.raises(ValueError, match=r"rgb/001\.png: a rgb without a scan"):
            open_dataset("mvtec3d", tree, category="bagel")
        return
    samples = open_dataset("mvtec3d", tree, category="bagel")
    assert samples[0].shape == samples[2].shape == SMALL
    with pytest.raises(ValueError, match=r"train/good/xyz/001\.tiff: ") as caught:
        samples[1]
    assert problem in str(caught.value) and "\n" not in str(caught.value)


def test_float64_is_accepted(tree: Path) -> None:
    before = tifffile.imread(xyz(tree))
    rewrite(xyz(tree), lambda a: a.astype(np.float64))
    after = open_dataset("mvtec3d", tree, category="bagel")[1].xyz.xyz
    assert after.dtype == np.float32
    np.testing.assert_array_equal(after, before)


def test_rgb_of_another_size(tree: Path) -> None:
    path = tree / "bagel" / "train" / "good" / "rgb" / "002.png"
    Image.new("RGB", (64, 40)).save(path)
    with pytest.raises(ValueError, match=r"rgb/002\.png: rgb must be 48x64 \(HxW\) like its scan, got 40x64: pair"):
        open_dataset("mvtec3d", tree, category="bagel")[2]


def test_a_missing_mask(tree: Path) -> None:
    (tree / "bagel" / "test" / "dent" / "gt" / "001.png").unlink()
    with pytest.raises(ValueError, match=r"dent/gt/001\.png: no mask for .*dent/xyz/001\.tiff: add it"):
        open_dataset("mvtec3d", tree, category="bagel", split="test")
    assert len(open_dataset("mvtec3d", tree, category="bagel")) == 3  # training does not need it


def test_a_missing_scan_and_a_missing_picture(tree: Path) -> None:
    (tree / "bagel" / "test" / "dent" / "xyz" / "000.tiff").unlink()
    (tree / "bagel" / "test" / "hole" / "rgb" / "001.png").unlink()
    with pytest.raises(ValueError, match=r"dent/rgb/000\.png: a rgb without a scan.*\(and 2 more: geoad data check"):
        open_dataset("mvtec3d", tree, category="bagel", split="test")


@pytest.mark.parametrize(
    ("mask", "problem"),
    [
        (np.zeros((40, 64), np.uint8), "mask must be 48x64 (HxW) like its scan, got 40x64"),
        (np.zeros((48, 64, 3), np.uint8), "a mask has one channel"),
        (np.full((48, 64), 77, np.uint8), "mask value 77 is no class (known: 0, 254, 255)"),
    ],
)
def test_a_bad_mask(tree: Path, mask: np.ndarray, problem: str) -> None:
    Image.fromarray(mask).save(tree / "bagel" / "test" / "hole" / "gt" / "001.png")
    samples = open_dataset("mvtec3d", tree, category="bagel", split="test")
    for read in (lambda: samples[5], lambda: samples.mask(5)):
        with pytest.raises(ValueError, match=r"hole/gt/001\.png: ") as caught:
            read()
        assert problem in str(caught.value)


def test_an_empty_train_folder(tree: Path) -> None:
    for path in xyz(tree).parent.iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"train/good/xyz: no \.tiff scan: put the scans there"):
        open_dataset("mvtec3d", tree, category="bagel")
    shutil.rmtree(tree / "bagel" / "train")
    with pytest.raises(ValueError, match=r"bagel/train: no such folder, or none in it: a category holds train/good"):
        open_dataset("mvtec3d", tree, category="bagel")


@pytest.mark.parametrize("split", ["train", "validation"])
def test_only_good_scans_are_for_training(tree: Path, split: str) -> None:
    shutil.copytree(tree / "bagel" / "test" / "dent", tree / "bagel" / split / "dent")
    with pytest.raises(ValueError, match=f"{split}/dent: {split} holds only good scans: move it to test"):
        open_dataset("mvtec3d", tree, category="bagel", split=split)


def test_unknown_words_list_the_known_ones(tree: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown category .*'bagle' \(did you mean 'bagel'\?\); known: bagel, rope"):
        open_dataset("mvtec3d", tree, category="bagle")
    with pytest.raises(ValueError, match="needs a category; known: bagel, rope"):
        open_dataset("mvtec3d", tree)
    with pytest.raises(ValueError, match=r"unknown split 'val'; known: test, train, validation"):
        open_dataset("mvtec3d", tree, category="bagel", split="val")
    with pytest.raises(ValueError, match=r"unknown dataset 'mvtec-3d' .*known: folder, mvtec3d, sim3d"):
        open_dataset("mvtec-3d", tree)
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        open_dataset("mvtec3d", tree / "nowhere", category="bagel")


def test_a_bad_calibration_or_list_of_classes(tree: Path) -> None:
    (tree / "bagel" / "class_ids.json").write_text(json.dumps({"many": "dent"}))
    with pytest.raises(ValueError, match=r"class_ids\.json: not a readable list of classes"):
        open_dataset("mvtec3d", tree, category="bagel")
    (tree / "rope" / "calibration" / "camera_parameters.json").write_text("{}")
    with pytest.raises(ValueError, match=r"camera_parameters\.json: not a camera file"):
        open_dataset("mvtec3d", tree, category="rope")


@pytest.mark.parametrize("place", [".", "bagel"])
def test_simulated_scans_are_not_called_real(tmp_path: Path, place: str) -> None:
    root = make_tree(tmp_path / "tree")
    (root / "manifest.json").write_text('{"simulator": "sim3d-1"}')
    category = "bagel" if place == "." else None
    with pytest.raises(ValueError, match=r"scans of the simulator sim3d-1: give sim3d:"):
        open_dataset("mvtec3d", root / place, category=category)
    assert len(open_dataset("sim3d", root / place, category=category))
