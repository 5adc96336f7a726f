"""`geoad bench`: kernels beside their peers, equality first, then time and memory."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import torch

from geoad._whole_file import make_folder, write_whole
from geoad.bench import KERNELS
from geoad.bench.contest import GOOD, Row, hold
from geoad.bench.contestant import Kernel
from geoad.bench.memory import CUDA_MEMORY_RULE, MEMORY_RULE
from geoad.bench.picture import draw
from geoad.bench.timing import Rounds
from geoad.cli.arguments import check_words
from geoad.evaluation.results import environment, write_json
from geoad.evaluation.text_table import Cell, table
from geoad.training.device import torch_device
from geoad.training.progress import progress_bar

REPEATS = {"cpu": 7, "cuda": 50}
HEAD = (
    "case", "n", "k", "backend", "equal", "recall", "median ms", "min ms", "spread ms", "CPU ms", "peak MB", "ratio",
)  # fmt: skip


def run(arguments: Namespace) -> int:
    """Print a table a kernel and write KERNEL.json and KERNEL.png; 1 if a backend of ours gave another answer."""
    device = _device(arguments.device)
    kernels = [_kernel(name) for name in (KERNELS if "all" in arguments.kernels else dict.fromkeys(arguments.kernels))]
    check_words("case", arguments.cases, {case for kernel in kernels for case in kernel.cases})
    check_words("backend", arguments.backends, {each.name for kernel in kernels for each in kernel.contestants()})
    out = make_folder(arguments.out)
    wrong: list[str] = []
    measured = 0
    for kernel in kernels:
        rows, absent, faults = _measure(kernel, arguments, device)
        wrong += faults
        measured += len(rows)
        if rows:  # or the figures of an earlier call would be lost
            _write(out, kernel, arguments.command, rows, absent, device)
    for fault in wrong:
        print(f"geoad: error: {fault}", file=sys.stderr)
    if not measured:
        raise ValueError("nothing was measured: no such backend runs such a case of such a size here")
    return 1 if wrong else 0


def _device(asked: str) -> str:
    device = torch_device(asked)
    if device != "cpu":
        torch.cuda.set_device(device)  # events and streams are those of the current device
    return device


def _kernel(name: str) -> Kernel:
    kernel: Kernel = import_module(KERNELS[name]).KERNEL
    return kernel


def _measure(kernel: Kernel, arguments: Namespace, device: str) -> tuple[list[Row], list[Row], list[str]]:
    """Measure every case of a kernel at every size; an interrupt prints what there is before it goes on its way."""
    rounds = Rounds(arguments.repeats or REPEATS[device.partition(":")[0]], arguments.patience)
    cases = [case for case in kernel.cases if arguments.cases is None or case in arguments.cases]
    work = list(product(cases, arguments.sizes or kernel.sizes))
    rows: list[Row] = []
    absent: list[Row] = []
    wrong: list[str] = []
    try:
        with progress_bar() as bar:
            bar.start(kernel.name, len(work), 0)
            for done, (case, n) in enumerate(work):
                bar.advance(done, f"{case} {n}")
                found = hold(kernel, case, n, k=arguments.k, device=device, rounds=rounds, backends=arguments.backends)
                rows, absent, wrong = rows + found.rows, absent + found.absent, wrong + found.wrong
            bar.advance(len(work), "")
    finally:
        if rows or absent:
            print(report(kernel.name, rows, absent), end="\n\n", flush=True)
    return rows, absent, wrong


def report(name: str, rows: Sequence[Row], absent: Sequence[Row]) -> str:
    """Return the table of a kernel, how many times as fast as each peer it is, and who is not in it."""
    lines = []
    if rows:
        first = rows[0]
        clock = {"cpu_s": "CPU time", "median_s": "median"}[first["clock"]]
        lines.append(f"{name} on {first['device']}, {first['threads']} thread{'s' * (first['threads'] > 1)}")
        lines.append(table(HEAD, [_cells(row) for row in rows]))
        lines.append(f"ratio: {clock} of the case's best peer (recall >= {GOOD}), marked *, over the row's")
        lines += _ratios(rows, clock)
    unequal = [row for row in rows if not row["equal_to_reference"]]
    lines += [f"not equal: {row['backend']} ({row['case']} {row['n']}): {row['note']}" for row in unequal]
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in absent:
        reasons.setdefault((row["backend"], row["reason"]), []).append(f"{row['case']} {row['n']}")
    for (backend, reason), places in reasons.items():
        lines.append(f"not run: {backend} ({', '.join(places)}): {reason}")
    return "\n".join(lines)


def _ratios(rows: Sequence[Row], clock: str) -> list[str]:
    """Return the lines of a table: the time of each peer over that of geoad's fastest backend."""
    timed = [row for row in rows if row["median_s"] is not None]
    peers = list(dict.fromkeys(row["backend"] for row in timed if not row["own"]))
    body: list[list[Cell]] = []
    for place in dict.fromkeys((row["case"], row["n"]) for row in timed):
        here = {row["backend"]: row for row in timed if (row["case"], row["n"]) == place}
        ours = min((row for row in here.values() if row["own"]), key=lambda row: float(row[row["clock"]]), default=None)
        if ours is not None:
            best = max(ours[ours["clock"]], 1e-9)
            body.append(
                [*place, ours["backend"], *(here[p][ours["clock"]] / best if p in here else None for p in peers)]
            )
    if not (peers and body):
        return []
    return [f"\ntimes as fast as ({clock}):", table(["case", "n", "fastest of ours", *peers], body), ""]


def _cells(row: Row) -> list[Cell]:
    best = "*" if row["backend"] == row["best_peer"] else ""
    equal = "yes" if row["equal_to_reference"] else "NO"
    times = [None if row[key] is None else 1000 * row[key] for key in ("median_s", "min_s", "spread_s", "cpu_s")]
    peak = None if row["peak_bytes"] is None else row["peak_bytes"] / 1e6
    head = [row["case"], row["n"], row.get("k"), row["backend"] + best, equal, row["recall"]]
    return [*head, *times, peak, row["ratio_to_best_peer"]]


def _write(out: Path, kernel: Kernel, command: str, rows: list[Row], absent: list[Row], device: str) -> None:
    """Write the figures and their picture, each whole or not at all."""
    rule = MEMORY_RULE if device == "cpu" else CUDA_MEMORY_RULE
    content: dict[str, Any] = {**environment(), "command": command, "peak_bytes": rule, "rows": rows, "absent": absent}
    place = out / f"{kernel.name}.json"
    write_json(place, content)
    picture = place.with_suffix(".png")
    try:
        write_whole(picture, lambda file: draw(rows, file))
        print(f"{place}, and {picture.name} beside it\n")
    except ImportError as error:
        print(f"{place}; no picture: {error}\n")
