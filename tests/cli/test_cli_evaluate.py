"""`geoad evaluate` on maps that were written by hand."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from geoad.cli.arguments import Data
from geoad.cli.own_results import digest_asked
from geoad.data.loco_regions import LocoTest
from geoad.evaluation import evaluate_loco
from geoad.evaluation.part_scores import write_scores
from geoad.evaluation.run import Run
from geoad.metrics import Threshold
from tests.cli.said import assert_one_line
from tests.data.test_loco_regions import root as loco  # noqa: F401


def write_maps(folder: Path, tree: Path, strength: float, seed: int = 0) -> Path:
    """Noise, and `strength` on the defects."""
    random = np.random.default_rng(seed)
    for scan in sorted(tree.glob("*/test/*/xyz/*.tiff")):
        category, _, kind = scan.relative_to(tree).parts[:3]
        mask = scan.parents[1] / "gt" / f"{scan.stem}.png"
        marked = np.asarray(Image.open(mask)) > 0 if mask.exists() else np.zeros((48, 64))
        path = folder / category / "test" / kind / scan.name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, (random.random((48, 64)) + strength * marked).astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def maps(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_maps(tmp_path_factory.mktemp("maps") / "ours", tree, 0.5)


def rows_of(folder: Path) -> list[dict]:
    return json.loads((folder / "metrics.json").read_text())["rows"]


def test_intervals_comparison_and_published_numbers(geoad, tree: Path, maps: Path, tmp_path: Path) -> None:
    other = write_maps(tmp_path / "theirs", tree, 0.2)
    words = ("evaluate", maps, "--data", f"mvtec3d:{tree}", "--out", tmp_path / "out")
    said = geoad(*words, "--bootstrap", 60, "--versus", other, "--against", "published")
    assert said.code == 0, said.err
    rows = rows_of(tmp_path / "out")
    intervals = [row for row in rows if row.get("low") is not None]
    assert {row["metric"] for row in intervals} >= {"au_pro", "au_iou", "pixel_ap", "image_auroc", "aupimo"}
    assert all(row["low"] <= row["value"] + 1e-3 and row["value"] <= row["high"] + 1e-3 for row in intervals)
    versus = rows_of(tmp_path / "out" / "versus")
    won = next(row for row in versus if (row["category"], row["metric"], row["limit"]) == ("rope", "au_pro", 0.3))
    assert (won["a"], won["b"]) == ("ours", "theirs") and won["low"] > 0 and won["p"] < 0.05
    assert all(row["value"] > 0.1 for row in versus if row["metric"] == "aupimo")
    assert "ours minus theirs" in said.out and "3D-ST-128" in said.out
    assert "means are not set beside each other: ours is of 2 categories, not of 10" in said.out
    assert "'community-224' (100 thresholds on maps and masks of 224x224): differs from ours" in said.out
    published = rows_of(tmp_path / "out" / "published")
    assert {row["category"] for row in published} == {"bagel", "rope"}
    assert sorted(path.name for path in (tmp_path / "out" / "curves").iterdir()) == ["bagel.png", "rope.png"]


def test_modes_are_printed_beside_their_numbers(geoad, tree: Path, maps: Path, tmp_path: Path) -> None:
    data, values = ("--data", f"mvtec3d:{tree}", "--category", "rope", "--limits", "0.1,0.3"), {}
    for mode in ("exact", "official", "community-224"):
        said = geoad("evaluate", maps, *data, "--mode", mode, "--out", tmp_path / mode, "--bootstrap", 9)
        assert said.code == 0 and (mode in said.out or mode == "exact")
        values |= {(mode, row["metric"]): row["value"] for row in rows_of(tmp_path / mode) if row["limit"] == 0.1}
        drawn = {row["metric"] for row in rows_of(tmp_path / mode) if row.get("low") is not None}
        assert "au_roc" in drawn and ("au_pro" in drawn) == (mode == "exact")
    assert values["official", "au_pro"] != values["exact", "au_pro"] != values["community-224", "au_pro"]
    assert values["official", "au_roc"] == values["exact", "au_roc"] != values["community-224", "au_roc"]


@pytest.mark.slow
def test_several_processes_give_the_same(geoad, tree: Path, maps: Path, tmp_path: Path) -> None:
    words = ("evaluate", maps, "--data", f"mvtec3d:{tree}", "--category", "rope", "--bootstrap", 20, "--resize")
    for jobs in ("1", "2"):
        assert geoad(*words, "--jobs", jobs, "--out", tmp_path / jobs).code == 0
    assert rows_of(tmp_path / "1") == rows_of(tmp_path / "2")


def test_simulated_scans_have_no_published_numbers(geoad, tree: Path, maps: Path, tmp_path: Path) -> None:
    data = ("--data", f"sim3d:{tree}", "--category", "rope")
    said = geoad("evaluate", maps, *data, "--against", "published", "--out", tmp_path)
    assert said.code == 0 and "not comparable: sim3d is simulated" in said.out
    assert not (tmp_path / "published").exists()


def test_maps_of_another_size_need_to_be_resized_by_name(geoad, tree: Path, maps: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    for path in maps.rglob("*.tiff"):
        target = small / path.relative_to(maps)
        target.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(target, tifffile.imread(path).reshape(24, 2, 32, 2).mean((1, 3)))
    words = ("evaluate", small, "--data", f"mvtec3d:{tree}", "--category", "rope", "--out", tmp_path / "out")
    assert_one_line(
        geoad(*words), "mask test/dent/000 must have the size of its map, (24, 32), got (48, 64)", "--resize"
    )
    said = geoad(*words, "--resize")
    assert said.code == 0, said.err
    rows = rows_of(tmp_path / "out")
    assert {row["resized"] for row in rows} == {True}
    assert next(row["value"] for row in rows if row["metric"] == "pixel_auroc") > 0.9


DAMAGE = {
    "1 map missing (test/dent/000)": lambda test: (test / "dent/000.tiff").unlink(),
    "1 map of no sample (test/dent/9)": lambda test: tifffile.imwrite(test / "dent/9.tiff", np.ones((48, 64))),
    "holds 3072 NaN": lambda test: tifffile.imwrite(test / "dent/000.tiff", np.full((48, 64), np.nan)),
    "6 maps missing": lambda test: [path.unlink() for path in test.rglob("*.tiff")],
}


@pytest.mark.parametrize("reason", DAMAGE)
def test_bad_maps(geoad, tree: Path, tmp_path: Path, reason: str) -> None:
    folder = write_maps(tmp_path / "maps", tree, 0.5)
    DAMAGE[reason](folder / "rope" / "test")
    words = ("evaluate", folder, "--data", f"mvtec3d:{tree}", "--category", "rope", "--out", tmp_path / "out")
    assert_one_line(geoad(*words), reason)
    assert not (tmp_path / "out").exists()


def test_constant_maps_have_the_values_of_chance(geoad, tree: Path, tmp_path: Path) -> None:
    folder = write_maps(tmp_path / "maps", tree, 0.5)
    for path in folder.rglob("*.tiff"):
        tifffile.imwrite(path, np.ones((48, 64), np.float32))
    words = ("evaluate", folder, "--data", f"mvtec3d:{tree}", "--category", "rope", "--out", tmp_path / "out")
    assert geoad(*words).code == 0
    values = {(row["metric"], row["limit"]): row["value"] for row in rows_of(tmp_path / "out")}
    assert values["au_pro", 0.3] == pytest.approx(0.15) and values["au_pro", 0.05] == pytest.approx(0.025)
    assert values["pixel_auroc", None] == values["image_auroc", None] == 0.5


def test_without_defective_parts_values_are_empty_and_a_warning_says_why(geoad, copy: Path, tmp_path: Path) -> None:
    folder = write_maps(tmp_path / "maps", copy, 0.5)
    for tree in (copy, folder):
        for path in sorted((tree / "rope" / "test").rglob("*"), reverse=True):
            if "good" not in path.parts:
                path.rmdir() if path.is_dir() else path.unlink()
    words = ("evaluate", folder, "--data", f"mvtec3d:{copy}", "--category", "rope", "--out", tmp_path / "out")
    said = geoad(*words)
    assert said.code == 0 and "geoad: warning: rope: no defective pixel in any mask" in said.err
    assert {row["value"] for row in rows_of(tmp_path / "out") if row["metric"] in ("au_pro", "image_auroc")} == {None}


def test_pixels_that_touch_at_a_corner_are_one_region_or_two(geoad, tmp_path: Path) -> None:
    for kind, corner in (("good", False), ("hole", True)):
        mask = np.zeros((8, 8), np.uint8)
        mask[1:5, 1:5] = 255 * corner
        mask[5, 5] = 255 * corner
        scores = (mask > 0).astype(np.float32)
        scores[5, 5] = 0  # the block is found, the pixel at its corner is not
        np.save(_made(tmp_path / "maps" / "test" / kind) / "000.npy", scores)
        np.save(_made(tmp_path / "scans" / "test" / kind) / "000.npy", np.ones((8, 8, 3), np.float32))
        Image.fromarray(mask).save(_made(tmp_path / "scans" / "gt" / kind) / "000.png")
    words = ("evaluate", tmp_path / "maps", "--data", f"folder:{tmp_path / 'scans'}", "--limits", "0.3")
    overlap = {}
    for connectivity in (4, 8):
        out = tmp_path / str(connectivity)
        said = geoad(*words, "--out", out, "--connectivity", connectivity)
        assert said.code == 0, said.err
        (area,) = (row for row in rows_of(out) if row["metric"] == "au_pro")
        overlap[connectivity] = area["value"]
        assert area["connectivity"] == connectivity
    # At rate 0 half of the regions, or 16 of 17 pixels of the only one; then ties on a straight line to all of it.
    for connectivity, found in ((4, 0.5), (8, 16 / 17)):
        assert overlap[connectivity] == pytest.approx(found + (1 - found) * 0.15, abs=1e-6)
    again = geoad(*words, "--out", tmp_path / "8", "--connectivity", 4)
    assert again.code == 1 and "another command" in again.err


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_saturated_overlap_of_both_kinds_and_their_mean(geoad, loco: Path, tmp_path: Path) -> None:  # noqa: F811
    folder = tmp_path / "ours" / "pushpins" / "test"
    marked = np.zeros((10, 12), np.float32)
    marked[1:3, 1:3] = 1  # the structural defect whole; of the logical ones four pixels of nine, which saturate
    for kind, stem in (("good", "000"), ("good", "001"), ("structural_anomalies", "000"), ("logical_anomalies", "000")):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        np.save(folder / kind / f"{stem}.npy", marked if kind != "good" else marked * 0)
    words = ("evaluate", tmp_path / "ours", "--data", f"mvtec-loco:{loco}", "--out", tmp_path / "out")
    said = geoad(*words, "--bootstrap", 20, "--against", "published")
    assert said.code == 0, said.err
    rows = {(row["subset"], row["metric"]): row for row in rows_of(tmp_path / "out")}
    # Two of the logical regions: one found, one not before all the rest, at a rate of 1.
    half = 0.5 + 0.5 * 0.05 / 2
    assert rows["structural", "au_spro"]["value"] == 1
    assert rows["logical", "au_spro"]["value"] == pytest.approx(half, abs=1e-12)
    assert rows["mean", "au_spro"]["value"] == pytest.approx((1 + half) / 2, abs=1e-12)
    assert rows["structural", "au_spro"]["low"] == 1 and rows["mean", "image_auroc"]["value"] == 1
    assert "GCAD" in said.out
    assert {row["image_score"] for row in rows_of(tmp_path / "out")} == {"maximum"}
    assert_one_line(geoad(*words, "--overwrite", "--mode", "official"), "saturated overlap is evaluated exactly")
    names = ("good/000", "good/001", "structural_anomalies/000", "logical_anomalies/000")
    write_scores(tmp_path / "ours" / "pushpins", {f"test/{name}": -i for i, name in enumerate(names)})
    assert geoad(*words, "--overwrite").code == 0
    rows = {(row["subset"], row["metric"]): row for row in rows_of(tmp_path / "out")}
    assert rows["mean", "image_auroc"]["value"] == 0 and rows["mean", "image_auroc"]["image_score"] == "own"


def test_results_of_another_command_are_not_replaced(geoad, tree: Path, maps: Path, tmp_path: Path) -> None:
    words = ("evaluate", maps, "--data", f"mvtec3d:{tree}", "--category", "rope", "--out", tmp_path / "out")
    assert geoad(*words).code == 0
    before = (tmp_path / "out" / "metrics.json").read_text()
    assert_one_line(geoad(*words, "--limits", "0.1"), "metrics.json: has the numbers of another command")
    assert (tmp_path / "out" / "metrics.json").read_text() == before
    assert geoad(*words, "--jobs", "1").code == 0  # the same again
    assert geoad(*words, "--limits", "0.1", "--overwrite").code == 0
    assert {row["limit"] for row in rows_of(tmp_path / "out") if row["metric"] == "au_pro"} == {0.1}
    assert geoad(*words, "--limits", "0.1").code == 0
    assert_one_line(geoad(*words), "metrics.json: has the numbers of another command")


def test_results_of_others_beside_them_are_not_removed(geoad, tree: Path, maps: Path, tmp_path: Path) -> None:
    words = ("evaluate", maps, "--data", f"mvtec3d:{tree}", "--category", "rope", "--out")
    assert geoad(*words, tmp_path / "out" / "versus").code == 0
    theirs = tmp_path / "out" / "published" / "metrics.csv"
    theirs.parent.mkdir()
    theirs.write_text("mine")
    assert geoad(*words, tmp_path / "out").code == 0
    assert len(rows_of(tmp_path / "out" / "versus")) == len(rows_of(tmp_path / "out"))
    assert geoad(*words, tmp_path / "out", "--overwrite", "--limits", "0.1").code == 0
    assert (tmp_path / "out" / "versus" / "metrics.json").exists()
    (tmp_path / "out" / "metrics.json").unlink()
    (tmp_path / "out" / "metrics.csv").unlink()
    assert_one_line(geoad(*words, tmp_path / "out", "--against", "published"), "published/metrics.csv: has the numbers")
    assert theirs.read_text() == "mine"
    assert_one_line(geoad(*words, theirs.parent), "published/metrics.csv: has the numbers of another command")


def test_the_same_words_elsewhere_are_another_command_and_defaults_the_same(
    geoad, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("evaluate", "maps", "--data", f"mvtec3d:{tree}", "--category", "rope", "--out", tmp_path / "out")
    for place in ("a", "b"):
        write_maps(tmp_path / place / "maps", tree, 0.5)
    monkeypatch.chdir(tmp_path / "a")
    assert geoad(*words).code == 0 == geoad(*words, "--limits", "0.05,0.3").code
    before = (tmp_path / "out" / "metrics.json").read_text()
    monkeypatch.chdir(tmp_path / "b")
    assert_one_line(geoad(*words), "metrics.json: has the numbers of another command")
    assert (tmp_path / "out" / "metrics.json").read_text() == before


def test_numbers_beside_are_those_of_the_main_ones_or_gone(geoad, tree: Path, maps: Path, tmp_path: Path) -> None:
    words = ("evaluate", maps, "--data", f"mvtec3d:{tree}", "--category", "rope", "--out", tmp_path)
    assert geoad(*words, "--against", "published").code == 0 and (tmp_path / "published" / "metrics.json").exists()
    assert geoad(*words, "--overwrite").code == 0 and not (tmp_path / "published" / "metrics.json").exists()


def test_maps_behind_links_are_found(geoad, tree: Path, maps: Path, tmp_path: Path) -> None:
    for kind in (maps / "rope" / "test").iterdir():
        link = tmp_path / "maps" / "rope" / "test" / kind.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(kind)
    (link.parent / "round").symlink_to(tmp_path / "maps")
    for one, other in (("a", "b"), ("b", "a")):  # links of links of links
        (tmp_path / one).mkdir()
        (tmp_path / one / "to").symlink_to(tmp_path / other)
        (link.parent / one).symlink_to(tmp_path / one)
    words = ("--data", f"mvtec3d:{tree}", "--category", "rope", "--out", tmp_path / "out")
    assert geoad("evaluate", tmp_path / "maps", *words).code == 0


def test_a_missing_threshold_is_found_first(
    geoad, tree: Path, maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geoad.cli.evaluate.evaluate_folder", lambda *_, **__: pytest.fail("computed"))
    Threshold.fit([np.ones((2, 2))], "maximum").save(tmp_path / "runs" / "bagel" / "threshold.json")
    words = ("evaluate", maps, "--data", f"mvtec3d:{tree}", "--threshold", tmp_path / "runs", "--out", tmp_path / "out")
    assert_one_line(geoad(*words), "runs: holds no threshold of rope")


def test_what_would_fail_at_the_end_is_found_before_anything_is_computed(
    geoad, tree: Path, maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geoad.cli.evaluate.evaluate_folder", lambda *_, **__: pytest.fail("computed"))
    bagel = tmp_path / "maps"
    shutil.copytree(maps / "bagel", bagel / "bagel")
    words = ("evaluate", "--data", f"mvtec3d:{tree}", "--out")
    assert_one_line(geoad(*words, tmp_path / "out", bagel), "rope: no such folder")
    assert_one_line(geoad(*words, tmp_path / "out", maps, "--versus", bagel), "rope: no such folder")
    (tmp_path / "file").write_text("mine")
    assert_one_line(geoad(*words, tmp_path / "file" / "out", maps), "file: is a file, where a folder is to be made")
    assert not (tmp_path / "out").exists()


def test_the_threshold_of_another_category_is_told(geoad, tree: Path, maps: Path, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {"detector": "voxel-vm", "category": "bagel"})
    Threshold.fit([np.ones((2, 2))], "maximum").save(run.threshold)
    words = ("evaluate", maps, "--data", f"mvtec3d:{tree}", "--threshold", run.folder)
    said = geoad(*words, "--out", tmp_path / "out")
    told = f"geoad: warning: {run.folder} was fitted to bagel, and its threshold is tried on rope\n"
    assert said.code == 0 and said.err == told
    assert geoad(*words, "--category", "bagel", "--out", tmp_path / "bagel").err == ""


def test_results_do_not_go_into_the_dataset(geoad, tree: Path, maps: Path) -> None:
    before = sorted(tree.rglob("*"))
    for place in (tree, tree / "bagel"):
        said = geoad("evaluate", maps, "--data", f"mvtec3d:{tree}", "--out", place)
        assert_one_line(said, f"{place}: is the dataset, or in it: choose another folder")
    assert sorted(tree.rglob("*")) == before


def test_maps_that_are_not_found_say_where_they_go(geoad, tree: Path, maps: Path, tmp_path: Path) -> None:
    words = ("--data", f"mvtec3d:{tree}", "--out", tmp_path)
    said = geoad("evaluate", maps / "bagel", *words)
    assert_one_line(
        said,
        f"there is {maps / 'bagel' / 'test'}: give the folder of the categories",
        "or give --category",
    )
    assert_one_line(geoad("evaluate", maps, *words, "--bootstrap", 1), "--bootstrap needs 2 draws or more", code=2)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "official"},
        {"connectivity": 4},
        {"resize": True},
        {"bootstrap": 9},
        {"versus": "b"},
        {"threshold": "a.json"},
        {"category": "rope"},
    ],
    ids=str,
)
def test_whatever_decides_the_numbers_makes_another_command(change: dict) -> None:
    asked = {"category": None, "limits": (0.3,), "mode": "exact", "connectivity": 8, "resize": False, "bootstrap": 0}
    asked |= {
        "against": None,
        "maps": "a",
        "versus": None,
        "threshold": None,
        "out": "results",
        "data": Data("folder", Path("parts")),
    }
    assert digest_asked(Namespace(**asked)) != digest_asked(Namespace(**{**asked, **change}))


def test_each_subset_has_the_scores_of_its_own_parts(loco: Path, tmp_path: Path) -> None:  # noqa: F811
    names = [entry.name for entry in LocoTest(loco, "pushpins").entries]  # two good, one structural, one logical
    for name in names:
        (tmp_path / "pushpins" / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "pushpins" / f"{name}.npy", np.zeros((10, 12)))
    write_scores(tmp_path / "pushpins", dict(zip(names, (1.0, 2.0, 0.0, 3.0), strict=True)))
    rows = [row for _, each in evaluate_loco(tmp_path, loco, "pushpins") for row in each.rows]
    found = {row["subset"]: row["value"] for row in rows if row["metric"] == "image_auroc"}
    assert found == {"structural": 0, "logical": 1, "mean": 0.5}


def test_an_interrupted_removal_is_finished_by_the_same_command(
    geoad, tree: Path, maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("evaluate", maps, "--data", f"mvtec3d:{tree}", "--category", "rope", "--out", tmp_path)
    assert geoad(*words, "--against", "published").code == 0
    remove, removed = Path.unlink, list[Path]()

    def once(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "published":
            removed.append(path)
            if len(removed) == 2:
                raise KeyboardInterrupt
        remove(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", once)
    assert geoad(*words, "--overwrite").code == 130
    monkeypatch.undo()
    assert geoad(*words, "--against", "published").code == 0
