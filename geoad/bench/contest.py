"""One kernel on one case: who can run, whether it is right, and only then how long it takes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from geoad import _optional
from geoad.bench.contestant import Contestant, Kernel, Verdict
from geoad.bench.timing import Lap, Rounds, Run, peak_memory, summarise, time_call, time_in_turn

GOOD = 0.99  # the recall from which on a peer counts as one to be measured against
Row = dict[str, Any]


class Outcome(NamedTuple):
    """`rows`: what was measured; `absent`: who did not run and why; `wrong`: which of geoad's backends failed.

    >>> Outcome([], [], []).rows
    []
    """

    rows: list[Row]
    absent: list[Row]
    wrong: list[str]


def hold(
    kernel: Kernel,
    case: str,
    n: int,
    *,
    k: int | None = None,
    device: str = "cpu",
    rounds: Rounds,
    backends: Sequence[str] | None = None,
    contestants: Sequence[Contestant] | None = None,
) -> Outcome:
    """Compare and time every contestant (or those named in `backends`) on one case of `n`.

    >>> from geoad.bench.knn import KERNEL
    >>> rounds = Rounds(repeats=1, patience=0.1)
    >>> outcome = hold(KERNEL, "cube", 100, k=4, rounds=rounds, backends=["numba"])
    >>> [(row["backend"], row["equal_to_reference"]) for row in outcome.rows]
    [('numba', True)]
    """
    everyone = kernel.contestants() if contestants is None else contestants
    asked = [one for one in everyone if backends is None or one.name in backends]
    reasons = {one.name: _why_not(one, device, n) for one in asked}
    present = [one for one in asked if not reasons[one.name]]
    problem = kernel.problem(case, n, k or kernel.k or 0) if present else None
    about = {"kernel": kernel.name, "case": case, "device": device, "threads": torch.get_num_threads()}
    about |= problem.about if problem is not None else {"n": n}
    runs, verdicts, faults = _compare(kernel, problem, present, device)
    reasons |= {name: reason for name, reason in faults.items() if reason}
    absent = [{**about, "backend": name, "reason": reason} for name, reason in reasons.items() if reason]
    owned = {one.name for one in present if one.own}
    wrong = [f"{name}: {faults[name]}" for name in faults if name in owned and not faults[name].startswith("needs ")]
    wrong += [f"{name}: {verdict.note}" for name, verdict in verdicts.items() if name in owned and not verdict.equal]
    timed = {name: run for name, run in runs.items() if verdicts[name].equal or name not in owned}
    peaks = {name: peak_memory(run, device) for name, run in timed.items()}
    laps: dict[str, list[Lap]] = {name: [] for name in timed}
    _warm_up(timed, device)
    for name, lap in time_in_turn(timed, device, rounds):
        laps[name].append(lap)
    rows = [_row(about, name, name in owned, verdicts[name], laps.get(name, []), peaks.get(name)) for name in verdicts]
    _set_ratios(rows)
    return Outcome(rows, absent, [f"{kernel.name} {case} {about['n']}: {text}" for text in wrong])


def _why_not(one: Contestant, device: str, n: int) -> str:
    """Return why a contestant cannot run, "" if it can."""
    kind = device.partition(":")[0]
    if kind not in one.limits:
        return f"does not run on {kind}"
    if one.needs is not None:
        try:
            _optional.need(one.needs, "compare")
        except ImportError as error:
            missing = isinstance(error.__cause__, ModuleNotFoundError)
            return f"not installed: {one.needs}" if missing else f"cannot be imported: {error}"
    if n > one.limits[kind]:
        return f"only up to {one.limits[kind]} here: it would take too long"
    return ""


def _compare(
    kernel: Kernel, problem: Any, present: Sequence[Contestant], device: str
) -> tuple[dict[str, Run], dict[str, Verdict], dict[str, str]]:
    """Call everyone once; return what to time, the verdicts, and the faults of those that raised."""
    runs: dict[str, Run] = {}
    verdicts: dict[str, Verdict] = {}
    faults: dict[str, str] = {}
    agreed: tuple[str, str] | None = None
    for one in present:
        try:
            run = one.start(problem, device)
            output = one.read(run())
            verdict = kernel.judge(problem, output, one.bits)
        except Exception as error:  # a contestant that fails must not take the others along
            missing = isinstance(error, ImportError)
            faults[one.name] = f"{'needs' if missing else 'raised'} {type(error).__name__}: {' '.join(str(error).split())}"
            continue
        if one.bits and verdict.equal:
            mark = one.name, digest(output)
            agreed = agreed or mark
            if mark[1] != agreed[1]:
                verdict = Verdict(False, verdict.recall, None, f"not the bits of {agreed[0]} where nobody sampled")
        runs[one.name], verdicts[one.name] = run, verdict
    return runs, verdicts, faults


def digest(output: Any) -> str:
    """Return a fingerprint of the bits of an array, a tensor or a tuple of them.

    >>> digest(np.zeros(2)) == digest(torch.zeros(2, dtype=torch.float64)), digest(np.zeros(2)) == digest(np.ones(2))
    (True, False)
    """
    mark = hashlib.sha256()
    for part in output if isinstance(output, tuple) else (output,):
        array = to_array(part)
        mark.update(f"{array.dtype} {array.shape}".encode())
        mark.update(np.ascontiguousarray(array).data)
    return mark.hexdigest()


def to_array(output: Any) -> Any:
    """Return a tensor, wherever it is, as a numpy array, and an array as it is.

    >>> to_array(torch.zeros(2)).tolist()
    [0.0, 0.0]
    """
    return output.detach().cpu().numpy() if isinstance(output, torch.Tensor) else np.asarray(output)


def _warm_up(runs: Mapping[str, Run], device: str) -> None:
    """A GPU takes a few calls to settle (clocks, allocator); a CPU has had two by now."""
    for run in runs.values() if device != "cpu" else ():
        spent = 0.0
        for _ in range(10):
            spent += time_call(run, device).wall
            if spent > 1:
                break


def _row(about: Row, name: str, own: bool, verdict: Verdict, laps: list[Lap], peak: int | None) -> Row:
    nothing = dict.fromkeys(("median_s", "min_s", "spread_s", "cpu_s", "kernel_s"))
    figures = summarise(laps) if laps else {**nothing, "repeats": 0}
    judged = {"equal_to_reference": verdict.equal, "recall": verdict.recall, "error": verdict.error}
    return {**about, "backend": name, "own": own, **judged, **figures, "peak_bytes": peak, "note": verdict.note}


def _set_ratios(rows: list[Row]) -> None:
    """Divide the time of the best peer by each row's: CPU seconds of one thread, else the wall.

    A load on the machine stretches the wall; CPU seconds mean nothing for a GPU, and hide what threads are for.
    """
    for row in rows:
        row["clock"] = "cpu_s" if row["device"] == "cpu" and row["threads"] == 1 else "median_s"
    peers = [row for row in rows if not row["own"] and row["recall"] >= GOOD and row["median_s"] is not None]
    best = min(peers, key=lambda row: float(row[row["clock"]]), default=None)
    for row in rows:
        known = best is not None and row["median_s"] is not None
        row["best_peer"] = best["backend"] if best is not None else None
        row["ratio_to_best_peer"] = best[best["clock"]] / max(row[row["clock"]], 1e-9) if known and best else None
