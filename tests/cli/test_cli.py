"""Every command on small trees: what it prints and writes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from safetensors.torch import load_file

from geoad import __version__
from geoad._lock import locked
from geoad.cli import main
from geoad.cli.score import _scans
from geoad.data import open_dataset
from geoad.data.sim3d.plan import SIZES
from geoad.descriptors.teacher import WEIGHTS, Teacher, shipped_teachers
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.detectors.voxels.variation_model import VoxelVariationModel
from geoad.evaluation import Run, read_map
from geoad.metrics.sizes import MODES
from geoad.nn.local_features import LocalFeatures
from geoad.training.trainer import PRECISIONS
from tests.cli.said import SMALL, assert_one_line
from tests.conftest import ROOT


def test_fit_score_and_evaluate_all_categories(geoad, tree: Path, tmp_path: Path) -> None:
    data = ("--data", f"mvtec3d:{tree}")
    fitted = geoad("fit", "voxel-vm", *data, "--out", tmp_path / "runs", *SMALL)
    assert fitted.code == 0 and fitted.out.count("voxel-vm") == 2
    for category in ("bagel", "rope"):
        files = {path.name for path in (tmp_path / "runs" / category).iterdir()}
        assert files == {"config.json", "environment.json", "checkpoint.safetensors", "threshold.json", "log"}
    config = json.loads((tmp_path / "runs" / "rope" / "config.json").read_text())
    assert (config["detector"], config["category"], config["params"]["resolution"]) == ("voxel-vm", "rope", 8)

    scored = geoad("score", tmp_path / "runs", *data, "--out", tmp_path / "maps")
    assert scored.code == 0 and scored.out.count("maps in") == 2
    maps = sorted(path.relative_to(tmp_path / "maps").as_posix() for path in (tmp_path / "maps").rglob("*.tiff"))
    assert len(maps) == 12 and "bagel/test/dent/000.tiff" in maps and "rope/test/good/001.tiff" in maps
    pixels = tifffile.imread(tmp_path / "maps" / maps[0])
    assert pixels.dtype == np.float32 and pixels.shape == (48, 64) and np.isfinite(pixels).all()
    assert all((tmp_path / "maps" / name).with_suffix(".png").is_file() for name in maps)

    words = ("evaluate", tmp_path / "maps", *data, "--limits", "0.05,0.3", "--out", tmp_path / "results")
    evaluated = geoad(*words)
    assert evaluated.code == 0
    words_of_table = ("au_pro@0.05", "au_pro@0.3", "bagel", "rope", "mean")
    assert not [word for word in words_of_table if word not in evaluated.out]
    results = json.loads((tmp_path / "results" / "metrics.json").read_text())
    assert results["command"] == "geoad " + " ".join(map(str, words))
    assert {row["category"] for row in results["rows"]} == {"bagel", "rope", "mean"}
    lines = (tmp_path / "results" / "metrics.csv").read_text().splitlines()
    assert len(lines) == len(results["rows"]) + 1


def test_a_finished_run_is_not_trained_again(geoad, tree: Path, trained: Path) -> None:
    before = (trained / "checkpoint.safetensors").stat().st_mtime_ns
    again = geoad("fit", "voxel-vm", "--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", trained, *SMALL)
    assert again.code == 0 and "trained already" in again.out
    assert (trained / "checkpoint.safetensors").stat().st_mtime_ns == before


def test_two_devices_make_the_same_model(geoad, tree: Path, trained: Path, tmp_path: Path) -> None:
    words = ["voxel-vm", "--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path / "run", *SMALL]
    assert geoad("fit", *words, "--device", "cpu", "--devices", "2").code == 0
    one, two = (load_file(folder / "checkpoint.safetensors") for folder in (trained, tmp_path / "run"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    assert_one_line(geoad("fit", *words, "--devices", "0"), "--devices: must be a whole number, at least 1", code=2)


def test_a_run_knows_its_category(geoad, tree: Path, trained: Path, tmp_path: Path) -> None:
    assert geoad("score", trained, "--data", f"mvtec3d:{tree}", "--out", tmp_path).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bagel"]


def test_scans_by_name_one_json_line_each(geoad, tree: Path, trained: Path, tmp_path: Path) -> None:
    good, bad = shutil.copy(tree / "bagel/test/dent/xyz/000.tiff", tmp_path), tmp_path / "bad.tiff"
    bad.write_text("no scan")
    said = geoad("score", trained, good, bad, "--out", tmp_path / "maps", "--jsonl")
    warned, _, error = said.err.partition("\n")
    assert warned.startswith(f"geoad: warning: {good} has no camera")  # as it lies in no dataset
    assert_one_line(said._replace(err=error), bad, "not a readable tiff")
    first, second = map(json.loads, said.out.splitlines())
    assert first["path"] == str(good) and first["error"] is None and first["score"] > 0 and first["latency"] > 0
    assert Path(first["map"]) == tmp_path / "maps" / "000.tiff"
    assert second["path"] == str(bad) and second["score"] is None and str(bad) in second["error"]
    assert set(first) == set(second) == {"path", "score", "verdict", "threshold", "latency", "map", "error", "warnings"}
    assert second["warnings"] == [] and len(first["warnings"]) == 1 and first["warnings"][0] in said.err
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == [
        ".lock",
        "000.mask.png",
        "000.png",
        "000.tiff",
        "scores.json",
    ]


def test_files_may_stand_behind_the_options(geoad, tree: Path, trained: Path, tmp_path: Path) -> None:
    scan = tree / "bagel/test/dent/xyz/000.tiff"
    assert geoad("score", trained, "--out", tmp_path / "maps", scan).code == 0
    assert (tmp_path / "maps" / "000.tiff").exists()
    said = geoad("score", trained, scan, "--out", tmp_path / "other", "--verdict")
    assert_one_line(said, "unrecognized arguments: --verdict", code=2)
    assert_one_line(geoad("list", "bagels"), "unrecognized arguments: bagels", code=2)


def test_a_folder_of_own_scans(geoad, tree: Path, tmp_path: Path) -> None:
    parts, new = tmp_path / "parts", tmp_path / "new"
    shutil.copytree(tree / "bagel/train/good/xyz", parts)
    shutil.copytree(tree / "bagel/test/dent", new, ignore=shutil.ignore_patterns("gt"))
    assert geoad("fit", "voxel-vm", "--data", f"folder:{parts}", "--out", tmp_path / "run", *SMALL).code == 0
    said = geoad("score", tmp_path / "run", new, "--out", tmp_path / "maps")
    assert said.code == 0 and len(said.out.splitlines()) == 2
    assert tifffile.imread(tmp_path / "maps" / "001.tiff").shape == (48, 64)


def test_maps_that_geoad_did_not_make(geoad, tree: Path, tmp_path: Path) -> None:
    for mask in (tree / "bagel" / "test").rglob("gt/*.png"):
        path = tmp_path / "theirs" / "bagel" / "test" / mask.parent.parent.name / f"{mask.stem}.tiff"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, (np.asarray(Image.open(mask)) > 0).astype(np.float32))
    for scan in (tree / "bagel" / "test" / "good" / "xyz").iterdir():
        path = tmp_path / "theirs" / "bagel" / "test" / "good" / scan.name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, np.zeros((48, 64), np.float32))
    data = ("--data", f"mvtec3d:{tree}", "--category", "bagel")
    said = geoad("evaluate", tmp_path / "theirs", *data, "--out", tmp_path / "results")
    assert said.code == 0
    rows = json.loads((tmp_path / "results" / "metrics.json").read_text())["rows"]
    assert {row["value"] for row in rows if row["metric"] != "au_iou"} == {1.0}  # even a perfect map's IoU falls
    assert {row["method"] for row in rows} == {"theirs"}


def test_data_make_and_check(geoad, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr("geoad.cli.make.make_sim3d", lambda root, **rest: made.append(rest) or root)
    words = ("--categories", "bagel,foam", "rope", "--seed", "3", "--jobs", "2", "--scale", "0.5")
    assert geoad("data", "make", "sim3d", copy, *words).code == 0
    assert made[0] | {"progress": None} == {
        "categories": ["bagel", "foam", "rope"], "size": "tiny", "scale": 0.5, "seed": 3, "jobs": 2, "progress": None,
    }  # fmt: skip
    whole = geoad("data", "check", f"mvtec3d:{copy}")
    assert whole.code == 0 and "no faults" in whole.out
    (copy / "bagel/train/good/xyz/000.tiff").write_text("no scan")
    (copy / "rope/test/dent/gt/000.png").unlink()
    said = geoad("data", "check", f"mvtec3d:{copy}")
    assert said.code == 1 and "2 faults" in said.out
    assert "bagel/train/good/xyz/000.tiff: not a readable tiff" in said.out and "rope/test/dent/gt/000.png" in said.out


def test_the_parser_knows_what_the_libraries_know(geoad) -> None:
    assert "{" + ",".join(SIZES) + "}" in geoad("data", "make", "--help").out
    assert "{" + ",".join(PRECISIONS) + "}" in geoad("fit", "--help").out
    assert "{maximum,quantile,k-sigma,max-area}" in geoad("fit", "--help").out
    assert "{" + ",".join(MODES) + "}" in geoad("evaluate", "--help").out


def test_pretrain_makes_a_teacher_that_fit_takes(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("--width", "8", "--steps", "2", "--scenes", "1", "--validation-scenes", "1", "--points", "300")
    said = geoad("pretrain", "--out", tmp_path / "teacher", *words)
    assert said.code == 0 and "3d-st-8.safetensors" in said.out
    teacher = tmp_path / "teacher" / "3d-st-8.safetensors"
    assert "geoad pretrain" in teacher.with_suffix(".md").read_text()
    settings = [f"--set={word}" for word in (f"teacher={teacher}", "points=200", "k=8", "steps=2")]
    data = ("--data", f"mvtec3d:{tree}", "--category", "bagel")
    assert geoad("fit", "3d-st", *data, "--out", tmp_path / "run", *settings).code == 0


def test_list_and_info(geoad) -> None:
    said = geoad("list")
    assert said.code == 0
    assert [word in said.out for word in ("3d-st", "voxel-vm", "mvtec3d", "folder", "3d-st-64")] == [True] * 5
    said = geoad("info")
    assert said.code == 0 and __version__ in said.out
    assert [line.split()[-1] for line in said.out.splitlines() if line.startswith("knn ") and "numba" in line] == [
        "live"
    ]


def test_list_says_what_datasets_and_teachers_are(geoad) -> None:
    said = geoad("list").out
    lines = {line.split()[0]: line.partition("  ")[2].strip() for line in said.splitlines() if line}
    assert "`geoad evaluate` alone" in lines["mvtec-loco"]
    for name in ("folder", "mvtec3d", "sim3d", "mvtec-loco"):
        assert (ROOT / "datasets" / f"{name.replace('-', '_')}.md").exists() and lines[name]
    default = signature(StudentTeacher3D).parameters["teacher"].default
    for name in shipped_teachers():
        card = (WEIGHTS / f"{name}.md").read_text()
        width, steps = (re.search(rf"--{word} (\d+)", card)[1] for word in ("width", "steps"))
        optimizer = "Muon" if "optimizer=muon" in card else "Adam"
        assert f"{width} descriptors" in lines[name]
        assert f"{int(steps):,} steps of {optimizer}".replace(",", " ") in lines[name]
        assert lines[name].endswith("; the default") == (name == default)


def test_help_says_what_a_command_without_category_takes(geoad) -> None:
    fit, score = (" ".join(geoad(command, "--help").out.split()) for command in ("fit", "score"))
    assert "(default: every one, each in RUN/<category>)" in fit
    assert "(default: every one; of a run fitted to one, that one)" in score
    assert "k: 1024, M: a million" in " ".join(geoad("bench", "--help").out.split())


def test_a_killed_fit_goes_on_to_the_same_weights(tree: Path, tmp_path: Path) -> None:
    Teacher(LocalFeatures(8, 1), k=8).save(tmp_path / "teacher.safetensors")
    settings = [f"teacher={tmp_path / 'teacher.safetensors'}", "points=100", "k=8", "steps=600"]
    words = ["fit", "3d-st", "--data", f"mvtec3d:{tree}", "--category", "bagel", "--checkpoint-every", "50"]
    words += [f"--set={setting}" for setting in settings]
    command = [sys.executable, "-m", "geoad", *words, "--out", str(tmp_path / "killed")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    log = tmp_path / "killed" / "log"
    while process.poll() is None and not (log.exists() and re.search(r'"student", "step": \d{3}', log.read_text())):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was done before it could be killed"
    process.stderr.close()
    assert not (tmp_path / "killed" / "checkpoint.safetensors").exists()
    teacher = (tmp_path / "teacher.safetensors").rename(tmp_path / "elsewhere.safetensors")  # the run has its own copy
    assert main([*words, "--out", str(tmp_path / "killed")]) == 0
    assert "resumed" in log.read_text()
    assert main([*words, "--out", str(tmp_path / "killed")]) == 0  # trained already
    teacher.rename(tmp_path / "teacher.safetensors")
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    killed, whole = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("killed", "whole"))
    assert killed.keys() == whole.keys() and len(whole) > 10
    assert all(torch.equal(killed[name], whole[name]) for name in whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_fit_at_a_step_that_is_kept(tree: Path, tmp_path: Path, number: signal.Signals) -> None:
    settings = ["--set=teacher=random", "--set=width=8", "--set=points=100", "--set=k=8", "--set=steps=100000"]
    words = ["fit", "3d-st", "--data", f"mvtec3d:{tree}", "--out", str(tmp_path / "runs"), *settings]
    log = tmp_path / "runs" / "bagel" / "log"
    with subprocess.Popen([sys.executable, "-m", "geoad", *words], stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 60
        while not (log.exists() and '"student"' in log.read_text()) and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    found = re.search(r"geoad: stopped in stage 'student' at step (\d+) of 100000: the same command goes on", err)
    saved = torch.load(log.with_name("training") / "checkpoint.pt", weights_only=True)
    assert found is not None and saved["step"] == int(found[1])
    assert not (tmp_path / "runs" / "rope").exists()  # the next category was not begun


def test_a_signal_counts_when_the_category_fails(
    geoad, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self, samples, **_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        raise ValueError("planted")

    monkeypatch.setattr("geoad.detectors.voxels.variation_model.VoxelVariationModel.fit", fails)
    said = geoad("fit", "voxel-vm", "--data", f"mvtec3d:{tree}", "--out", tmp_path / "runs", *SMALL)
    assert said.code == 130 and "voxel-vm bagel failed: planted" in said.err and not (tmp_path / "runs/rope").exists()


def test_a_run_of_other_scans_is_not_taken_for_this_one(geoad, copy: Path, tmp_path: Path) -> None:
    words = ("fit", "voxel-vm", "--data", f"mvtec3d:{copy}", "--category", "bagel", "--out", tmp_path / "run", *SMALL)
    assert geoad(*words).code == 0
    one, two = sorted((copy / "bagel" / "train" / "good" / "xyz").glob("*.tiff"))[-2:]
    os.utime(two)
    assert "trained already" in geoad(*words).out
    shutil.copyfile(one, two)  # as a person mends a scan, under its old name
    assert_one_line(geoad(*words), "run: scans were added, removed or changed since this run began: choose a new")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    del config["scans"]  # a run of before they were noted
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    assert "trained already" in geoad(*words).out


def test_a_preset_gives_keywords_that_set_overrides(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path / "run", "--preset", "tiny")
    small = ("--set", "steps=2", "--set", "points=64", "--set", "width=8", "--set", "teacher=random")
    assert geoad("fit", "3d-st", *words, *small).code == 0
    params = Run.open(tmp_path / "run").config["params"]
    assert params["k"] == StudentTeacher3D.tiny()["k"] and params["steps"] == 2 and params["points"] == 64


def test_epochs_stand_for_the_steps_of_a_preset(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path / "run", "--preset", "tiny")
    small = ("--set", "epochs=1", "--set", "points=64", "--set", "width=8", "--set", "teacher=random")
    assert geoad("fit", "3d-st", *words, *small, "--set", "rotate=true", "--set", "normalise=false").code == 0
    params = Run.open(tmp_path / "run").config["params"]
    assert (params["epochs"], params["steps"], params["rotate"], params["normalise"]) == (1, None, True, False)
    assert not any(path.suffix == ".pt" for path in (tmp_path / "run").iterdir())


def test_steps_stand_for_the_epochs_of_a_preset(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path / "run", "--preset", "thesis")
    small = ("--set", "steps=2", "--set", "points=64", "--set", "k=8", "--set", "width=8", "--set", "teacher=random")
    assert geoad("fit", "3d-st", *words, *small).code == 0
    params = Run.open(tmp_path / "run").config["params"]
    assert (params["epochs"], params["steps"], params["optimizer"], params["patch"]) == (None, 2, "adam", None)


def test_two_fits_do_not_meet_in_a_folder(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("fit", "depth-vm", "--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path / "run")
    assert geoad(*words).code == 0
    (tmp_path / "run" / "checkpoint.safetensors").unlink()
    with locked(tmp_path / "run" / "training"):
        assert_one_line(geoad(*words), "training is in use by another process")
    assert geoad(*words).code == 0 and not (tmp_path / "run" / "training").exists()


def test_a_fit_removes_what_a_killed_one_was_writing(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("fit", "depth-vm", "--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".1f.part").write_bytes(b"half")
    assert geoad(*words).code == 0 and not list((tmp_path / "run").glob("*.part"))


def test_a_network_is_drawn_while_it_is_fitted(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path / "run", "--preset", "tiny")
    assert geoad("fit", "depth-ae", *words, "--set", "steps=4").code == 0
    drawn = tmp_path / "run" / "reconstructions"
    assert [path.name for path in drawn.iterdir()] == ["autoencoder-0000004.png"]


def test_a_keyword_of_another_kind_is_one_line(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("fit", "3d-st", "--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path / "run")
    said = geoad(*words, "--set", "normalise=no")
    assert_one_line(said, "normalise must be True or False, got 'no'", code=2)
    assert not (tmp_path / "run").exists()


def test_a_network_is_fitted_and_drawn_on_several_devices(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path / "run", "--preset", "tiny")
    devices = ("--device", "cpu", "--devices", "2", "--set", "batch_size=2")
    assert geoad("fit", "depth-ae", *words, *devices, "--set", "steps=2").code == 0
    assert len(list((tmp_path / "run" / "reconstructions").iterdir())) == 1


def test_a_scan_that_has_changed_is_not_taken_for_the_old_one(geoad, copy: Path, tmp_path: Path) -> None:
    data = ("--data", f"mvtec3d:{copy}", "--category", "bagel")
    assert geoad("fit", "depth-vm", *data, "--out", tmp_path / "run").code == 0
    assert geoad("score", tmp_path / "run", *data, "--out", tmp_path / "maps").code == 0
    scan = copy / "bagel/test/dent/xyz/000.tiff"
    shutil.copyfile(copy / "bagel/test/good/xyz/000.tiff", scan)
    said = geoad("score", tmp_path / "run", *data, "--out", tmp_path / "maps")
    assert_one_line(said, "maps of another run or other scans")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_before_anything_is_made(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path / "run", "--device", "cuda")
    assert_one_line(geoad("fit", "3d-st", *words), "device 'cuda' needs a GPU and torch sees none")
    assert not (tmp_path / "run").exists()


def test_each_odd_file_is_warned_of(geoad, tree: Path, trained: Path, tmp_path: Path) -> None:
    files = [shutil.copy(tree / f"bagel/test/dent/xyz/{name}.tiff", tmp_path) for name in ("000", "001")]
    said = geoad("score", trained, *files, "--out", tmp_path / "maps")
    assert said.code == 0 and said.err.splitlines() == [
        f"geoad: warning: {file} has no camera: pixels get the scores of their own points alone" for file in files
    ]


def test_a_scan_of_a_dataset_has_its_camera_by_name_too(geoad, tree: Path, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(tree / "bagel" / "calibration", tmp_path / "flat" / "calibration")
    shutil.copy(tree / "bagel/test/dent/xyz/000.tiff", tmp_path / "flat")
    assert geoad("score", trained, "--data", f"mvtec3d:{tree}", "--out", tmp_path / "all").code == 0
    expected = read_map(tmp_path / "all/bagel/test/dent/000.tiff")
    (tmp_path / "flat" / "deeper").mkdir()
    alone = shutil.copy(tree / "bagel/test/dent/xyz/000.tiff", tmp_path / "flat" / "deeper")
    assert "has no camera" in geoad("score", trained, alone, "--out", tmp_path / "alone").err
    (tmp_path / "linked" / "test" / "dent").mkdir(parents=True)
    (link := tmp_path / "linked/test/dent/000.tiff").symlink_to(alone)
    shutil.copytree(tree / "bagel" / "calibration", tmp_path / "linked" / "calibration")
    shutil.rmtree(tmp_path / "flat" / "deeper")
    link.unlink()
    link.symlink_to(tree / "bagel/test/dent/xyz/000.tiff")
    for i, given in enumerate((tree / "bagel/test/dent/xyz/000.tiff", tmp_path / "flat", link)):
        said = geoad("score", trained, given, "--out", tmp_path / str(i))
        assert said.code == 0 and not said.err
        assert np.array_equal(read_map(tmp_path / str(i) / "000.tiff"), expected)


def test_maps_of_clouds_do_not_lie_among_them(geoad, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for seed in range(2):
        np.save(folder / f"{seed}.npy", np.random.default_rng(seed).random((300, 3)))
    words = ("--set", "points=100", "--set", "k=8")
    assert geoad("fit", "feature-bank", "--data", f"folder:{folder}", "--out", tmp_path / "run", *words).code == 0
    said = geoad("score", tmp_path / "run", folder, "--out", folder)
    assert_one_line(said, "holds scans of the dataset, and a map would be taken for one: choose another folder")
    assert sorted(path.name for path in folder.iterdir()) == ["0.npy", "1.npy"]


def test_a_folder_that_is_no_run(geoad, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "scans").mkdir()
    np.save(tmp_path / "scans" / "a.npy", np.random.default_rng(0).random((50, 3)))
    said = geoad("score", tmp_path / "empty", "--data", f"folder:{tmp_path / 'scans'}", "--out", tmp_path / "maps")
    assert_one_line(said, "is no run folder")


def test_a_run_of_other_validation_scans_is_not_taken_for_this_one(geoad, copy: Path, tmp_path: Path) -> None:
    words = ("fit", "voxel-vm", "--data", f"mvtec3d:{copy}", "--category", "bagel", "--out", tmp_path / "run", *SMALL)
    assert geoad(*words).code == 0
    scan = copy / "bagel/validation/good/xyz/000.tiff"
    scan.write_bytes(scan.read_bytes() + b" ")
    assert_one_line(geoad(*words), "run: scans were added, removed or changed since this run began")


def test_a_detector_is_validated_on_validation_scans(
    geoad, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, seen = VoxelVariationModel.fit, []

    def spied(self, samples, *, validation=None, trainer=None):
        seen.append([{entry.name.partition("/")[0] for entry in part.entries} for part in (samples, validation)])
        return fit(self, samples, validation=validation, trainer=trainer)

    monkeypatch.setattr(VoxelVariationModel, "fit", spied)
    words = ("fit", "voxel-vm", "--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path, *SMALL)
    assert geoad(*words).code == 0 and seen == [[{"train"}, {"validation"}]]


def test_colours_that_changed_are_other_scans(copy: Path) -> None:
    dataset = open_dataset("mvtec3d", copy, category="bagel", split="test")
    before, picture = _scans(dataset), next((copy / "bagel/test").rglob("rgb/*.png"))
    assert _scans(dataset) == before
    picture.write_bytes(picture.read_bytes() + b" ")
    after = _scans(dataset)
    assert after != before
    dataset.camera = None
    assert _scans(dataset) not in (before, after)
