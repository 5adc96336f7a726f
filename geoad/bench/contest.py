"""One kernel on one case: who can run, whether it is right, and only then how long it takes."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from geoad import _optional
from geoad.bench.contestant import Contestant, Kernel, Verdict
from geoad.bench.memory import peak_memory
from geoad.bench.timing import Call, Lap, Rounds, summarise, time_call, time_in_turn

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
    asked = [one for one in contestants or kernel.contestants() if backends is None or one.name in backends]
    reasons = {one.name: _why_not(one, device, n, k or kernel.k or 0) for one in asked}
    present = [one for one in asked if not reasons[one.name]]
    about: Row = {"kernel": kernel.name, "case": case, "n": n, "device": device, "threads": torch.get_num_threads()}
    tried: list[_Tried] = []
    if present:
        problem = kernel.problem(case, n, k or kernel.k or 0)
        about |= problem.about
        tried = _try_all(kernel, problem, present, device)
    runs = {
        each.contestant.name: each.run for each in tried if each.run and (each.verdict.equal or not each.contestant.own)
    }
    measured = _measure(runs, device, rounds)
    rows = [_row(about, each, measured.get(each.contestant.name)) for each in tried if each.run]
    _set_ratios(rows)
    reasons |= {each.contestant.name: each.verdict.note for each in tried if not each.run}
    absent = [{**about, "backend": name, "reason": reason} for name, reason in reasons.items() if reason]
    wrong = [each for each in tried if each.contestant.own and not each.verdict.equal and not each.lacks]
    place = f"{kernel.name} {case} {about['n']}"
    return Outcome(rows, absent, [f"{place}: {each.contestant.name}: {each.verdict.note}" for each in wrong])


class _Tried(NamedTuple):
    """A contestant after its first call: no `run` if that raised, and `lacks` if for want of a library."""

    contestant: Contestant
    run: Call | None
    verdict: Verdict
    lacks: bool = False


def _why_not(one: Contestant, device: str, n: int, k: int) -> str:
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
    if k > one.most_k:
        return f"finds at most {one.most_k} neighbours"
    if n > one.limits[kind]:
        return f"only up to {one.limits[kind]} here: it would take too long"
    return ""


def _try_all(kernel: Kernel, problem: Any, present: Sequence[Contestant], device: str) -> list[_Tried]:
    """Call everyone once and judge what they answer; those who promise bits must also agree with each other."""
    tried = []
    first: tuple[str, str] | None = None
    for one in present:
        try:
            run = one.start(problem, device)
            output = one.read(run())
            verdict = kernel.judge(problem, output, one.bits)
            if one.bits and verdict.equal:  # the judge may have looked at a sample only
                mark = digest(output)
                first = first or (one.name, mark)
                if mark != first[1]:
                    verdict = verdict._replace(equal=False, note=f"not the bits of {first[0]}, off the sampled rows")
            tried.append(_Tried(one, run, verdict))
        except Exception as error:  # a contestant that fails must not take the others along
            text = " ".join(f"raised {type(error).__name__}: {error}".split())
            tried.append(_Tried(one, None, Verdict(False, 0.0, None, text), isinstance(error, ImportError)))
    return tried


def _measure(runs: Mapping[str, Call], device: str, rounds: Rounds) -> dict[str, tuple[list[Lap], int | None]]:
    """Return the laps and the peak memory of each."""
    gc.collect()  # what is freed later would be missing from someone's peak
    peaks = {name: peak_memory(run, device) for name, run in runs.items()}
    _warm_up(runs, device)
    laps: dict[str, list[Lap]] = {name: [] for name in runs}
    for name, lap in time_in_turn(runs, device, rounds):
        laps[name].append(lap)
    return {name: (laps[name], peaks[name]) for name in runs}


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


def _warm_up(runs: Mapping[str, Call], device: str) -> None:
    """A GPU takes a few calls to settle (clocks, allocator); a CPU has had two by now."""
    for run in runs.values() if device != "cpu" else ():
        spent = 0.0
        for _ in range(10):
            spent += time_call(run, device).wall
            if spent > 1:
                break


def _row(about: Row, tried: _Tried, measured: tuple[list[Lap], int | None] | None) -> Row:
    one, verdict = tried.contestant, tried.verdict
    figures: Row = dict.fromkeys(("median_s", "min_s", "spread_s", "cpu_s", "kernel_s", "repeats", "peak_bytes"))
    if measured is not None:
        figures |= {**summarise(measured[0]), "peak_bytes": measured[1]}
    judged = {"equal_to_reference": verdict.equal, "recall": verdict.recall, "error": verdict.error}
    return {**about, "backend": one.name, "own": one.own, **judged, **figures, "note": verdict.note}


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
