"""Everything that needs a GPU, in one command: `python benchmarks/gpu.py [--out gpu-results]` or `make bench-gpu`.

Builds the CUDA library, runs the tests that need a device, runs them again under compute-sanitizer where that is
installed (memcheck with each tensor an allocation of its own; racecheck and synccheck for the kernels' own tests), and
measures all kernels. Every step runs whatever became of the one before, with its output in OUT/STEP.log;
OUT/steps.json and the last lines say how each ended. The exit code is 0 only if no step failed. Needs torch, numpy,
scipy, numba and pytest; peers and libraries that are missing are named as such.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTEST = (sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "tests")
BENCH_3DST = (
    *(sys.executable, "benchmarks/bench_3dst.py", "--repeats", "50"),
    *("--widths", "64", "--cases", "step GPU,inference GPU,fps GPU"),
)
BENCH_VOXELS = (
    *(sys.executable, "benchmarks/bench_voxels.py", "--repeats", "20"),
    *("--cases", "voxel-ae GPU,voxel-vae GPU,voxel-fanogan GPU"),
)
TOOLS = {"memcheck": "tests", "racecheck": "tests/cuda", "synccheck": "tests/cuda"}
BENCH = (sys.executable, "-m", "geoad", "bench", "--device", "cuda")


def steps(out: Path, sanitizer: str | None, words: list[str]) -> dict[str, tuple[str, ...] | str]:
    """Return {step: its command, or why there is none}."""
    checks: dict[str, tuple[str, ...] | str] = {
        tool: (sanitizer, "--tool", tool, "--error-exitcode", "9", *PYTEST[:-1], room) if sanitizer else "not installed"
        for tool, room in TOOLS.items()
    }
    return {
        "build": (sys.executable, "setup.py", "build_ext", "--inplace"),
        "info": (sys.executable, "-m", "geoad", "info"),
        "tests": PYTEST,
        **checks,
        "bench-3dst": (*BENCH_3DST, "--out", str(out / "bench_3dst.json")),
        "bench-voxels": (*BENCH_VOXELS, "--out", str(out / "bench_voxels.json")),
        "bench": (*BENCH, "all", "--out", str(out), *words),
        "bench-large": (*BENCH, "knn", "--sizes", "1M", "--out", str(out / "large"), *words),
    }


def run_step(name: str, command: tuple[str, ...], out: Path, minutes: float) -> dict[str, Any]:
    """Run one step with its output in a file, the last lines of which are shown if it fails."""
    start, log = time.monotonic(), out / f"{name}.log"
    environment = {**os.environ, "GEOAD_CUDA": "1"}  # a library that cannot be built is an error here
    if name == "memcheck":
        environment["PYTORCH_NO_CUDA_MEMORY_CACHING"] = "1"  # else an access beside a tensor may hit another
    with log.open("w") as file:
        try:
            streams = {"stdout": file, "stderr": subprocess.STDOUT}
            done = subprocess.run(command, env=environment, timeout=60 * minutes, check=False, **streams)
            code, state = done.returncode, "ok" if done.returncode == 0 else f"failed with exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            code, state = 124, f"stopped after {minutes:g} minutes"
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
    for name in chosen:
        command = plan[name]
        if isinstance(command, str):
            results[name] = {"exit": None, "state": f"not run: {command}"}
        else:
            print(f"{name}: {' '.join(command[:6])} ...", flush=True)
            results[name] = {"command": list(command), **run_step(name, command, out, given.minutes)}
        text = json.dumps(results, indent=2).replace(sys.executable, "python")
        (out / "steps.json").write_text(text + "\n")
    print()
    width = max(map(len, results))
    print("".join(f"{name.ljust(width)}  {result['state']}\n" for name, result in results.items()), end="")
    return 1 if any(result["exit"] for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
