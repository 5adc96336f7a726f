"""`geoad demo`: the main job on simulated scans, as anybody would type it, in processes side by side."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from geoad._parent import STARTER
from geoad._whole_file import check_empty, make_folder

CATEGORIES = ("bagel", "cable_gland", "dowel")  # all their defects change the surface: neither method sees colour
QUICK = ["--set", "points=1024", "--set", "steps=18"]
HEARTBEAT = 60.0
VERBS = ("data", "make", "fit", "score", "evaluate")
# One thread a process; and glibc keeps freed tensors instead of giving every page back to the kernel.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "GOMP_SPINCOUNT": "0",
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
}


class Job(NamedTuple):
    """Commands to run one after the other, and the file that takes what they print."""

    name: str
    commands: list[list[str]]
    log: Path


def run(arguments: Namespace) -> int:
    """Simulate, train, score, evaluate; print one table and where the pictures are."""
    from geoad.cli.demo_report import report

    out, begun = Path(arguments.out), time.monotonic()
    student = QUICK if arguments.quick else []
    if not (out / "logs" / "sim3d.log").exists():  # of an earlier demo, which goes on
        check_empty(out, but=["logs"])
    make_folder(out / "logs")
    for stage in (simulate(out, arguments.jobs), train(out, student), evaluate(out)):
        if failed := work(stage, arguments.jobs, begun):
            for job in failed:
                print(f"geoad: error: {job.name}: {last_line(job.log)} (all of it in {job.log})", file=sys.stderr)
            return 1
    print(report(out, CATEGORIES), f"\n{time.monotonic() - begun:.0f} s in all")
    return 0


def simulate(out: Path, jobs: int) -> list[Job]:
    """Return the job that writes the scans."""
    words = ["data", "make", "sim3d", str(out / "sim3d"), "--size", "tiny", "--jobs", str(jobs)]
    words += ["--categories", *CATEGORIES]
    return [Job("sim3d", [words], out / "logs" / "sim3d.log")]


def train(out: Path, student: list[str]) -> list[Job]:
    """Return the jobs that train and score: a student a category, the longest first, and the voxel model for all."""
    jobs = [_train(out, "3d-st", category, student) for category in CATEGORIES]
    return [*jobs, _train(out, "voxel-vm", None, [])]


def _train(out: Path, method: str, category: str | None, settings: list[str]) -> Job:
    name = f"{method} {category}" if category else method
    folder = out / "runs" / method / (category or "")
    data = ["--data", f"sim3d:{out / 'sim3d'}", *(["--category", category] if category else [])]
    fit = ["fit", method, *data, "--out", str(folder), *settings]
    score = ["score", str(folder), *data, "--out", str(out / "maps" / method)]
    return Job(name, [fit, score], out / "logs" / f"{name.replace(' ', '-')}.log")


def evaluate(out: Path) -> list[Job]:
    """Return the jobs that compute the metrics, one a method."""
    jobs = []
    for method in ("3d-st", "voxel-vm"):
        words = ["evaluate", str(out / "maps" / method), "--data", f"sim3d:{out / 'sim3d'}"]
        words += ["--out", str(out / "results" / method)]
        jobs.append(Job(f"metrics {method}", [words], out / "logs" / f"metrics-{method}.log"))
    return jobs


def work(jobs: list[Job], processes: int, begun: float) -> list[Job]:
    """Run the jobs, so many at a time; return those that failed."""
    running: set[subprocess.Popen[bytes]] = set()
    with ThreadPoolExecutor(processes) as pool:
        tasks = {pool.submit(_run, job, running, begun): job for job in jobs}
        try:
            return [tasks[task] for task in as_completed(tasks) if not task.result()]
        except BaseException:
            for task in tasks:
                task.cancel()
            for process in list(running):
                process.terminate()
            raise


def _run(job: Job, running: set[subprocess.Popen[bytes]], begun: float) -> bool:
    """Run the commands of a job until one fails; say what happens, and once a minute that it still does."""
    with job.log.open("ab") as log:
        for words in job.commands:
            verb = " ".join(word for word in words[:2] if word in VERBS)
            _say(begun, job, verb)
            start = log.tell()
            command = [sys.executable, "-m", "geoad", *words]
            environment = {**os.environ, **ENVIRONMENT, STARTER: str(os.getpid())}
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            running.add(process)
            while (code := _wait(process, HEARTBEAT)) is None:
                _say(begun, job, last_line(job.log, start) or f"still at {verb}")
            running.discard(process)
            if code:
                return False
    return True


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _say(begun: float, job: Job, text: str) -> None:
    sys.stdout.write(f"[{time.monotonic() - begun:4.0f} s] {job.name}: {text}\n")  # in one piece, from any thread
    sys.stdout.flush()


def last_line(log: Path, start: int = 0) -> str:
    """Return the last line of a log behind a position, "" if there is none."""
    lines = log.read_bytes()[start:].decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
