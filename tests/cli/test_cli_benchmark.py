"""The thesis's benchmark from the command line: every row on simulated scans, failures, and what it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from geoad.cli import benchmark as cli_benchmark
from geoad.cli.arguments import UsageError
from geoad.cli.benchmark_cells import list_cells
from geoad.cli.parser import build_parser
from geoad.data.sim3d import make_sim3d
from geoad.data.sim3d.plan import Counts, Size
from geoad.evaluation.thesis_3d import LIMITS, METHODS
from tests.cli.naps import die_at_one
from tests.cli.said import assert_one_line
from tests.conftest import ROOT
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
    assert {(row["method"], row["source"]) for row in rows} == {(each.name, each.source) for each in METHODS.values()}
    assert {row["limit"] for row in rows if row["metric"] == "au_pro"} == set(LIMITS)
    assert all(0 <= row["value"] <= 1 for row in rows)
    assert "tiny: small networks" in said.out and "not comparable" in said.out
    assert (tmp_path / "limits.png").is_file() and (tmp_path / "report.txt").read_text() in said.out
    assert said.out.count("Voxel GAN > Depth GAN") == 2 and "pair by pair" in said.out
    pictures = {path.parts[-4] for path in tmp_path.rglob("reconstruction.png")}
    assert pictures == {key for key, method in METHODS.items() if method.trained and key != "3d-st"}
    cells = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cell.json")}
    assert geoad(*words).code == 0 and rows_of(tmp_path) == rows
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cell.json")} == cells


def test_a_failed_cell_stops_no_other_and_the_command_fails(geoad, tmp_path: Path) -> None:
    root = make_tree(tmp_path / "tree", categories=("bagel", "rope"), kinds=("good", "dent"), test=1)
    for path in (root / "bagel").rglob("rgb/*.png"):
        path.unlink()
    words = ("benchmark", "thesis-3d", "--data", f"mvtec3d:{root}", "--out", tmp_path / "out")
    said = geoad(*words, "--methods", "depth-vm-rgb,depth-vm", "--size-preset", "tiny")
    missing = root / "bagel/train/good/xyz/000.tiff"
    assert_one_line(said, f"depth-vm-rgb bagel seed 0: {missing} must have rgb for source 'depth+rgb', it has none")
    measured = [(row["category"], row["source"]) for row in rows_of(tmp_path / "out") if row["limit"] == 0.3]
    assert measured == [("bagel", "3D"), ("rope", "3D"), ("rope", "3D+RGB")]
    lines = [line.split() for line in said.out.splitlines()]
    assert ["Depth", "VM", "3D+RGB", "thesis", "0.388", "0.268", "0.268"] in lines  # the mean is over rope, ours too
    assert any(line[:5] == ["Depth", "VM", "3D+RGB", "mvtec3d", "-"] and line[5] == line[6] for line in lines)
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
    assert len(cells_of(root)) == 2 * len(METHODS)
    named = cells_of(root, "--methods", "depth-vm,depth-ae", "--categories", "rope", "--seeds", "0,4")
    assert named == ["depth-vm rope seed 0", "depth-ae rope seed 0", "depth-ae rope seed 4"]
    words = ("--categories", "rope", "--methods", "depth-vm,depth-ae,depth-ae-rgb", "--latents", "128,512")
    assert cells_of(root, *words)[3:] == ["depth-ae-128 rope seed 0"]  # 512 is the table's


def test_no_cell_is_asked_for_twice(tmp_path: Path) -> None:
    root = make_tree(tmp_path, categories=("bagel", "rope"), train=1, test=1, kinds=("good",))
    words = ("--methods", "depth-ae,depth-ae", "--category", "rope,rope", "--seeds", "1,1", "--latents", "8,8")
    assert cells_of(root, *words) == ["depth-ae rope seed 1", "depth-ae-8 rope seed 1"]


def test_methods_with_latent_dimensions_are_those_that_help_and_error_name(geoad, tmp_path: Path) -> None:
    root = make_tree(tmp_path, categories=("rope",), train=1, test=1, kinds=("good",))
    sized = [name.split("-8 ")[0] for name in cells_of(root, "--latents", "8") if "-8 " in name]
    assert sized == ["voxel-fanogan", "voxel-ae", "depth-fanogan", "depth-ae"]
    told = "".join(geoad("benchmark", "--help").out.split())  # lines break at hyphens too
    assert "latentdimensionsofvoxel-ae,voxel-fanogan,depth-aeanddepth-fanogan(" in told
    with pytest.raises(UsageError, match=f"--latents is of {', '.join(sized)}, and"):
        cells_of(root, "--methods", "3d-st,voxel-vae,depth-ae-rgb", "--latents", "8")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tmp_path_factory.mktemp("two"), categories=("bagel", "rope"), train=2, test=1)


def words_of(tree: Path, out: Path, *words: str, size: str = "tiny") -> tuple[object, ...]:
    return ("benchmark", "thesis-3d", "--data", f"mvtec3d:{tree}", "--out", out, "--size-preset", size, *words)


def test_a_later_command_adds_its_cells_to_the_tables(geoad, two: Path, tmp_path: Path) -> None:
    assert geoad(*words_of(two, tmp_path, "--methods", "voxel-vm", "--categories", "bagel,rope")).code == 0
    said = geoad(*words_of(two, tmp_path, "--methods", "depth-vm", "--categories", "rope"))
    assert said.code == 0, said.err
    found = {(row["key"], row["category"]) for row in rows_of(tmp_path)}
    assert found == {("voxel-vm", "bagel"), ("voxel-vm", "rope"), ("depth-vm", "rope")}
    assert list(dict.fromkeys(row["key"] for row in rows_of(tmp_path))) == ["voxel-vm", "depth-vm"]
    assert "means leave out what some lack: bagel" in said.out and "cells of 1 commit: " in said.out
    assert all(row["machine"] and row["commit"] for row in rows_of(tmp_path))
    refused = geoad(*words_of(two, tmp_path, "--methods", "depth-ae", size="small"))
    assert_one_line(refused, tmp_path, 'size = "tiny" there, "small" now', "choose a new folder")
    assert {(row["key"], row["category"]) for row in rows_of(tmp_path)} == found
    assert (tmp_path / "report.txt").read_text() in said.out


def test_results_of_others_are_not_replaced(geoad, two: Path, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("mine")
    assert_one_line(geoad(*words_of(two, tmp_path)), tmp_path, "holds metrics.json", "choose an empty or a new one")
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
    assert (tmp_path / "metrics.json").read_text() == "mine"


def test_an_interrupted_command_leaves_the_tables_of_what_is_finished(
    geoad, two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_cell = cli_benchmark.run_cell

    def interrupted(cell, *arguments, **options):
        if cell.category == "rope":
            raise KeyboardInterrupt
        return run_cell(cell, *arguments, **options)

    monkeypatch.setattr(cli_benchmark, "run_cell", interrupted)
    said = geoad(*words_of(two, tmp_path, "--methods", "depth-vm"))
    assert said.code == 130 and "interrupted" in said.err
    assert {row["category"] for row in rows_of(tmp_path)} == {"bagel"}
    assert (tmp_path / "report.txt").read_text() in said.out


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_process_that_dies_takes_no_other_cell_along(jobs: int) -> None:
    outcomes = list(cli_benchmark.in_processes(range(7), jobs, die_at_one))
    expected = {cell: cli_benchmark.DIED if cell == 1 else f"did {cell}" for cell in range(7)}
    assert len(outcomes) == 7 and dict(outcomes) == expected


def test_a_process_that_dies_while_nobody_waits_ends_nothing() -> None:
    outcomes = {}
    for cell, outcome in cli_benchmark.in_processes(range(5), 2, die_at_one):
        outcomes[cell] = outcome
        time.sleep(1 if cell == 0 else 0)  # the process of cell 1 dies meanwhile
    assert outcomes == {cell: cli_benchmark.DIED if cell == 1 else f"did {cell}" for cell in range(5)}


def nap_in(folder: Path, grace: float) -> subprocess.Popen[bytes]:
    """Begin naps in a session of their own, and wait for the first two."""
    command = [sys.executable, "-m", "tests.cli.naps", str(folder), str(grace)]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL)
    while sum(path.read_text() != "" for path in folder.iterdir()) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    return process


def test_a_second_interrupt_waits_for_nobody(tmp_path: Path) -> None:
    process = nap_in(tmp_path, grace=50)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(1)
    process.wait(timeout=20)


def test_an_interrupt_counts_when_the_cell_fails(
    geoad, two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def failing(cell, *arguments, **options):
        measured.append(cell.category)
        signal.raise_signal(signal.SIGINT)
        raise ValueError("no such scan")

    monkeypatch.setattr(cli_benchmark, "run_cell", failing)
    said = geoad(*words_of(two, tmp_path, "--methods", "depth-vm"))
    assert said.code == 130 and len(measured) == 1
    assert "stopped, and depth-vm bagel seed 0: no such scan: the same command goes on" in said.err


def test_an_interrupt_begins_no_further_cell(tmp_path: Path) -> None:
    process = nap_in(tmp_path, grace=0.5)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=50)  # shorter than one nap
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}


def test_no_process_outlives_a_command_that_was_killed(tmp_path: Path) -> None:
    process = nap_in(tmp_path, grace=0.5)
    process.kill()
    process.wait()
    end = time.monotonic() + 30  # shorter than one nap
    while any(is_alive(int(path.read_text())) for path in tmp_path.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_latent_dimensions_from_end_to_end(geoad, two: Path, tmp_path: Path) -> None:
    words = ("--methods", "depth-ae", "--categories", "bagel", "--latents", "3,5", "--precision", "bf16-mixed")
    said = geoad(*words_of(two, tmp_path, *words))
    assert said.code == 0, said.err
    latents = {row["key"]: row["params"]["latent"] for row in rows_of(tmp_path)}
    assert latents["depth-ae-3"] == 3 and latents["depth-ae-5"] == 5 and len(set(latents.values())) == 3
    text = said.out.partition("by latent dimension (table 9.5)")[2].splitlines()[1:]
    assert set(text[0].split()[1:]) == {str(latent) for latent in latents.values()}
    assert text[2].split()[:3] == ["Depth", "AE", "mvtec3d"] and "-" not in text[2].split()
    assert {row["precision"] for row in rows_of(tmp_path)} == {"bf16-mixed"} and "trained in bf16-mixed" in said.out


def test_a_damaged_cell_is_named_and_the_others_are_in_the_tables(geoad, two: Path, tmp_path: Path) -> None:
    words = words_of(two, tmp_path, "--methods", "depth-vm")
    assert geoad(*words).code == 0
    (tmp_path / "cells" / "depth-vm" / "bagel" / "seed-0" / "cell.json").write_text("[]")
    said = geoad(*words)
    assert_one_line(said, "depth-vm bagel seed 0", "cell.json: not the results of a cell", "remove it")
    assert {row["category"] for row in rows_of(tmp_path)} == {"rope"} and said.out.count("failed: ") == 1
    elsewhere = geoad(*words, "--categories", "rope")
    assert elsewhere.code == 1 and "failed: " in elsewhere.out and "bagel" in elsewhere.out


def test_maps_that_cannot_be_had_any_more(geoad, two: Path, tmp_path: Path) -> None:
    words = words_of(two, tmp_path, "--methods", "depth-vm")
    assert geoad(*words).code == 0
    said = geoad(*words, "--keep-maps")
    assert said.code == 0 and said.err.startswith("geoad: warning: ") and said.err.count("\n") == 1
    assert "depth-vm/bagel/seed-0 and 1 more were finished without --keep-maps" in said.err


def test_a_folder_without_data(geoad, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    said = geoad(*words_of(tmp_path / "scans", tmp_path / "out"))
    assert_one_line(said, tmp_path / "scans", "no such folder, or none in it")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--methods", "voxel-gan"), "unknown method 'voxel-gan'"),
        (("--categories", "bread"), "unknown category 'bread'"),
        (("--seeds", "0,x"), "must be a whole number"),
        (("--latents", "0"), "must be whole numbers"),
        (("--latents", "8", "--methods", "voxel-vm"), "--methods has none of them"),
        (("--categories", ","), "no category is named"),
        (("--methods", ","), "no method is named"),
        (("--categorie-names", "bagel"), "see geoad benchmark --help"),
    ],
)
def test_wrong_words(geoad, tree: Path, tmp_path: Path, words: tuple[str, ...], error: str) -> None:
    said = geoad("benchmark", "thesis-3d", "--data", f"mvtec3d:{tree}", "--out", tmp_path, *words)
    assert_one_line(said, error, code=2)


def test_cells_of_small_have_their_iterations_in_common(tmp_path: Path) -> None:
    def config(*words: str) -> dict:
        fixed = ["benchmark", "thesis-3d", "--data", f"mvtec3d:{tmp_path}", "--out", "x"]
        return cli_benchmark._config(build_parser().parse_args([*fixed, *words]))

    assert config() == config("--iterations", "500") != config("--iterations", "7")
    assert config("--size-preset", "tiny") == config("--size-preset", "tiny", "--iterations", "7")
