"""What the scripts share: a command that can be repeated, a case that fails and takes no other along."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

from tests.benchmarks.test_scripts import HERE, load

SCRIPT = """
import json, pathlib, sys
from common import measure_apart

out = pathlib.Path(sys.argv[1])
if "--only" in sys.argv:
    case = sys.argv[-1]
    if case == "bad":
        raise SystemExit("why it failed")
    print(json.dumps({"case": case, "before": len(json.loads(out.read_text())["rows"]) if out.exists() else 0}))
else:
    calls = [[*sys.argv[1:], "--only", case] for case in ("first", "bad", "last")]
    sys.exit(measure_apart(calls, out, lambda row: "measured " + row["case"]))
"""


def test_a_case_that_fails_takes_no_other_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy.py").write_text(SCRIPT)
    monkeypatch.setenv("PYTHONPATH", f"{HERE}:{HERE.parent}")
    words = [sys.executable, str(tmp_path / "toy.py"), "rows.json", "two words"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "why it failed" in done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "measured first", "failed with exit code 1", "measured last",
    ]  # fmt: skip
    found = json.loads((tmp_path / "rows.json").read_text())
    assert found["rows"] == [{"case": "first", "before": 0}, {"case": "last", "before": 1}]
    assert shlex.split(found["command"]) == ["python", "benchmarks/toy.py", "rows.json", "two words"]


def test_a_command_names_no_place_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["/home/me/scans", "--source", "meshes=meshes:/data/six", "--out", "results/a.json", "--cases", "a/b,c"]
    monkeypatch.setattr(sys, "argv", ["/home/me/geoad/benchmarks/toy.py", *words])
    told = "python benchmarks/toy.py scans --source meshes=meshes:six --out results/a.json --cases a/b,c"
    assert load("common").command() == told


def test_the_first_call_is_not_timed() -> None:
    calls: list[int] = []
    ticks = count()
    assert load("common").seconds(lambda: calls.append(next(ticks)), 2, lambda: float(next(ticks))) == [2.0, 2.0]
    assert calls == [0, 2, 5]


@pytest.mark.parametrize("name", ["bench_3dst", "bench_voxels"])
def test_every_case_is_asked_for_apart(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bench: ModuleType = load(name)
    asked: list[tuple[list[list[str]], Path]] = []
    monkeypatch.setattr(bench, "measure_apart", lambda calls, out, show: asked.append((list(calls), out)) or 1)
    cases = {"bench_3dst": "base,step", "bench_voxels": "base,vm-fit 64 xyz"}[name]
    monkeypatch.setattr(sys, "argv", [name, "--cases", cases, "--out", str(tmp_path / "rows.json")])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 1
    ((calls, out),) = asked
    assert out == tmp_path / "rows.json"
    expected = {
        "bench_3dst": [["base", "64"], ["step", "64"], ["step", "128"]],
        "bench_voxels": [["base"], ["vm-fit 64 xyz"], ["vm-fit 64 xyz+rgb"]],
    }
    assert [call[call.index("--only") + 1 :] for call in calls] == expected[name]
