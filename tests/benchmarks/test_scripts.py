"""The scripts under benchmarks/: their commands parse, the table of targets is the results'."""

from __future__ import annotations

import json
import shlex
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from geoad import cli

HERE = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(name, HERE / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_standard_runs_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = load("bench_kernels")
    given = {name: cli.build_parser().parse_args(["bench", *shlex.split(run)]) for name, run in kernels.RUNS.items()}
    assert all(arguments.out.startswith("benchmarks/results") for arguments in given.values())
    called: list[list[str]] = []
    monkeypatch.setattr(kernels, "main", lambda words: called.append(words) or len(called) - 1)
    assert kernels.run(["fill", "knn-large", "--repeats", "3"]) == 1
    assert [words[1:3] + words[-2:] for words in called] == [
        ["fill", "--patience", "--repeats", "3"],
        ["knn", "--sizes", "--repeats", "3"],
    ]
    assert kernels.run(["fil"]) == 2 and len(called) == 2
    assert kernels.run([]) == len(kernels.RUNS) + 1


def row(backend: str, seconds: float, **fields: object) -> dict[str, object]:
    same = {"n": 65_536, "k": 32, "clock": "cpu_s", "median_s": 9.0, "peak_bytes": 1000}
    return {"backend": backend, "cpu_s": seconds, **same, **fields}


def test_targets_are_read_from_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = load("targets")
    monkeypatch.setattr(targets, "RESULTS", tmp_path)
    assert {targets.line(target).split("|")[3].strip() for target in targets.targets()} == {"not measured"}
    rows = [row("numba", 0.1, case="scan"), row("pykdtree", 0.3, case="scan"), row("scipy", 0.3, case="scan")]
    rows += [row("numba", 0.1, case="cube", median_s=None), row("pykdtree", 0.3, case="cube")]
    (tmp_path / "knn.json").write_text(json.dumps({"command": "geoad bench knn", "rows": rows}))
    lines = [targets.line(target) for target in targets.targets() if target.file == "knn.json"]
    assert "| kNN 64 k, k = 32, scan: pykdtree | ≥ 2.5 x | 3 x | yes | `geoad bench knn` |" in lines
    assert "| kNN 64 k, k = 32, scan: scipy | ≥ 3.5 x | 3 x | **no** | `geoad bench knn` |" in lines
    assert "| kNN 64 k, k = 32, cube: pykdtree | ≥ 2.5 x | not measured | | |" in lines


def test_every_target_finds_its_row_where_it_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = load("targets")
    monkeypatch.setattr(targets, "RESULTS", tmp_path)
    cases = ("scan", "sphere", "cube", "clusters", "width 16", "width 32", "random", "object", "tilted 0.5")
    backends = ("numba", "cuda", "pykdtree", "pykdtree-morton", "scipy", "eager-cat", "eager-mean")
    backends += ("fpsample-h5", "fpsample-h7", "fpsample-h9")
    sizes = (65_536, 262_144, 360_000, 524_288, 640_000, 1_000_000)
    rows = [row(b, 1.0, case=c, n=n, error=0.0) for b in backends for c in cases for n in sizes]
    network = ("base", "step", "eager", "pretraining", "inference", "default inference")
    rows += [row("numba", 1.0, case=c, width=width) for c in network for width in (64, 128)]
    rows += [row("numba", 1.0, case=f"{c} GPU", width=64, wall_s=0.01) for c in ("step", "eager", "map")]
    voxels = ("voxel-ae", "voxel-vae", "voxel-fanogan", "hull", "gather")
    rows += [row("numba", 1.0, case=c) for c in voxels]
    rows += [row("torch", 1.0, case=f"{c} GPU", wall_s=0.01) for c in voxels[:3]]
    grids = [f"{side} {source}" for side in (64, 256) for source in ("xyz", "xyz+rgb")]
    rows += [
        row("numba", 1.0, case=f"{name} {grid}", state_bytes=1) for name in ("vm-fit", "vm-dense") for grid in grids
    ]
    for target in targets.targets():
        (tmp_path / target.file).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / target.file).write_text(json.dumps({"command": "x", "rows": rows}))
    assert not [line for line in map(targets.line, targets.targets()) if "not measured" in line]


def test_the_table_of_the_voxels_is_that_of_the_results() -> None:
    tables = load("tables_voxels")
    rows = {row["case"]: row for row in json.loads(tables.RESULTS.read_text())["rows"]}
    assert load("marked").between(tables.DOCUMENT, "memory") == tables.table(rows), "tables_voxels.py --write"


def test_the_table_of_the_readme_is_that_of_the_results() -> None:
    targets = load("targets")
    lines = load("marked").between(HERE / "README.md", "targets").splitlines()[2:]
    assert lines == [targets.line(target) for target in targets.targets()], "python benchmarks/targets.py --write"


def test_the_tables_of_3d_st_are_those_of_the_results() -> None:
    tables = load("tables_3dst")
    for name, text in tables.tables().items():
        assert load("marked").between(tables.DOCUMENT, name) == text, "python benchmarks/tables_3dst.py --write"


def test_a_seed_that_lacks_a_cell_is_in_no_table() -> None:
    tables = load("tables_3dst")
    limits = {"au_pro": (0.3, 0.05), "image_auroc": (None,), "image_auroc_maximum": (None,)}
    rows = [
        {"teacher": t, "metric": m, "limit": limit, "category": c, "seed": seed, "value": (t == "random") / 2 + seed}
        for t in tables.TEACHERS
        for m in limits
        for limit in limits[m]
        for c in tables.CATEGORIES
        for seed in (0, 1, 2)
    ]
    results = tables.Results([r for r in rows if (r["teacher"], r["category"], r["seed"]) != ("random", "tire", 2)])
    assert results.seeds == {"3d-st-64": [0, 1, 2], "random": [0, 1]}
    peers = [
        {"method": m, "metric": "au_pro", "limit": 0.3, "category": c, "value": 0.1 if c == "foam" else -1.0}
        for m in ("voxel-vm", "depth-vm")
        for c in tables.CATEGORIES
    ]
    assert tables.by_category(results, peers).splitlines()[3].endswith("| 1.000 |")  # random: 0.5 and 1.5
    first, _, third = (line.split(" | ")[1:] for line in tables.by_seed(results, peers).splitlines()[2:])
    assert first == ["0.000", "0.500", "0.000", "0.500", "9 of 10", "0 of 10", "0 of 10 |"]
    assert third == ["2.000", "", "2.000", "", "10 of 10", "", " |"]
    alone = tables.Results([r for r in rows if r["teacher"] != "random"])
    assert "random" not in tables.by_category(alone, peers) + tables.by_seed(alone, peers)


def test_claims_that_were_not_measured_are_in_no_table() -> None:
    def claim(text: str, holds: bool | None, mean: float) -> dict[str, Any]:
        values = {"baseline": {"mean": mean, "spread": 0.0}}
        return {"figure": "10.7", "claim": text, "holds": holds, "seeds": "1 of 3", "values": values}

    made = [
        claim("3d-st above all others at limit 0.3", True, 0.97),
        claim("3d-st above all others at limit 0.7", True, 0.99),
        claim("AU-PRO grows with |P|", None, 0.9),
        claim("memory of scoring grows faster than |P|", False, 89.3e6),
    ]
    assert load("tables_3dst").claims(made).splitlines()[2:] == [
        "| 10.7 | 3d-st above all others at limit 0.3 | yes | 1 of 3 | baseline 0.970 |",
        r"| 10.7 | memory of scoring grows faster than \|P\| | **no** | 1 of 3 | baseline 89 MB |",
    ]


def test_a_text_without_marks_is_refused_and_left_alone(tmp_path: Path) -> None:
    marked, path = load("marked"), tmp_path / "a.md"
    path.write_text("before\n<!-- t: made by a script -->\nold\n<!-- end of t -->\nafter\n")
    marked.put_between(path, "t", "new")
    assert marked.between(path, "t") == "new" and path.read_text().startswith("before\n")
    assert path.read_text().endswith("-->\nafter\n") and "old" not in path.read_text()
    with pytest.raises(SystemExit, match="no place for the table other"):
        marked.put_between(path, "other", "new")
    assert "new" in path.read_text()


def test_rows_of_other_scans_are_not_replaced(tmp_path: Path) -> None:
    rows = load("earlier").earlier_rows
    path = tmp_path / "rows.json"
    assert rows(path, data={"seed": 0}) == []
    path.write_text(json.dumps({"data": {"seed": 0}, "params": {"k": [1, 2]}, "rows": [{"value": 1}]}))
    assert rows(path, data={"seed": 0}, params={"k": (1, 2)}) == [{"value": 1}]
    with pytest.raises(SystemExit, match=r"rows\.json holds rows of another data and params: give another --out"):
        rows(path, data={"seed": 1}, params={"k": [3]})
