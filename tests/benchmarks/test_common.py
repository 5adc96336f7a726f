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
import torch

from geoad.detectors.points import point_detector
from geoad.geometry.xyz_image import XYZImage
from geoad.ops.farthest_point_sample import farthest_point_sample
from geoad.sample import Sample
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
    before = (tmp_path / "rows.json").read_bytes()
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 1
    assert (tmp_path / "rows.json").read_bytes() == before  # an incomplete run replaces no result
    assert len(json.loads((tmp_path / "rows.partial.json").read_text())["rows"]) == 2
    (tmp_path / "toy.py").write_text(SCRIPT.replace('"bad", ', ""))
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["before"] for row in rows] == [2, 2] and not (tmp_path / "rows.partial.json").exists()


def test_a_command_names_no_place_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["/data/me/scans/", "--source", "meshes=meshes:/data/six", "--out", "results/a.json", "--cases", "a/b,c"]
    words += ["--teachers", "3d-st-64,/a/t1.safetensors,/b/t2.safetensors"]
    monkeypatch.setattr(sys, "argv", ["/data/me/geoad/benchmarks/toy.py", *words])
    told = "python benchmarks/toy.py scans --source meshes=meshes:six --out results/a.json --cases a/b,c"
    told += " --teachers 3d-st-64,t1.safetensors,t2.safetensors"
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


def test_the_peak_of_a_gpu_is_what_torch_allocated_there(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: order.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: order.append("read") or 7)
    found = load("common").time_and_memory(lambda: order.append("run"), 2, gpu=True)
    assert found["peak_bytes"] == 7 and order == ["reset", "run", "run", "run", "read"]
    assert 0 < found["min_s"] <= found["wall_s"]
    here = load("common").time_and_memory(lambda: sum(range(10_000)), 2, gpu=False, parts=2)
    assert set(here) == {"cpu_s", "min_s", "peak_bytes"} and here["peak_bytes"] > 1e7


def test_a_map_with_known_picks_samples_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = load("bench_3dst")
    small = Sample(xyz=XYZImage(bench.surface(900).reshape(30, 30, 3)))
    sampled: list[int] = []
    monkeypatch.setattr(bench, "scan", lambda seed=0: small)
    monkeypatch.setattr(point_detector, "farthest_point_sample", farthest_point_sample)  # and put back at the end
    sample = lambda *given, **start: sampled.append(given[1]) or farthest_point_sample(*given, **start)  # noqa: E731
    monkeypatch.setattr(bench, "farthest_point_sample", sample)
    run = bench.mapping(200, 8)
    for _ in range(3):
        run()
    assert sampled == [200]
