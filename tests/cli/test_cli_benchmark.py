"""The thesis's benchmark from the command line: every row on simulated scans, failures, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geoad.cli import build_parser
from geoad.cli_benchmark import list_cells
from geoad.cli_benchmark_report import report
from geoad.data.sim3d import make_sim3d
from geoad.data.sim3d.plan import Counts, Size
from geoad.evaluation.thesis_3d import LIMITS, ROWS
from tests.cli.said import assert_one_line
from tests.trees import make_tree

QUICK = ("--methods", "depth-vm,voxel-vm", "--size-preset", "tiny")


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One simulated category of 96 pixels."""
    root = tmp_path_factory.mktemp("sim3d")
    return make_sim3d(root, categories=["dowel"], size=Size(96, Counts(4, 1, 2, 4)))


def rows_of(out: Path) -> list[dict]:
    return json.loads((out / "metrics.json").read_text())["rows"]


def test_every_row_runs_and_the_second_time_nothing_is_measured(geoad, scans: Path, tmp_path: Path) -> None:
    words = ("benchmark", "thesis-3d", "--data", f"sim3d:{scans}", "--out", tmp_path, "--size-preset", "tiny")
    said = geoad(*words)
    assert said.code == 0, said.err
    rows = rows_of(tmp_path)
    assert {(row["method"], row["source"]) for row in rows} == {(row.name, row.source) for row in ROWS.values()}
    assert {row["limit"] for row in rows if row["metric"] == "au_pro"} == set(LIMITS)
    assert all(0 <= row["value"] <= 1 for row in rows)
    assert "tiny: small networks" in said.out and "not comparable" in said.out
    assert (tmp_path / "limits.png").is_file() and (tmp_path / "report.txt").read_text() in said.out
    assert said.out.count("Voxel GAN > Depth GAN") == 2 and "pair by pair" in said.out
    pictures = {path.parts[-4] for path in tmp_path.rglob("reconstruction.png")}
    assert pictures == {key for key, row in ROWS.items() if row.trained and key != "3d-st"}
    cells = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cell.json")}
    assert geoad(*words).code == 0 and rows_of(tmp_path) == rows
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cell.json")} == cells


def test_a_failed_cell_stops_no_other_and_the_command_fails(geoad, tmp_path: Path) -> None:
    root = make_tree(tmp_path / "tree", categories=("bagel", "rope"), kinds=("good", "dent"), test=1)
    for path in (root / "bagel").rglob("rgb/*.png"):
        path.unlink()
    words = ("benchmark", "thesis-3d", "--data", f"mvtec3d:{root}", "--out", tmp_path / "out")
    said = geoad(*words, "--methods", "depth-vm-rgb,depth-vm", "--size-preset", "tiny")
    assert_one_line(said, "depth-vm-rgb bagel seed 0: train/good/000 must have rgb for source 'depth+rgb', it has none")
    measured = [(row["category"], row["source"]) for row in rows_of(tmp_path / "out") if row["limit"] == 0.3]
    assert measured == [("bagel", "3D"), ("rope", "3D+RGB"), ("rope", "3D")]
    lines = [line.split() for line in said.out.splitlines()]
    assert ["Depth", "VM", "3D+RGB", "thesis", "0.388", "0.268", "0.328"] in lines
    assert any(line[:4] == ["Depth", "VM", "3D+RGB", "mvtec3d"] and line[-3] == line[-1] == "-" for line in lines)
    assert "failed: depth-vm-rgb bagel" in said.out and "not comparable" not in said.out


def test_processes_side_by_side_give_the_same_numbers(geoad, scans: Path, tmp_path: Path) -> None:
    words = ("benchmark", "thesis-3d", "--data", f"sim3d:{scans}", *QUICK, "--keep-maps")
    values = []
    for jobs in (1, 2):
        said = geoad(*words, "--out", tmp_path / str(jobs), "--jobs", jobs)
        assert said.code == 0, said.err
        values.append(
            [(row["key"], row["metric"], row["limit"], row["value"]) for row in rows_of(tmp_path / str(jobs))]
        )
    assert values[0] == values[1]
    assert len(list((tmp_path / "2").rglob("maps/dowel/test/*/*.tiff"))) == 2 * 6


def cells_of(root: Path, *words: str) -> list[str]:
    arguments = build_parser().parse_args(["benchmark", "thesis-3d", "--data", f"mvtec3d:{root}", "--out", "x", *words])
    return [cell.name for cell in list_cells(arguments)]


def test_cells_are_methods_by_categories_by_seeds(tmp_path: Path) -> None:
    root = make_tree(tmp_path, categories=("bagel", "rope"), train=1, test=1, kinds=("good",))
    assert len(cells_of(root)) == 2 * len(ROWS)
    named = cells_of(root, "--methods", "depth-vm,depth-ae", "--categories", "rope", "--seeds", "0,4")
    assert named == ["depth-vm rope seed 0", "depth-ae rope seed 0", "depth-ae rope seed 4"]
    words = ("--categories", "rope", "--methods", "depth-vm,depth-ae,depth-ae-rgb", "--latents", "128,512")
    assert cells_of(root, *words)[3:] == ["depth-ae-128 rope seed 0"]  # 512 is the table's


def test_the_report_holds_means_over_seeds_and_latent_dimensions(tmp_path: Path) -> None:
    rows = []
    for key, latent, values in (("depth-ae", 512, (0.2, 0.4)), ("depth-ae-128", 128, (0.1, 0.1))):
        for seed, value in enumerate(values):
            row = {"key": key, "method": "Depth AE", "source": "3D", "dataset": "mvtec3d", "category": "bagel"}
            row |= {"seed": seed, "params": {"latent": latent}, "cpu_s": 2.0, "resumed": bool(seed)}
            rows += [{**row, "metric": "au_pro", "limit": 0.3, "value": value}]
            rows += [{**row, "metric": "image_auroc", "limit": None, "value": 2 * value}]
    lines = [line.split() for line in report(tmp_path, rows, "full: as it was").splitlines()]
    assert lines[0][:4] == ["mvtec3d,", "seeds", "0,", "1;"] and lines[1] == ["full:", "as", "it", "was"]
    assert ["Depth", "AE", "3D", "mvtec3d", "0.300", "0.300"] in lines  # AU-PRO
    assert ["Depth", "AE", "3D", "thesis", "0.147", "0.147"] in lines
    assert ["Depth", "AE", "3D", "mvtec3d", "0.600", "0.600"] in lines  # image AUROC
    assert ["Depth", "AE", "mvtec3d", "0.100", "0.300"] in lines and [
        "Depth",
        "AE",
        "thesis",
        "0.199",
        "0.203",
    ] in lines
    assert ["Depth", "AE", "3D", "2.000"] in lines


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--methods", "voxel-gan"), "unknown method 'voxel-gan'"),
        (("--categories", "bread"), "unknown category 'bread'"),
        (("--seeds", "0,x"), "must be a whole number"),
        (("--latents", "0"), "must be whole numbers"),
    ],
)
def test_wrong_words(geoad, tree: Path, tmp_path: Path, words: tuple[str, str], error: str) -> None:
    said = geoad("benchmark", "thesis-3d", "--data", f"mvtec3d:{tree}", "--out", tmp_path, *words)
    assert_one_line(said, error, code=2)
