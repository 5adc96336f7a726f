"""One cell of a benchmark: measured once, resumed, and never mixed with another."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from geoad._lock import locked
from geoad.cli.benchmark_report import report
from geoad.detectors.base import OddScan
from geoad.detectors.images.variation_model import DepthVariationModel
from geoad.evaluation import cell as module
from geoad.evaluation.cell import Cell, read_cell, run_cell
from geoad.evaluation.evaluate import evaluate_maps
from geoad.evaluation.run import Run
from geoad.training.stop import Stopped
from geoad.training.trainer import Trainer
from tests.trees import make_tree

FAST = {"size": 64, "width": 2, "latent": 4, "steps": 6, "batch_size": 2, "copies": 0}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tmp_path_factory.mktemp("tree"), test=1)


def cell_of(tree: Path, **changes: object) -> Cell:
    cell = Cell("depth-vm", "Depth VM", "3D", "depth-vm", {}, "mvtec3d", tree, "bagel", limits=(0.3, 1.0))
    return replace(cell, **changes)


def test_rows_are_those_of_the_maps(tree: Path, tmp_path: Path) -> None:
    cell = cell_of(tree, seed=3, facts={"size": "small"})
    rows = run_cell(cell, tmp_path, keep_maps=True)
    maps = cell.folder(tmp_path) / "maps"
    wanted = evaluate_maps(maps, cell.split("test"), category="bagel", limits=(0.3, 1.0))
    values = {(row["metric"], row["limit"]): row["value"] for row in wanted}
    assert [(row["metric"], row["limit"]) for row in rows] == [
        ("au_pro", 0.3), ("au_pro", 1.0), ("pixel_auroc", None), ("image_auroc", None),
    ]  # fmt: skip
    assert all(row["value"] == values[row["metric"], row["limit"]] for row in rows)
    facts = {
        "method": "Depth VM",
        "source": "3D",
        "dataset": "mvtec3d",
        "category": "bagel",
        "seed": 3,
        "size": "small",
    }
    assert all(facts.items() <= row.items() and row["cpu_s"] > 0 and not row["resumed"] for row in rows)
    written = json.loads((cell.folder(tmp_path) / "cell.json").read_text())
    made = {"machine": written["machine"], "commit": written["commit"]}
    assert [{**row, **made} for row in written["rows"]] == rows and {"versions", "config"} <= written.keys()
    assert rows[0]["params"]["floor"] == 1 / 255


def test_a_finished_cell_is_read(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cell_of(tree)
    assert read_cell(cell, tmp_path) is None
    rows = run_cell(cell, tmp_path)
    assert not (cell.folder(tmp_path) / "maps").exists()
    monkeypatch.setattr(module, "export_maps", lambda *_, **__: pytest.fail("scored again"))
    assert run_cell(cell, tmp_path) == rows == read_cell(cell, tmp_path)
    with pytest.raises(ValueError, match="holds a run with another config"):
        run_cell(replace(cell, params={"floor": 0.5}), tmp_path)
    for damaged in ("{}", "[]", "{"):
        (cell.folder(tmp_path) / "cell.json").write_text(damaged)
        with pytest.raises(ValueError, match=r"cell\.json: not the results of a cell"):
            run_cell(cell, tmp_path)


def test_what_a_killed_process_left_is_removed_and_kept_maps_are_not(tree: Path, tmp_path: Path) -> None:
    cell = cell_of(tree)
    run_cell(cell, tmp_path, keep_maps=True)
    (cell.folder(tmp_path) / "training" / "geoad-cache").mkdir(parents=True)
    run_cell(cell, tmp_path)
    assert not (cell.folder(tmp_path) / "training").exists() and any((cell.folder(tmp_path) / "maps").rglob("*.tiff"))


def test_what_was_odd_and_where_it_began_is_told_with_the_numbers(tree: Path, tmp_path: Path) -> None:
    bare = tmp_path / "tree"
    shutil.copytree(tree, bare)
    shutil.rmtree(bare / "bagel" / "calibration")
    for seed in (0, 1):  # a warning of each cell, not of the process
        rows = run_cell(cell_of(bare, key="voxel-vm", detector="voxel-vm", seed=seed), tmp_path)
        assert all("has no camera" in text for row in rows for text in row["warned"]) and "begun_at" not in rows[0]
    text = report(tmp_path, [{**row, "key": "voxel-vm"} for row in rows], "tiny: as it is")
    assert "warned of voxel-vm in 1 cell: " in text
    cell = cell_of(tree, seed=8)
    (Run.create(cell.folder(tmp_path), module._config(cell, DepthVariationModel())).folder / "warned.txt").write_text(
        "x"
    )
    assert "warned" not in run_cell(cell, tmp_path)[0]  # nothing went on
    cell = cell_of(tree, seed=7)
    Run.create(cell.folder(tmp_path), module._config(cell, DepthVariationModel()))
    environment = cell.folder(tmp_path) / "environment.json"
    environment.write_text(json.dumps({**json.loads(environment.read_text()), "commit": "c0ffee"}))
    trainer = Trainer(folder=cell.folder(tmp_path) / "training", seed=7)
    DepthVariationModel().fit(cell.split("train"), validation=cell.split("validation"), trainer=trainer)
    (cell.folder(tmp_path) / "warned.txt").write_text("training scan 1 has a stray point")  # before it was interrupted
    rows = run_cell(cell, tmp_path)
    assert {row["begun_at"] for row in rows} == {"c0ffee"} and rows[0]["warned"] == [
        "training scan 1 has a stray point"
    ]
    assert not (cell.folder(tmp_path) / "warned.txt").exists()


def test_what_was_odd_may_name_what_is_no_utf_8(tmp_path: Path) -> None:
    text = os.fsdecode(b"M\xfcnchen has no camera")
    for _ in range(2):  # a second time it is read
        with module._heard(tmp_path / "warned.txt") as told:
            warnings.warn(text, OddScan, stacklevel=1)
        assert told == [text]


def test_a_cell_is_measured_by_one_process_at_a_time(tree: Path, tmp_path: Path) -> None:
    cell = cell_of(tree)
    with locked(cell.folder(tmp_path)), pytest.raises(ValueError, match="seed-0 is in use by another process"):
        run_cell(cell, tmp_path)
    assert run_cell(cell, tmp_path)


def test_the_precision_is_that_of_the_training(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell, seen = cell_of(tree, precision="bf16-mixed"), []
    fit = DepthVariationModel.fit

    def spied(self, samples, *, validation=None, trainer=None):
        seen.append(trainer.precision)
        return fit(self, samples, validation=validation, trainer=trainer)

    monkeypatch.setattr(DepthVariationModel, "fit", spied)
    assert {row["precision"] for row in run_cell(cell, tmp_path)} == {"bf16-mixed"} and seen == ["bf16-mixed"]
    with pytest.raises(ValueError, match='precision = "bf16-mixed" there, "32-true" now'):
        run_cell(replace(cell, precision="32-true"), tmp_path)


def test_an_interrupted_training_goes_on(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cell_of(tree, key="depth-ae", detector="depth-ae", params=FAST)
    whole = run_cell(cell, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(module, "export_maps", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_cell(cell, tmp_path / "cut")
    assert (cell.folder(tmp_path / "cut") / "training" / "checkpoint.pt").exists()
    rows = run_cell(cell, tmp_path / "cut")
    assert [row["value"] for row in rows] == [row["value"] for row in whole]
    assert rows[0]["resumed"] and not whole[0]["resumed"]
    folder = cell.folder(tmp_path / "cut")
    assert (folder / "reconstruction.png").is_file() and not (folder / "training").exists()
    assert "autoencoder" in (folder / "log").read_text()
    assert [path.name for path in (folder / "reconstructions").iterdir()] == ["autoencoder-0000006.png"]


def test_a_number_that_is_none_is_null(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "tree", kinds=("good",))
    with pytest.warns(RuntimeWarning):
        rows = run_cell(cell_of(root), tmp_path / "out")
    assert {row["metric"]: row["value"] for row in rows}["au_pro"] is None


def test_a_dataset_without_categories(tree: Path, tmp_path: Path) -> None:
    cell = cell_of(tree / "bagel", category=None)
    assert cell.name == "depth-vm seed 0" and run_cell(cell, tmp_path)[0]["category"] is None
    assert (tmp_path / "cells" / "depth-vm" / "all" / "seed-0" / "cell.json").is_file()


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_scans_that_changed_are_not_taken_for_those_that_were_measured(tree: Path, tmp_path: Path, split: str) -> None:
    cell = cell_of(shutil.copytree(tree, tmp_path / "tree"))
    run_cell(cell, tmp_path / "out")
    mask_or_scan = next(iter((tmp_path / "tree" / "bagel" / split).rglob("gt/*.png" if split == "test" else "*.tiff")))
    mask_or_scan.write_bytes(mask_or_scan.read_bytes() + b" ")
    with pytest.raises(ValueError, match="scans were added, removed or changed since this run began: choose a new"):
        run_cell(cell, tmp_path / "out")


def test_a_cell_that_is_stopped_keeps_its_training(tree: Path, tmp_path: Path) -> None:
    cell, asked = cell_of(tree, key="depth-ae", detector="depth-ae", params=FAST), list[int]()

    def stop() -> bool:
        asked.append(0)
        return len(asked) == 6

    with pytest.raises(Stopped, match="stopped in stage"):
        run_cell(cell, tmp_path / "one", stop=stop)
    assert (cell.folder(tmp_path / "one") / "training" / "checkpoint.pt").is_file()
    rows, whole = run_cell(cell, tmp_path / "one"), run_cell(cell, tmp_path / "two")
    assert [row["value"] for row in rows] == [row["value"] for row in whole] and rows[0]["resumed"]
