"""Thresholds: fitted with the run, edited by a person, applied by `score`, tried by `evaluate`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from geoad.metrics import Threshold
from tests.cli.said import SMALL, assert_one_line


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


def test_score_applies_what_a_person_wrote(geoad, tree: Path, run: Path, tmp_path: Path) -> None:
    fitted = Threshold.load(run / "threshold.json")
    assert (fitted.kind, fitted.images, fitted.value) == ("maximum", 1, fitted.part_value)
    scan = tree / "bagel/test/dent/xyz/000.tiff"
    content = json.loads((run / "threshold.json").read_text())
    (run / "threshold.json").write_text(json.dumps({**content, "value": 0.5, "part_value": 1e-9}))
    said = geoad("score", run, scan, "--out", tmp_path / "maps", "--jsonl")
    line = json.loads(said.out)
    assert (line["verdict"], line["threshold"]) == ("defective", 1e-9)
    mask = np.asarray(Image.open(tmp_path / "maps" / "000.mask.png"))
    assert mask.dtype == np.uint8 and (mask == 255 * (tifffile.imread(tmp_path / "maps" / "000.tiff") > 0.5)).all()
    (run / "threshold.json").write_text(json.dumps({**content, "part_value": 1e9}))
    said = geoad("score", run, scan, "--out", tmp_path / "others")
    assert said.code == 0 and said.out.split()[1] == "good"


def test_a_split_is_counted_and_a_run_without_threshold_has_no_verdict(
    geoad, tree: Path, run: Path, tmp_path: Path
) -> None:
    data = ("--data", f"mvtec3d:{tree}")
    said = geoad("score", run, *data, "--out", tmp_path / "maps")
    assert said.code == 0 and "2 defective (above 0.7071, maximum)" in said.out
    assert (tmp_path / "maps/bagel/test/good/000.mask.png").is_file()
    (run / "threshold.json").unlink()
    said = geoad("score", run, *data, "--out", tmp_path / "bare", "--jsonl")
    assert {json.loads(line)["verdict"] for line in said.out.splitlines()} == {None}
    assert not list((tmp_path / "bare").rglob("*.mask.png"))
    again = geoad("fit", "voxel-vm", *data, "--category", "bagel", "--out", run, *SMALL, "--threshold", "max-area")
    assert again.code == 0 and Threshold.load(run / "threshold.json").kind == "max-area"


def test_evaluate_says_what_a_threshold_achieves(geoad, tree: Path, run: Path, tmp_path: Path) -> None:
    data = ("--data", f"mvtec3d:{tree}", "--category", "bagel")
    assert geoad("score", run, *data, "--out", tmp_path / "maps").code == 0
    words = ("evaluate", tmp_path / "maps", *data, "--out", tmp_path / "results")
    said = geoad(*words, "--threshold", run)
    assert said.code == 0 and "image_tpr" in said.out and "pixel_fpr" in said.out
    rows = json.loads((tmp_path / "results" / "metrics.json").read_text())["rows"]
    found = {row["metric"]: row["value"] for row in rows if row.get("threshold_kind") == "maximum"}
    assert found["image_tp"] + found["image_fn"] == 4 and found["image_fp"] + found["image_tn"] == 2
    good = [tifffile.imread(path).max() for path in (tmp_path / "maps/bagel/test/good").glob("*.tiff")]
    assert found["image_fp"] == sum(map(Threshold.load(run / "threshold.json").flags, good))
    (run / "threshold.json").write_text("{}")
    assert_one_line(geoad(*words, "--threshold", run), "threshold.json: 'value' must be a number, got null")
    assert_one_line(geoad("score", run, *data, "--out", tmp_path / "x"), "'value' must be a number")
    assert_one_line(geoad(*words, "--overwrite", "--threshold", tmp_path / "none"), "none: holds no threshold")


def test_good_scans_alone_give_a_threshold(geoad, tmp_path: Path) -> None:
    for i in range(10):
        (tmp_path / "parts").mkdir(exist_ok=True)
        np.save(tmp_path / "parts" / f"{i:02}.npy", np.random.default_rng(i).random((20, 20, 3)) + 0.1)
    words = ("fit", "depth-vm", "--data", f"folder:{tmp_path / 'parts'}", "--out")
    said = geoad(*words, tmp_path / "bare")
    assert said.code == 0 and "no threshold" in said.out and "--hold-out 0.2" in said.out
    said = geoad(*words, tmp_path / "run", "--hold-out", "0.2")
    assert said.code == 0 and "8 scans, 2 for validation" in said.out
    assert Threshold.load(tmp_path / "run" / "threshold.json").images == 2
    assert "trained already" in geoad(*words, tmp_path / "run", "--hold-out", "0.2").out
    assert_one_line(geoad(*words, tmp_path / "run"), "hold_out = 0.2 there, absent now")
    said = geoad("score", tmp_path / "run", tmp_path / "parts" / "09.npy", "--out", tmp_path / "maps", "--jsonl")
    assert json.loads(said.out)["verdict"] == "good"


@pytest.mark.parametrize("share", ["0", "1", "half"])
def test_a_share_is_a_part_of_a_whole(geoad, tree: Path, tmp_path: Path, share: str) -> None:
    words = ("fit", "depth-vm", "--data", f"mvtec3d:{tree}", "--out", tmp_path / "run", "--hold-out", share)
    assert_one_line(geoad(*words), "--hold-out: must be a number between 0 and 1", code=2)


def test_what_has_validation_scans_holds_out_none(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("fit", "depth-vm", "--data", f"mvtec3d:{tree}", "--out", tmp_path / "run", "--hold-out", "0.5")
    assert_one_line(geoad(*words), "--hold-out is for a dataset without validation scans", code=2)
    assert not (tmp_path / "run").exists()
