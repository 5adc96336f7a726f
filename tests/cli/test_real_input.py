"""Scans as sensors write them, from the command line: real ones of one size, and a tree of MVTec 3D-AD's."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.trees import make_tree

FEW = ("--set=points=1500", "--set=steps=3")


def assert_map_and_picture(path: Path, shape: tuple[int, int]) -> None:
    pixels = tifffile.imread(path)
    assert pixels.shape == shape and pixels.dtype == np.float32 and np.isfinite(pixels).all() and np.ptp(pixels) > 0
    with Image.open(path.with_suffix(".png")) as picture:
        assert np.asarray(picture).std() > 10


@pytest.mark.data
def test_three_real_scans_teach_and_the_fourth_is_scored(geoad, shared_data: Path, tmp_path: Path) -> None:
    *known, new = sorted((shared_data / "organized_scans" / "xyz").glob("*.tiff"))
    assert len(known) == 3
    for scan in known:
        for path in (scan, scan.parent.parent / "rgb" / f"{scan.stem}.png"):
            (tmp_path / "parts" / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "parts" / path.parent.name)
    assert geoad("data", "check", f"folder:{tmp_path / 'parts'}").code == 0
    said = geoad("fit", "3d-st", "--data", f"folder:{tmp_path / 'parts'}", "--out", tmp_path / "run", *FEW)
    assert said.code == 0, said.err
    said = geoad("score", tmp_path / "run", new, "--out", tmp_path / "maps")
    assert said.code == 0, said.err
    assert_map_and_picture(tmp_path / "maps" / f"{new.stem}.tiff", (480, 640))


@pytest.mark.parametrize("detector", ["3d-st", "voxel-vm"])
def test_a_tree_of_mvtec_3d_ad_at_its_own_size(geoad, tmp_path: Path, detector: str) -> None:
    tree = make_tree(tmp_path / "tree", shape=(800, 800), train=2, test=1, kinds=("good", "hole"))
    data = ("--data", f"mvtec3d:{tree}", "--category", "bagel")
    said = geoad("fit", detector, *data, "--out", tmp_path / "run", *(FEW if detector == "3d-st" else ()))
    assert said.code == 0, said.err
    assert geoad("score", tmp_path / "run", *data, "--out", tmp_path / "maps").code == 0
    for kind in ("good", "hole"):
        assert_map_and_picture(tmp_path / "maps" / "bagel" / "test" / kind / "000.tiff", (800, 800))
    assert geoad("evaluate", tmp_path / "maps", *data, "--out", tmp_path / "results").code == 0
