"""Everything that needs a GPU, in one command: `python benchmarks/gpu.py [--out gpu-results]` or `make bench-gpu`.

Builds the CUDA library, runs the tests that need a device, measures the steps of 3D-ST and of the voxel methods and all
kernels, and at last runs the tests again under compute-sanitizer where that is installed (memcheck with each tensor an
allocation of its own; racecheck and synccheck for the kernels' own tests), which may take an hour. Every step runs
whatever became of the one before, with its output in OUT/STEP.log; OUT/steps.json and the last lines say how each
ended. `--total MINUTES` ends it all in time: a step has what is left at most. The exit code is 0 only if no step
failed. Needs torch, numpy, scipy, numba, pillow, tifffile, lightning or lightning-fabric, pytest, hypothesis and nvcc;
peers and libraries that are missing are named as such.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTEST = (sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "tests")
BENCH_3DST = (
    *(sys.executable, "benchmarks/bench_3dst.py", "--repeats", "50"),
    *("--widths", "64", "--cases", "step GPU,eager GPU,map GPU,inference GPU,fps GPU"),
)
BENCH_VOXELS = (
    *(sys.executable, "benchmarks/bench_voxels.py", "--repeats", "20"),
    *("--cases", "voxel-ae GPU,voxel-vae GPU,voxel-fanogan GPU"),
)
BENCH = (sys.executable, "-m", "geoad", "bench", "--device", "cuda")
KERNELS = ("knn", "radius", "window", "aggregate", "project", "backproject", "fill", "voxelize")
FPS = ("fps", "--cases", "scan,cube", "--sizes", "64k,360000")  # the reference of a large cloud takes half a minute
TOOLS = {"memcheck": "tests", "racecheck": "tests/cuda", "synccheck": "tests/cuda"}


def steps(out: Path, sanitizer: str | None, words: list[str]) -> dict[str, tuple[str, ...] | str]:
    """Return {step: its command, or why there is none}, what matters most first."""
    checks: dict[str, tuple[str, ...] | str] = {
        tool: (sanitizer, "--tool", tool, "--error-exitcode", "9", *PYTEST[:-1], room) if sanitizer else "not installed"
        for tool, room in TOOLS.items()
    }
    return {
        "build": (sys.executable, "setup.py", "build_ext", "--inplace"),
        "info": (sys.executable, "-m", "geoad", "info"),
        "tests": PYTEST,
        "bench-3dst": (*BENCH_3DST, "--out", str(out / "bench_3dst.json")),
        "bench-voxels": (*BENCH_VOXELS, "--out", str(out / "bench_voxels.json")),
        "bench": (*BENCH, *KERNELS, "--out", str(out), *words),
        "bench-large": (*BENCH, "knn", "--sizes", "1M", "--out", str(out / "large"), *words),
        "bench-fps": (*BENCH, *FPS, "--out", str(out), *words),
        **checks,
    }


def call(command: tuple[str, ...], environment: dict[str, str], log: Path, minutes: float) -> int:
    """Return a command's exit code; raise subprocess.TimeoutExpired once it and all that it started are stopped."""
    options = {"env": environment, "stderr": subprocess.STDOUT, "start_new_session": True}
    with log.open("w") as file, subprocess.Popen(command, stdout=file, **options) as process:
        try:
            return process.wait(60 * minutes)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # else its children would run beside the next measurement
            raise


def run_step(name: str, command: tuple[str, ...], out: Path, minutes: float) -> dict[str, Any]:
    """Run one step with its output in a file, the last lines of which are shown if it fails."""
    if minutes <= 0:
        return {"exit": None, "state": "not run: no time left"}
    start, log = time.monotonic(), out / f"{name}.log"
    places = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]  # geoad need not be installed
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    environment["GEOAD_CUDA"] = "1"  # a library that cannot be built is an error here
    if name == "memcheck":
        environment["PYTORCH_NO_CUDA_MEMORY_CACHING"] = "1"  # else an access beside a tensor may hit another
    try:
        code = call(command, environment, log, minutes)
        state = f"failed with exit code {code}" if code else "ok"
    except subprocess.TimeoutExpired:
        code, state = 124, f"stopped after {minutes:.3g} minutes"
    except OSError as error:
        code, state = 127, f"could not be started: {error}"
    if name in ("tests", *TOOLS) and code == 0 and " passed" not in log.read_text():
        code, state = 5, "no test ran: every one was skipped"
    if code:
        print("".join(f"    {line}\n" for line in log.read_text(errors="replace").splitlines()[-20:]), end="")
    return {"exit": code, "state": state, "seconds": round(time.monotonic() - start, 1), "log": log.name}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("gpu-results"), help="from the checkout (default: gpu-results)"
    )
    parser.add_argument("--minutes", type=float, default=20, help="the longest that a step may take (default: 20)")
    parser.add_argument("--total", type=float, default=float("inf"), metavar="MINUTES", help="of all steps together")
    parser.add_argument("--only", help="steps with commas between (default: all)")
    given, words = parser.parse_known_args()  # what is left goes to `geoad bench`
    os.chdir(ROOT)
    out = given.out
    out.mkdir(parents=True, exist_ok=True)
    plan = steps(out, shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer"), words)
    chosen = given.only.split(",") if given.only else list(plan)
    if unknown := [name for name in chosen if name not in plan]:
        parser.error(f"unknown step {unknown[0]!r}; known: {', '.join(plan)}")
    results: dict[str, dict[str, Any]] = {}
    end = time.monotonic() + 60 * given.total
    for name in chosen:
        command = plan[name]
        if isinstance(command, str):
            results[name] = {"exit": None, "state": f"not run: {command}"}
        else:
            minutes = min(given.minutes, (end - time.monotonic()) / 60)
            print(f"{name}: {' '.join(command[:6])} ...", flush=True)
            results[name] = {"command": list(command), **run_step(name, command, out, minutes)}
        text = json.dumps(results, indent=2).replace(sys.executable, "python")
        (out / "steps.json").write_text(text + "\n")
    print()
    width = max(map(len, results))
    print("".join(f"{name.ljust(width)}  {result['state']}\n" for name, result in results.items()), end="")
    return 1 if any(result["exit"] for result in results.values()) else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which stops the step that runs, too
    sys.exit(main())
