"""Wrong input: one line that names file and mend, an exit code that is not 0, nothing overwritten or half-written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from geoad.cli import main
from geoad.data.sim3d import CATEGORIES
from tests.cli.said import SMALL, assert_one_line, truncate


def _write(path: Path, xyz: np.ndarray) -> None:
    tifffile.imwrite(path, xyz, photometric="minisblack")


DAMAGE = {
    "truncated": (truncate, "not a readable tiff"),
    "not a tiff": (lambda path: path.write_text("hello"), "not a readable tiff"),
    "one channel": (lambda path: _write(path, np.ones((48, 64), np.float32)), "(H, W, 3)"),
    "two channels": (lambda path: _write(path, np.ones((48, 64, 2), np.float32)), "(H, W, 3)"),
    "four channels": (lambda path: _write(path, np.ones((48, 64, 4), np.float32)), "(H, W, 3)"),
    "uint8": (lambda path: _write(path, np.ones((48, 64, 3), np.uint8)), "float32 in metres, got uint8"),
    "no valid pixel": (lambda path: _write(path, np.zeros((48, 64, 3), np.float32)), "no valid pixel"),
    "other size than rgb": (lambda path: _write(path, np.ones((24, 64, 3), np.float32)), "24"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_scan(geoad, copy: Path, trained: Path, tmp_path: Path, what: str) -> None:
    damage, reason = DAMAGE[what]
    for scan in ("bagel/train/good/xyz/001.tiff", "bagel/test/good/xyz/001.tiff"):
        damage(copy / scan)
    data = ("--data", f"mvtec3d:{copy}", "--category", "bagel")
    said = geoad("fit", "voxel-vm", *data, "--out", tmp_path / "run", *SMALL)
    assert_one_line(said, "001", reason)
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()
    said = geoad("score", trained, *data, "--out", tmp_path / "maps")
    assert_one_line(said, "001", reason)
    assert not (tmp_path / "maps" / "bagel" / "test" / "good" / "001.tiff").exists()


def test_float64_and_nan_are_accepted(geoad, copy: Path, tmp_path: Path) -> None:
    path = copy / "bagel/train/good/xyz/001.tiff"
    xyz = tifffile.imread(path).astype(np.float64)
    xyz[:3] = np.nan
    xyz[4, 4] = np.inf
    _write(path, xyz)
    data = ("--data", f"mvtec3d:{copy}", "--category", "bagel")
    assert geoad("fit", "voxel-vm", *data, "--out", tmp_path / "run", *SMALL).code == 0
    said = geoad("data", "check", f"mvtec3d:{copy}", "--category", "bagel")
    assert said.code == 0 and "193 NaN or inf" in said.out


def test_a_scan_with_fewer_points_than_neighbours(geoad, copy: Path, tmp_path: Path) -> None:
    xyz = np.zeros((48, 64, 3), np.float32)
    xyz[0, :9] = 1
    _write(copy / "bagel/train/good/xyz/001.tiff", xyz)
    settings = ("--set", "points=64", "--set", "steps=1")
    said = geoad(
        "fit", "3d-st", "--data", f"mvtec3d:{copy}", "--category", "bagel", "--out", tmp_path / "run", *settings
    )
    assert_one_line(said, "001.tiff", "must have at least k + 1 = 33 valid points, got 9")


def test_a_scan_in_another_unit(geoad, copy: Path, tmp_path: Path) -> None:
    words = ("points=64", "k=8", "steps=1", "teacher=random", "width=8", "blocks=1")
    settings = [part for word in words for part in ("--set", word)]
    data = ("--data", f"mvtec3d:{copy}", "--category", "bagel")
    assert geoad("fit", "3d-st", *data, "--out", tmp_path / "run", *settings).code == 0
    paths = [copy / f"bagel/test/good/xyz/00{number}.tiff" for number in range(2)]
    for path in paths:
        _write(path, tifffile.imread(path) * np.float32(1000))
    said = geoad("score", tmp_path / "run", *paths, "--out", tmp_path / "maps")
    assert said.code == 0 and len(said.out.splitlines()) == 2
    for path, line in zip(paths, said.err.splitlines(), strict=True):
        assert line.startswith(f"geoad: warning: {path} has neighbours ") and line.endswith("against millimetres?")


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (None, "no mask"),
        (np.full((24, 64), 255, np.uint8), "24"),
        (np.full((48, 64, 3), 255, np.uint8), "gt/000.png"),
    ],
)
def test_a_wrong_mask(geoad, copy: Path, tmp_path: Path, mask: np.ndarray | None, reason: str) -> None:
    path = copy / "bagel/test/dent/gt/000.png"
    path.unlink()
    if mask is not None:
        Image.fromarray(mask).save(path)
    for kind in ("good", "dent", "hole"):
        (tmp_path / "maps/bagel/test" / kind).mkdir(parents=True)
        for stem in ("000", "001"):
            _write(tmp_path / "maps/bagel/test" / kind / f"{stem}.tiff", np.zeros((48, 64), np.float32))
    data = ("--data", f"mvtec3d:{copy}", "--category", "bagel")
    said = geoad("evaluate", tmp_path / "maps", *data, "--out", tmp_path / "results")
    assert_one_line(said, reason, "000")
    assert not (tmp_path / "results").exists()


def test_an_empty_train_folder(geoad, copy: Path, tmp_path: Path) -> None:
    shutil.rmtree(copy / "bagel/train/good/xyz")
    (copy / "bagel/train/good/xyz").mkdir()
    said = geoad("fit", "voxel-vm", "--data", f"mvtec3d:{copy}", "--category", "bagel", "--out", tmp_path / "run")
    assert_one_line(said, "bagel/train/good/xyz")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (("fit", "3d-ts"), 2, ("unknown detector '3d-ts'", "did you mean '3d-st'", "voxel-vm")),
        (("fit", "voxel-vm", "--set", "resolutoin=8"), 2, ("resolutoin", "did you mean 'resolution'", "floor")),
        (("fit", "voxel-vm", "--preset", "thesis"), 2, ("voxel-vm has no preset thesis, only tiny",)),
        (("fit", "voxel-vm", "--set", "resolution=-1"), 1, ("resolution",)),
        (("fit", "voxel-vm", "--category", "bagle"), 2, ("'bagle'", "did you mean 'bagel'", "bagel, rope")),
        (("fit", "voxel-vm", "--device", "tpux"), 2, ("'tpux'", "cuda:NUMBER")),
        (("fit", "voxel-vm", "--precision", "8"), 2, ("--precision", "32-true")),
    ],
)
def test_an_unknown_word(geoad, tree: Path, tmp_path: Path, words, code: int, parts) -> None:
    said = geoad(*words, "--data", f"mvtec3d:{tree}", "--out", tmp_path / "run")
    assert_one_line(said, *parts, code=code)
    assert not list(tmp_path.rglob("checkpoint*"))


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((), "COMMAND"),
        (("fti",), "'fti'"),
        (("fit", "voxel-vm", "--out", "run"), "--data"),
        (("fit", "voxel-vm", "--data", "nowhere", "--out", "run"), "NAME:ROOT"),
        (("fit", "voxel-vm", "--data", "mvtec:x", "--out", "run"), "did you mean 'mvtec3d'"),
        (("evaluate", "maps", "--data", "mvtec3d:x", "--out", "y", "--limits", "2"), "(0, 1]"),
        (("data", "make", "sim3d", "x", "--size", "huge"), "'huge'"),
        (("score", "run", "--out", "maps"), "--data NAME:ROOT or scans"),
    ],
)
def test_a_wrong_command(geoad, words, part: str) -> None:
    assert_one_line(geoad(*words), part, code=2)


@pytest.mark.parametrize("command", ["score", "evaluate", "check"])
def test_an_unknown_category(geoad, tree: Path, trained: Path, tmp_path: Path, command: str) -> None:
    data, out = f"mvtec3d:{tree}", tmp_path / "out"
    words = {
        "score": ("score", trained, "--data", data, "--out", out),
        "evaluate": ("evaluate", tmp_path, "--data", data, "--out", out),
        "check": ("data", "check", data),
    }[command]
    assert_one_line(geoad(*words, "--category", "bagle"), "'bagle' (did you mean 'bagel'?); known: bagel, rope", code=2)
    assert not out.exists()


@pytest.mark.parametrize("command", ["fit", "score", "evaluate"])
def test_a_dataset_that_is_not_there(geoad, trained: Path, tmp_path: Path, command: str) -> None:
    first = {"fit": "voxel-vm", "score": trained, "evaluate": tmp_path}[command]
    said = geoad(command, first, "--data", f"mvtec3d:{tmp_path / 'no'}", "--out", tmp_path / "out")
    assert_one_line(said, tmp_path / "no", "no such folder")
    assert not (tmp_path / "out").exists()


def test_unknown_category_of_the_simulator(geoad, tmp_path: Path) -> None:
    said = geoad("data", "make", "sim3d", tmp_path / "new", "--category", "bagle")
    assert_one_line(said, "bagle", *CATEGORIES, code=2)
    assert not (tmp_path / "new").exists()


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A run, to damage."""
    return shutil.copytree(trained, tmp_path / "run")


def _other_detector(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config |= {"detector": "3d-st", "params": {"points": 64}}
    (run / "config.json").write_text(json.dumps(config))


def _other_shapes(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["params"]["resolution"] = 16
    (run / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (_other_detector, ("checkpoint.safetensors", "'voxel-vm'", "'3d-st'")),
        (_other_shapes, ("checkpoint.safetensors",)),
        (lambda run: truncate(run / "checkpoint.safetensors"), ("checkpoint.safetensors", "truncated")),
        (lambda run: (run / "checkpoint.safetensors").unlink(), ("checkpoint.safetensors", "no such file")),
        (lambda run: (run / "config.json").unlink(), ("no config.json",)),
        (lambda run: (run / "config.json").write_text("{"), ("config.json", "JSON")),
    ],
)
def test_a_damaged_run(geoad, tree: Path, run: Path, tmp_path: Path, damage, parts) -> None:
    damage(run)
    data = ("--data", f"mvtec3d:{tree}", "--category", "bagel")
    said = geoad("score", run, *data, "--out", tmp_path / "maps")
    assert_one_line(said, run, *parts)
    assert not (tmp_path / "maps").exists()


def test_a_run_folder_with_another_config(geoad, tree: Path, run: Path) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    data = ("--data", f"mvtec3d:{tree}", "--category", "bagel")
    said = geoad("fit", "voxel-vm", *data, "--out", run, "--set", "resolution=16")
    assert_one_line(said, run, "resolution = 8 there, 16 now", "choose a new folder")
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


@pytest.mark.parametrize("command", ["fit", "score", "evaluate", "make", "pretrain"])
def test_an_output_folder_that_cannot_be_made(geoad, tree: Path, trained: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("in the way")
    out, data = tmp_path / "file" / "out", ("--data", f"mvtec3d:{tree}", "--category", "bagel")
    assert geoad("score", trained, *data, "--out", tmp_path / "maps").code == 0
    words = {
        "fit": ("fit", "voxel-vm", *data, "--out", out, *SMALL),
        "score": ("score", trained, *data, "--out", out),
        "evaluate": ("evaluate", tmp_path / "maps", *data, "--out", out),
        "make": ("data", "make", "sim3d", out, "--category", "bagel"),
        "pretrain": (
            "pretrain",
            "--out",
            out,
            "--width",
            "8",
            "--steps",
            "1",
            "--scenes",
            "1",
            "--validation-scenes",
            "1",
            "--points",
            "100",
        ),
    }[command]
    assert_one_line(geoad(*words), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "in the way"


def test_maps_are_not_replaced_unless_asked(geoad, tree: Path, trained: Path, tmp_path: Path) -> None:
    words = ("score", trained, "--data", f"mvtec3d:{tree}", "--out", tmp_path)
    files = ("score", trained, tree / "bagel/test/dent/xyz/000.tiff", "--out", tmp_path / "files")
    assert geoad(*words).code == 0 and geoad(*files).code == 0
    said = geoad(*words)
    assert said.code == 0 and "all of them there already" in said.out
    other = shutil.copytree(trained, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "params": {**config["params"], "smooth": 1.0}}))
    for again in (("score", other, *words[2:]), files):
        assert_one_line(geoad(*again), tmp_path, ".tiff")
        assert geoad(*again, "--overwrite").code == 0


def test_scans_are_never_replaced_by_maps(geoad, copy: Path, trained: Path) -> None:
    scan = copy / "bagel/test/dent/xyz/000.tiff"
    before = scan.read_bytes()
    said = geoad("score", trained, scan, "--out", scan.parent, "--overwrite")
    assert_one_line(said, scan, "is a file of the dataset: choose another folder")
    assert scan.read_bytes() == before


def test_maps_do_not_lie_among_scans_of_another_format(geoad, tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    for place in ("train/good/000", "train/good/001", "validation/good/000", "test/good/000", "test/bump/000"):
        (scans / place).parent.mkdir(parents=True, exist_ok=True)
        np.save(scans / f"{place}.npy", np.random.default_rng(0).random((20, 20, 3)) + 0.1)
    data = ("--data", f"folder:{scans}")
    assert geoad("fit", "depth-vm", *data, "--out", tmp_path / "run").code == 0
    before = sorted(scans.rglob("*"))
    said = geoad("score", tmp_path / "run", *data, "--out", scans, "--overwrite")
    assert_one_line(said, "scans: is the dataset, or in it: choose another folder")
    link = tmp_path / "link"
    link.mkdir()
    (link / "test").symlink_to(scans / "test")
    said = geoad("score", tmp_path / "run", *data, "--out", link)
    assert_one_line(said, "holds scans of the dataset, and a map would be taken for one: choose another folder")
    assert sorted(scans.rglob("*")) == before
    said = geoad("score", tmp_path / "run", scans / "test/bump/000.npy", "--out", scans / "test/bump")
    assert_one_line(said, "holds scans of the dataset, and a map would be taken for one: choose another folder")
    assert sorted(scans.rglob("*")) == before


def test_a_run_of_another_category_is_told(geoad, tree: Path, trained: Path, tmp_path: Path) -> None:
    said = geoad("score", trained, "--data", f"mvtec3d:{tree}", "--category", "rope", "--out", tmp_path)
    assert said.code == 0 and "was fitted to bagel, and scores rope" in said.err


def test_scans_whose_maps_would_have_one_name(geoad, tree: Path, trained: Path, tmp_path: Path) -> None:
    scans = [tree / "bagel/test" / kind / "xyz/000.tiff" for kind in ("dent", "hole")]
    said = geoad("score", trained, *scans, "--out", tmp_path / "maps")
    assert_one_line(said, *scans, code=2)
    assert not (tmp_path / "maps").exists()
    for name in ("part", "part.mask"):  # the mask of the one, the picture of the other
        shutil.copy(scans[0], tmp_path / f"{name}.tiff")
    said = geoad("score", trained, tmp_path / "part.tiff", tmp_path / "part.mask.tiff", "--out", tmp_path / "maps")
    assert_one_line(said, "part.mask.png: would be written of part and of part.mask: rename one of the two")


def test_a_name_that_is_no_utf8_is_a_name(geoad, trained: Path, tree: Path, tmp_path: Path) -> None:
    scans, name = tmp_path / "scans", os.fsdecode(b"T\xfcr.tiff")
    scans.mkdir()
    try:
        shutil.copy(tree / "bagel/test/good/xyz/000.tiff", scans / name)
    except OSError:
        pytest.skip("no such names on this file system")
    assert geoad("fit", "voxel-vm", "--data", f"folder:{scans}", "--out", tmp_path / "run", *SMALL).code == 0
    split = ("--data", f"folder:{scans}", "--split", "train")
    assert geoad("score", tmp_path / "run", *split, "--out", tmp_path / "maps").code == 0
    assert geoad("score", tmp_path / "run", scans, "--out", tmp_path / "more").code == 0
    assert (tmp_path / "maps/train/good" / name).exists() and (tmp_path / "more" / name).exists()


def test_a_split_without_scans_is_none_to_score(geoad, tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree / "bagel/train/good/xyz", tmp_path / "scans/train/good")
    data = ("--data", f"folder:{tmp_path / 'scans'}")
    assert geoad("fit", "voxel-vm", *data, "--out", tmp_path / "run", *SMALL).code == 0
    words = (*data, "--split", "validation", "--out", tmp_path / "maps")
    assert_one_line(geoad("score", tmp_path / "run", *words), "scans: holds no scan for validation")


def test_a_home_folder_behind_a_colon(geoad, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree))
    assert geoad("data", "check", "mvtec3d:~", "--category", "bagel").code == 0
    said = geoad("data", "check", "mvtec3d:~nobody/scans")
    assert said.code == 1 and "~nobody/scans: no such folder" in said.out + said.err


def test_one_category_that_fails_is_named_and_the_others_are_trained(geoad, copy: Path, tmp_path: Path) -> None:
    truncate(copy / "bagel/train/good/xyz/001.tiff")
    said = geoad("fit", "voxel-vm", "--data", f"mvtec3d:{copy}", "--out", tmp_path, *SMALL)
    assert_one_line(said, "bagel", "001.tiff")
    assert not (tmp_path / "bagel" / "checkpoint.safetensors").exists()
    assert (tmp_path / "rope" / "checkpoint.safetensors").exists()


def test_debug_shows_the_traceback(geoad, tmp_path: Path) -> None:
    said = geoad("fit", "voxel-vm", "--data", f"mvtec3d:{tmp_path / 'no'}", "--out", tmp_path / "run", "--debug")
    assert said.code == 1 and "Traceback" in said.err and said.err.splitlines()[-1].startswith("geoad: error: ")


def test_an_interrupt_is_one_line(geoad, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("geoad.cli.evaluate.MapFolder", interrupt)
    said = geoad("evaluate", tmp_path, "--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", tmp_path)
    assert (said.code, said.err.count("\n")) == (130, 1) and "interrupted" in said.err


def test_a_reader_who_leaves_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m geoad list | head -c 1 > {tmp_path / 'head'}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == "" and (tmp_path / "head").read_text() == "d"


@pytest.mark.parametrize("setting", ["source=none", "reduce=3", "project=true"])
def test_a_choice_that_is_no_text_is_named(geoad, tree: Path, tmp_path: Path, setting: str) -> None:
    said = geoad("fit", "voxel-vm", "--data", f"mvtec3d:{tree}", "--out", tmp_path / "run", "--set", setting)
    assert_one_line(said, setting.partition("=")[0])


def test_numbers_that_are_none(geoad, tree: Path, tmp_path: Path) -> None:
    for scale in ("inf", "nan", "0", "-1"):
        said = geoad("data", "make", "sim3d", tmp_path / "new", "--scale", scale)
        assert said.code == 2 and "must be a number above 0, such as 0.5" in said.err
    data = ("--data", f"mvtec3d:{tree}", "--out", tmp_path / "out")
    for latents in ("0", "1.5", "4k", ""):
        said = geoad("benchmark", "thesis-3d", *data, "--latents", latents)
        assert said.code == 2 and "must be whole numbers above 0 with commas between, such as 128,512" in said.err


def test_what_else_a_teacher_may_be_is_told(geoad, tree: Path, tmp_path: Path) -> None:
    said = geoad("fit", "3d-st", "--data", f"mvtec3d:{tree}", "--out", tmp_path / "run", "--set", f"teacher={tree}")
    assert_one_line(said, "unknown teacher", "or a .safetensors file, or package.module:function")


def test_without_a_standard_output_a_command_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as after >&-
    assert main(["list"]) == 0


def test_one_category_that_fails_is_named_and_the_others_are_scored(geoad, copy: Path, tmp_path: Path) -> None:
    data = ("--data", f"mvtec3d:{copy}")
    assert geoad("fit", "voxel-vm", *data, "--out", tmp_path / "runs", *SMALL).code == 0
    truncate(copy / "bagel/test/good/xyz/001.tiff")
    said = geoad("score", tmp_path / "runs", *data, "--out", tmp_path / "maps")
    assert_one_line(said, "bagel", "001.tiff")
    assert len(list((tmp_path / "maps" / "rope").rglob("*.tiff"))) == 6 and "rope: 6 maps in" in said.out
