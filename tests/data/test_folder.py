"""A person's own scans: flat or in splits, any format, masks optional."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoad.data import list_categories, open_dataset
from geoad.data.folder import Folder
from tests.trees import make_scan

trimesh = pytest.importorskip("trimesh")


def save(path: Path, seed: int = 0, kind: str = "good") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, make_scan((8, 9), kind, seed).image.xyz)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Splits with scans, one mask among the defects, and files that are none of ours."""
    for i, place in enumerate(("train/good/a", "train/good/b", "validation/good/c", "test/good/d")):
        save(tmp_path / f"{place}.npy", i)
    save(tmp_path / "test/dent/e.npy", 5, "dent")
    save(tmp_path / "test/dent/f.npy", 6, "dent")
    (tmp_path / "gt/dent").mkdir(parents=True)
    mask = np.zeros((8, 9), np.uint8)
    mask[2, 3] = 255
    Image.fromarray(mask).save(tmp_path / "gt/dent/e.png")
    (tmp_path / "train/good/notes.md").write_text("made on a Monday")
    return tmp_path


def test_splits(root: Path) -> None:
    names = {split: [s.name for s in open_dataset("folder", root, split=split)] for split in Folder.splits(root)}
    assert names == {
        "train": ["train/good/a", "train/good/b"],
        "validation": ["validation/good/c"],
        "test": ["test/dent/e", "test/dent/f", "test/good/d"],
    }


def test_masks_are_optional(root: Path) -> None:
    test = open_dataset("folder", root, split="test")
    marked, unmarked, good = test
    assert marked.mask.sum() == 1 and marked.mask[2, 3] and marked.label == 1
    assert unmarked.mask is None and test.mask(1) is None and unmarked.label == 1 and unmarked.kind == "dent"
    assert good.mask.shape == (8, 9) and not good.mask.any() and good.label == 0 and not test.mask(2).any()


def test_without_a_validation_folder_that_split_is_empty(root: Path) -> None:
    shutil.rmtree(root / "validation")
    assert len(open_dataset("folder", root, split="validation")) == 0


def test_a_flat_folder_is_all_good(tmp_path: Path) -> None:
    save(tmp_path / "b.npy")
    save(tmp_path / "a.npy")
    samples = open_dataset("folder", tmp_path)
    assert [(s.name, s.label, s.kind) for s in samples] == [("train/good/a", 0, "good"), ("train/good/b", 0, "good")]
    assert len(open_dataset("folder", tmp_path, split="validation")) == 0
    with pytest.raises(ValueError, match=r"test: no such folder \(flat: all good\): add test/<kind>"):
        open_dataset("folder", tmp_path, split="test")


def test_there_are_no_categories(root: Path) -> None:
    assert list_categories("folder", root) == []
    with pytest.raises(ValueError, match=r"unknown category .*'bagel'; known: none"):
        open_dataset("folder", root, category="bagel")


def test_colours_beside_the_scans(tmp_path: Path) -> None:
    save(tmp_path / "xyz/a.npy")
    save(tmp_path / "xyz/b.c.npy")
    (tmp_path / "rgb").mkdir()
    for stem in ("a", "b.c"):
        Image.new("RGB", (9, 8), (1, 2, 3)).save(tmp_path / f"rgb/{stem}.png")
    samples = open_dataset("folder", tmp_path)
    assert [s.name for s in samples] == ["train/good/a", "train/good/b.c"]
    assert samples[1].rgb.tolist() == np.full((8, 9, 3), (1, 2, 3)).tolist()
    (tmp_path / "rgb/a.png").unlink()
    with pytest.raises(ValueError, match=r"rgb/a\.png: no rgb for .*xyz/a\.npy"):
        open_dataset("folder", tmp_path)


def test_meshes_are_sampled_by_seed(tmp_path: Path) -> None:
    trimesh.creation.box((1, 2, 3)).export(tmp_path / "box.off")
    first, again, other = (open_dataset("folder", tmp_path, points=500, seed=seed)[0] for seed in (0, 0, 1))
    assert first.shape == (1, 500) and first.mask.shape == (1, 500)
    np.testing.assert_array_equal(first.xyz.xyz, again.xyz.xyz)
    assert not np.array_equal(first.xyz.xyz, other.xyz.xyz)
    assert open_dataset("folder", tmp_path).mask(0).shape == (1, 100_000)
    with pytest.raises(ValueError, match="points must be positive, got 0"):
        open_dataset("folder", tmp_path, points=0)
    for keywords, error in (({"points": 2.5}, "points must be an int"), ({"seed": None}, "seed must be an int")):
        with pytest.raises(TypeError, match=f"^{error}"):
            open_dataset("folder", tmp_path, **keywords)
    with pytest.raises(ValueError, match=r"^seed must be 0 or more, got -1"):
        open_dataset("folder", tmp_path, seed=-1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'point'"):
        open_dataset("folder", tmp_path, point=3)


def test_point_labels_of_a_cloud(tmp_path: Path) -> None:
    (tmp_path / "test/cut").mkdir(parents=True)
    (tmp_path / "gt/cut").mkdir(parents=True)
    for stem in "ab":
        np.save(tmp_path / f"test/cut/{stem}.npy", np.random.default_rng(0).random((5, 3)))
    np.savetxt(tmp_path / "gt/cut/a.txt", [0, 1, 1, 0, 0], fmt="%d")
    np.save(tmp_path / "gt/cut/b.npy", np.array([False, True, False, False, True]))
    test = open_dataset("folder", tmp_path, split="test")
    assert [test.mask(i).tolist() for i in range(2)] == [[[0, 1, 1, 0, 0]], [[0, 1, 0, 0, 1]]]
    np.savetxt(tmp_path / "gt/cut/a.txt", [0, 1], fmt="%d")
    with pytest.raises(ValueError, match=r"gt/cut/a\.txt: mask must be 1x5 \(HxW\) like its scan, got 1x2"):
        test[0]


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("train/good/a.tiff", r"a\.tiff: has the name of a\.npy: rename one of the two"),
        ("train/bad/a.npy", "train/bad: train holds only good scans: move it to test"),
        ("test/Good/a.npy", "test/Good: would be a kind of defect: rename it to good"),
        ("train/Good/a.npy", r"train/Good: would be a kind of defect: rename it to good$"),
    ],
)
def test_what_is_ambiguous_is_an_error(root: Path, place: str, problem: str) -> None:
    save(root / place)
    (root / place).touch()
    with pytest.raises(ValueError, match=problem):
        open_dataset("folder", root, split=place.partition("/")[0])


def test_a_mask_without_a_scan(root: Path) -> None:
    Image.new("L", (9, 8)).save(root / "gt/dent/z.png")
    with pytest.raises(ValueError, match=r"gt/dent/z\.png: a mask without a scan"):
        open_dataset("folder", root, split="test")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no scan: put files there that end in one of \.tiff"):
        open_dataset("folder", tmp_path)
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match="train: no such folder, or none in it: put scans into train/good"):
        open_dataset("folder", tmp_path)
    (tmp_path / "train/good").mkdir()
    with pytest.raises(ValueError, match="train/good: no scan"):
        open_dataset("folder", tmp_path)


@pytest.mark.data
def test_real_scans(shared_data: Path) -> None:
    samples = open_dataset("folder", shared_data / "organized_scans")
    assert len(samples) == 4 and len(samples[:3]) == 3
    for sample in samples:
        assert sample.shape == (480, 640) and sample.rgb.shape == (480, 640, 3) and sample.xyz.organised
        assert 0.6 < sample.xyz.valid.mean() < 0.9 and np.isfinite(sample.xyz.xyz).all()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("ground_truth/dent", r"ground_truth: masks are read from gt/<kind>: rename it"),
        ("gt/dents", r"gt/dents: no such kind in test: dent: rename or remove it"),
        ("gt/dent", r"gt/dent: no mask among its files: masks end in one of \.png \.npy \.txt"),
    ],
)
def test_masks_that_nobody_would_read_are_a_fault(tmp_path: Path, place: str, told: str) -> None:
    for scan in ("train/good/a", "test/dent/b"):
        (tmp_path / scan).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / f"{scan}.npy", np.ones((4, 5, 3), np.float32))
    (tmp_path / place).mkdir(parents=True)
    assert len(Folder(tmp_path, split="test")) == 1  # an empty folder misleads nobody
    np.save(tmp_path / place / "b.npy", np.ones((4, 5), bool))
    if place == "gt/dent":
        (tmp_path / place / "b.npy").rename(tmp_path / place / "b.bmp")
    assert len(Folder(tmp_path)) == 1
    with pytest.raises(ValueError, match=told):
        Folder(tmp_path, split="test")


def test_masks_of_meshes_have_their_points(tmp_path: Path) -> None:
    (tmp_path / "test/good").mkdir(parents=True)
    trimesh.creation.box((1, 2, 3)).export(tmp_path / "test/good/box.off")
    assert Folder(tmp_path, split="test", points=500).mask(0).shape == (1, 500)
