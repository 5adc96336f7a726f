"""A GPU run: its steps are in order, an end each, and its tests need no library but those it says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from geoad import cli
from geoad.bench import KERNELS
from tests.benchmarks.test_scripts import load

ABSENT = """
import importlib.abc, sys, types

import lightning_fabric.plugins

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"trimesh", "manifold3d", "open3d", "pykdtree", "imagecodecs", "lightning_fabric"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
sys.modules["lightning"] = types.ModuleType("lightning")  # the package that has the same under another name
for name in [name for name in sys.modules if name.partition(".")[0] == "lightning_fabric"]:
    sys.modules[name.replace("lightning_fabric", "lightning.fabric", 1)] = sys.modules.pop(name)
import pytest
sys.exit(pytest.main([*sys.argv[1:], "--collect-only"]))
"""


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load("gpu")
    monkeypatch.chdir(module.ROOT)
    return module


def test_what_matters_comes_first_and_all_kernels_are_measured(gpu: ModuleType) -> None:
    plan = gpu.steps(Path("out"), "compute-sanitizer", ["--repeats", "9"])
    names = "build info tests bench-3dst bench-voxels bench bench-large bench-fps memcheck racecheck synccheck"
    assert list(plan) == names.split()
    parser = cli.build_parser()
    benches = {name: parser.parse_args(plan[name][3:]) for name in ("bench", "bench-large", "bench-fps")}
    measured = [*benches["bench"].kernels, *benches["bench-fps"].kernels]
    assert sorted(measured) == sorted(KERNELS)
    assert {given.repeats for given in benches.values()} == {9}
    on_gpu = [target for target in load("targets").targets() if target.file == "gpu/bench_3dst.json"]
    cases = plan["bench-3dst"][plan["bench-3dst"].index("--cases") + 1].split(",")
    rows = [{"case": case, "width": 64, "wall_s": 1.0, "peak_bytes": 1} for case in cases]
    assert set(cases) <= set(load("bench_3dst").CASES) and all(target.value(rows) for target in on_gpu)
    asked = {target.file for target in load("targets").targets() if target.file.startswith("gpu/")}
    assert asked == {f"gpu/{place}.json" for place in ("knn", "large/knn", "bench_3dst", "bench_voxels")}


def test_steps_end_in_time(gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = {"build": ("true",), "bench": ("sleep", "60"), "bench-fps": ("true",)}
    monkeypatch.setattr(gpu, "steps", lambda *_: plan)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path), "--total", "0.03"])
    assert gpu.main() == 1
    states = {name: step["state"] for name, step in json.loads((tmp_path / "steps.json").read_text()).items()}
    assert states.pop("bench").startswith("stopped after 0.0")
    assert states == {"build": "ok", "bench-fps": "not run: no time left"}


def test_nothing_of_a_stopped_step_goes_on(gpu: ModuleType, tmp_path: Path) -> None:
    late = tmp_path / "late"
    step = ("sh", "-c", f"(sleep 2; touch {late}) & wait")
    assert gpu.run_step("bench", step, tmp_path, 0.5 / 60)["state"] == "stopped after 0.00833 minutes"
    time.sleep(2)
    assert not late.exists()


def test_a_step_finds_geoad_without_its_installation(gpu: ModuleType, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    code = "import sys; raise SystemExit(sys.argv[1] not in sys.path)"
    assert gpu.run_step("info", (sys.executable, "-c", code, str(gpu.ROOT)), tmp_path, 1)["state"] == "ok"


@pytest.mark.slow
def test_its_tests_are_collected_without_what_a_fresh_machine_lacks(gpu: ModuleType) -> None:
    done = subprocess.run([sys.executable, "-c", ABSENT, *gpu.PYTEST[3:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_one_failing_step_hides_no_other(gpu: ModuleType, tmp_path: Path, monkeypatch, capsys) -> None:
    plan = {
        "build": (sys.executable, "-c", "print('why'); raise SystemExit(3)"),
        "tests": (sys.executable, "-c", "print('7 skipped')"),
        "memcheck": "not installed",
        "racecheck": (sys.executable, "-c", "print('7 skipped')"),
        "bench": (sys.executable, "-c", "print('fine')"),
    }
    monkeypatch.setattr(gpu, "steps", lambda *_: plan)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path / "out")])
    assert gpu.main() == 1
    steps = json.loads((tmp_path / "out" / "steps.json").read_text())
    assert {name: step["state"] for name, step in steps.items()} == {
        "build": "failed with exit code 3",
        "tests": "no test ran: every one was skipped",
        "memcheck": "not run: not installed",
        "racecheck": "no test ran: every one was skipped",
        "bench": "ok",
    }
    assert "    why" in capsys.readouterr().out
    plan["build"] = plan["bench"]
    plan["tests"] = plan["racecheck"] = (sys.executable, "-c", "print('7 passed')")
    assert gpu.main() == 0
