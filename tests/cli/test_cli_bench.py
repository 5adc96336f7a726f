"""`geoad bench`: tables, files, words that are wrong, answers that are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geoad.bench.contest import Outcome
from geoad.cli import bench as cli_bench
from geoad.ops import knn_numba
from tests.cli.said import assert_one_line

FIELDS = {"kernel", "backend", "case", "n", "k", "median_s", "min_s", "cpu_s", "peak_bytes", "equal_to_reference"}
MORE = {"spread_s", "kernel_s", "repeats", "device", "threads", "own", "recall", "error", "note", "clock"}
RATIOS = {"best_peer", "ratio_to_best_peer"}
WORDS = ("bench", "knn", "--k", "4", "--repeats", "2")


def test_a_table_a_file_and_a_picture(geoad, tmp_path: Path) -> None:
    own_and_peers = ("--backends", "numba,pykdtree-morton,scipy")
    words = (*WORDS, "--sizes", "100,200", "--cases", "cube,scan", *own_and_peers, "--out", tmp_path / "new")
    said = geoad(*words)
    assert said.code == 0, said
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"knn.json", "knn.png"}
    content = json.loads((tmp_path / "new" / "knn.json").read_text())
    assert {"machine", "commit", "versions", "command", "rows", "absent", "peak_bytes"} == set(content)
    assert content["command"] == "geoad " + " ".join(map(str, words))
    assert all(set(row) == FIELDS | MORE | RATIOS for row in content["rows"])
    assert {(row["case"], row["n"]) for row in content["rows"]} == {
        ("cube", 100), ("cube", 200), ("scan", 100), ("scan", 200),
    }  # fmt: skip
    assert {"numba", "pykdtree-morton", "scipy"} == {row["backend"] for row in content["rows"]}
    assert (tmp_path / "new" / "knn.png").read_bytes()[1:4] == b"PNG"
    words_of_table = ("knn on cpu, 1 thread", "median ms", "times as fast as", "pykdtree-morton", "ratio")
    assert not [word for word in words_of_table if word not in said.out]


def test_a_missing_peer_is_named(geoad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch_cluster", None)
    said = geoad(*WORDS, "--sizes", "64", "--cases", "cube", "--backends", "numba,torch-cluster", "--out", tmp_path)
    assert said.code == 0 and "not run: torch-cluster (cube 64): not installed: torch_cluster" in said.out
    absent = json.loads((tmp_path / "knn.json").read_text())["absent"]
    assert [(row["backend"], row["reason"]) for row in absent] == [("torch-cluster", "not installed: torch_cluster")]


def test_what_was_measured_is_kept_where_nothing_is_measured_now(geoad, tmp_path: Path) -> None:
    where = ("--sizes", "64", "--cases", "cube", "--out", tmp_path)
    assert geoad(*WORDS, *where, "--backends", "numba").code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert_one_line(geoad(*WORDS, *where, "--backends", "cuda"), "nothing was measured")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_wrong_backend_is_exit_code_1_and_has_no_time(geoad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = knn_numba.search

    def search(*arguments: Any) -> Any:
        index, sq_dist = right(*arguments)
        return index[:, ::-1].copy(), sq_dist

    monkeypatch.setattr(knn_numba, "search", search)
    said = geoad(*WORDS, "--sizes", "64", "--cases", "cube", "--backends", "numba,scipy", "--out", tmp_path)
    assert_one_line(said, "knn cube 64: numba: 64 of 64 rows are not the reference's")
    rows = {row["backend"]: row for row in json.loads((tmp_path / "knn.json").read_text())["rows"]}
    assert rows["numba"]["median_s"] is None and not rows["numba"]["equal_to_reference"]
    assert rows["scipy"]["median_s"] > 0


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("bench", "knnn"), ("unknown kernel 'knnn' (did you mean 'knn'?)",)),
        (("bench", "knn", "--cases", "sphare"), ("unknown case 'sphare' (did you mean 'sphere'?)",)),
        (("bench", "knn", "--backends", "nunba"), ("unknown backend 'nunba' (did you mean 'numba'?)",)),
        (("bench", "knn", "--sizes", "64q"), ("4096,64k,1M",)),
        (("bench",), ("KERNEL",)),
    ],
)
def test_a_wrong_word_is_one_line(geoad, tmp_path: Path, words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert_one_line(geoad(*words, "--out", tmp_path / "new"), *parts, code=2)
    assert not (tmp_path / "new").exists()


def test_nothing_to_measure_is_an_error(geoad, tmp_path: Path) -> None:
    words = (*WORDS, "--sizes", "20k", "--cases", "cube", "--backends", "torch", "--out", tmp_path)
    assert_one_line(geoad(*words), "nothing was measured")


def test_an_interrupt_prints_what_there_is_and_writes_nothing(
    geoad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = cli_bench.hold, []

    def hold(*arguments: Any, **options: Any) -> Outcome:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(cli_bench, "hold", hold)
    said = geoad(*WORDS, "--sizes", "64", "--backends", "numba", "--out", tmp_path)
    assert said.code == 130 and said.err == "geoad: interrupted\n"
    assert "scan" in said.out and "numba" in said.out
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_and_rich_there_is_no_picture_and_no_bar(
    geoad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    monkeypatch.setattr("geoad.training.progress.find_spec", lambda name: None)
    said = geoad(*WORDS, "--sizes", "64", "--cases", "cube", "--backends", "numba", "--out", tmp_path)
    assert said.code == 0 and "no picture: matplotlib is needed to draw benchmarks: pip install matplotlib" in said.out
    assert [path.name for path in tmp_path.iterdir()] == ["knn.json"]
