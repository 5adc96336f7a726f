"""Where results go: nobody's files are replaced, no dataset is written into, and a mended command goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from geoad.cli.terminating import terminated_as_interrupted
from tests.cli.said import SMALL, assert_one_line

PRETRAIN = ("--width", 8, "--steps", 1, "--scenes", 1, "--validation-scenes", 1, "--points", 60, "--set", "k=4")


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pretraining_needs_a_folder_of_its_own(geoad, copy: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "3d-st-8.md").write_text("mine")
    for folder, held in ((mine, "3d-st-8.md"), (copy, "bagel")):
        before = everything(folder)
        said = geoad("pretrain", "--out", folder, *PRETRAIN)
        assert_one_line(said, str(folder), f"is no run folder and holds {held}", "choose an empty or a new one")
        assert everything(folder) == before and not (folder / "scenes").exists()


def test_a_checkpoint_and_scenes_may_lie_in_the_folder(geoad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert geoad("pretrain", "--out", tmp_path / "first", *PRETRAIN).code == 0
    (tmp_path / "second").mkdir()
    shutil.copyfile(tmp_path / "first" / "checkpoint.pt", tmp_path / "second" / "mine.pt")
    shutil.copytree(tmp_path / "first" / "scenes", tmp_path / "second" / "data" / "scenes")
    monkeypatch.chdir(tmp_path)
    given = ("--continue-from", "second/mine.pt", "--scenes-folder", tmp_path / "second" / "data" / "scenes")
    assert geoad("pretrain", "--out", "second", *PRETRAIN, *given).code == 0


@pytest.mark.parametrize("below", ["", "test", "test/results", "gt"])
def test_a_category_is_no_place_for_results(geoad, copy: Path, trained: Path, tmp_path: Path, below: str) -> None:
    data = ("--data", f"mvtec3d:{copy}", "--category", "bagel")
    assert geoad("score", trained, *data, "--out", tmp_path / "maps").code == 0
    before = everything(copy)
    for words in (("evaluate", tmp_path / "maps"), ("score", trained)):
        if words[0] == "score" and not below:
            continue  # SCANS/bagel/bagel is none of its folders
        said = geoad(*words, *data, "--out", copy / "bagel" / below)
        assert_one_line(said, "is the dataset, or in it: choose another folder")
    assert everything(copy) == before
    for beside in ("results", "bagel/results"):
        assert geoad("evaluate", tmp_path / "maps", *data, "--out", copy / beside).code == 0


def test_splits_are_no_place_for_results_and_what_lies_beside_them_is(geoad, copy: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    for kind in ("train/good", "test/good"):
        shutil.copytree(copy / "bagel" / kind / "xyz", parts / kind)
    data = ("--data", f"folder:{parts}")
    assert geoad("fit", "voxel-vm", *data, "--out", parts / "run", *SMALL).code == 0
    for place in (parts, parts / "train", parts / "test" / "maps"):
        assert_one_line(geoad("score", parts / "run", *data, "--out", place), "is the dataset, or in it")
    assert geoad("score", parts / "run", *data, "--out", parts / "maps").code == 0


def test_a_link_to_nowhere_is_told_before_anything_is_read(geoad, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    said = geoad("evaluate", tmp_path / "no maps", "--data", f"mvtec3d:{tree}", "--out", tmp_path / "link")
    assert_one_line(said, "link: is a link to nowhere, where a folder is to be made")
    (tmp_path / "file").write_text("")
    for words in (("demo", "--out"), ("pretrain", *PRETRAIN, "--out"), ("data", "make", "sim3d")):
        assert_one_line(geoad(*words, tmp_path / "file"), "file")
        assert_one_line(geoad(*words, tmp_path / "file" / "below"), "file", "choose another place")


def test_an_empty_word_is_no_folder(geoad) -> None:
    for words in (("data", "make", "sim3d", ""), ("demo", "--out", ""), ("fit", "voxel-vm", "--out", "")):
        said = geoad(*words)
        assert said.code == 2 and "must name a folder, got an empty word" in said.err


def test_the_demo_needs_a_folder_of_its_own(geoad, tmp_path: Path) -> None:
    (tmp_path / "pictures.png").write_text("mine")
    (tmp_path / "logs").mkdir()  # as many a project has
    assert_one_line(geoad("demo", "--quick", "--out", tmp_path), "is no run folder and holds pictures.png")
    assert (tmp_path / "pictures.png").read_text() == "mine"


def test_a_demo_that_is_ended_leaves_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "geoad", "demo", "--quick", "--jobs", "1", "--out", str(tmp_path / "demo")]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    assert demo.stdout is not None and b"sim3d: data make" in demo.stdout.readline()
    time.sleep(0.3)
    demo.send_signal(signal.SIGTERM)
    _, said = demo.communicate(timeout=60)
    assert demo.returncode == 130 and b"geoad: interrupted" in said
    for _ in range(100):
        if not _group_lives(demo.pid):
            return
        time.sleep(0.1)
    os.killpg(demo.pid, signal.SIGKILL)
    pytest.fail("a process is left")


def test_a_command_that_is_ended_leaves_no_draft(tmp_path: Path) -> None:
    lines = (
        "import os, signal, sys",
        "from geoad._whole_file import write_whole",
        "from geoad.cli import main, score",
        "os.fsync = lambda file: signal.raise_signal(signal.SIGTERM)",
        "score.run = lambda arguments: write_whole(arguments.out + '/000.tiff', b'half')",
        "sys.exit(main(['score', 'run', '--out', sys.argv[1]]))",
    )
    ended = subprocess.run([sys.executable, "-c", "\n".join(lines), str(tmp_path)], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, b"geoad: interrupted\n")
    assert not list(tmp_path.iterdir())


def _group_lives(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_mended_command_goes_on_in_its_folder(geoad, copy: Path, tmp_path: Path) -> None:
    data, out = ("--data", f"mvtec3d:{copy}", "--category", "bagel"), tmp_path / "run"
    broken = copy / "bagel/train/good/xyz/001.tiff"
    kept = broken.read_bytes()
    broken.write_bytes(b"")
    assert_one_line(geoad("fit", "voxel-vm", *data, "--out", out, *SMALL), "001")
    broken.write_bytes(kept)  # another file, as to its time
    assert geoad("fit", "voxel-vm", *data, "--out", out, *SMALL).code == 0
    said = geoad("fit", "voxel-vm", *data, "--out", out, "--set", "floor=0.2", *SMALL)
    assert_one_line(said, "holds a run with another config", "params.floor = 0.05 there, 0.2 now")


def test_an_interrupted_training_keeps_its_config(geoad, copy: Path, tmp_path: Path) -> None:
    data, out = ("--data", f"mvtec3d:{copy}", "--category", "bagel"), tmp_path / "run"
    broken = copy / "bagel/train/good/xyz/001.tiff"
    broken.write_bytes(b"")
    assert geoad("fit", "voxel-vm", *data, "--out", out, *SMALL).code == 1
    (out / "training" / "checkpoint.pt").write_text("of somebody's hours")
    _rewrite(broken)
    said = geoad("fit", "voxel-vm", *data, "--out", out, *SMALL)
    assert_one_line(said, "scans were added, removed or changed since this run began")
    assert (out / "training" / "checkpoint.pt").exists()


def _rewrite(path: Path) -> None:
    tifffile.imwrite(path, np.ones((48, 64, 3), np.float32), photometric="minisblack")


def test_a_device_that_is_not_there_begins_no_benchmark(geoad, tree: Path, tmp_path: Path) -> None:
    words = ("benchmark", "thesis-3d", "--data", f"mvtec3d:{tree}", "--out", tmp_path / "out", "--methods", "depth-vm")
    assert geoad(*words, "--device", "cuda:99").code == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_of_runs_names_them(geoad, trained: Path, tree: Path, tmp_path: Path) -> None:
    scan = next((tree / "bagel/test/good/xyz").glob("*.tiff"))
    said = geoad("score", trained.parent, scan, "--out", tmp_path / "maps")
    assert_one_line(said, "is no run folder (no config.json): holds runs of bagel: give one of them")
    said = geoad("score", scan, trained, "--out", tmp_path / "maps")  # the other way round
    assert_one_line(said, f"{scan}: is no run folder")
    assert geoad("score").err.count("the following arguments are required: RUN, --out") == 1


def test_who_ignores_being_ended_goes_on() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with terminated_as_interrupted():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
