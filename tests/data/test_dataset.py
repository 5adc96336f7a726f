"""The registry of datasets and the base of all of them."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import geoad.data
from geoad.data import DATASETS, Dataset, Entry, Fault, list_datasets, open_dataset
from geoad.data.dataset import SPLITS


def test_every_name_has_a_class_and_a_line() -> None:
    assert set(list_datasets()) == set(DATASETS)
    for name, line in list_datasets().items():
        assert 0 < len(line) <= 120 and "\n" not in line
        kind = geoad.data.dataset_class(name)
        assert issubclass(kind, Dataset) and name == kind.NAME


def test_public_names() -> None:
    for name in geoad.data.__all__:
        assert getattr(geoad.data, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'read_scans'"):
        geoad.data.read_scans  # noqa: B018
    assert importlib.import_module("geoad.data.check").check_dataset is geoad.data.check_dataset


def test_samples_reach_other_processes(tree: Path) -> None:
    samples = pickle.loads(pickle.dumps(open_dataset("mvtec3d", tree, category="bagel", split="test")))
    np.testing.assert_array_equal(
        samples[0].xyz.xyz, open_dataset("mvtec3d", tree, category="bagel", split="test")[0].xyz.xyz
    )


class Pictures(Dataset):
    """A dataset of colour images alone."""

    @classmethod
    def survey(cls, base: Path, split: str) -> tuple[list[Entry], list[Fault]]:
        entries = [
            Entry(f"{split}/{kind}/{path.stem}", kind, None, path, mask if mask.exists() else None)
            for kind in ("good", "cut")
            for path in sorted((base / split / kind).glob("*.png"))
            for mask in [base / "gt" / path.name]
        ]
        return entries, []


def test_a_dataset_may_have_no_scans(tmp_path: Path) -> None:
    for kind in ("good", "cut"):
        (tmp_path / "test" / kind).mkdir(parents=True)
        Image.new("RGB", (5, 4), (1, 2, 3)).save(tmp_path / "test" / kind / f"{kind}.png")
    (tmp_path / "gt").mkdir()
    Image.new("L", (5, 4), 255).save(tmp_path / "gt" / "cut.png")
    test = Pictures(tmp_path, split="test")
    good, cut = test
    assert good.xyz is None and good.shape == (4, 5) and not good.mask.any() and cut.mask.all()
    assert good.path.endswith("good.png") and cut.rgb[0, 0].tolist() == [1, 2, 3]
    assert test.mask(0).shape == (4, 5) and not test.mask(0).any() and test.mask(1).all()


def test_splits_are_named_once() -> None:
    assert SPLITS == ("train", "validation", "test")


@pytest.mark.parametrize("name", ["xyz/000.tiff", "rgb/000.png", "gt/000.png", "camera"])
def test_a_digest_is_of_all_files_and_of_the_camera(tree: Path, name: str) -> None:
    def digest() -> str:
        return open_dataset("mvtec3d", tree, category="bagel", split="test").digest()

    before = digest()
    assert digest() == before and before.startswith("files ")
    if name == "camera":
        path = tree / "bagel" / "calibration" / "camera_parameters.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "focus": 0.02}))
    else:
        path = tree / "bagel" / "test" / "dent" / name
        shutil.copyfile(path.with_stem("001"), path)
    assert digest() != before


def test_a_copy_with_its_old_time_is_another_file(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "copy")
    path = tmp_path / "copy/bagel/test/dent/rgb/000.png"
    digests, facts = [], path.stat()
    for more in (b"", b"more"):
        path.write_bytes(path.read_bytes() + more)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        digests.append(open_dataset("mvtec3d", tmp_path / "copy", category="bagel", split="test").digest())
    assert digests[0] != digests[1]
