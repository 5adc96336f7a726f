"""Clocks: every contestant in turn, round after round, so that a load on the machine hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch

Call = Callable[[], Any]


class Lap(NamedTuple):
    """One call: seconds on the wall, CPU seconds of all threads, and between two CUDA events (None on the CPU).

    >>> Lap(wall=0.5, cpu=0.9, kernel=None).cpu
    0.9
    """

    wall: float
    cpu: float
    kernel: float | None


class Rounds(NamedTuple):
    """How often a contestant is called: `repeats` times, but not again once it has taken `patience` seconds.

    >>> Rounds(repeats=7, patience=10.0).repeats
    7
    """

    repeats: int
    patience: float


def time_in_turn(runs: Mapping[str, Call], device: str, rounds: Rounds) -> Iterator[tuple[str, Lap]]:
    """Yield (name, Lap) of one call after the other, each of `runs` once a round.

    >>> laps = list(time_in_turn({"a": list, "b": dict}, "cpu", Rounds(repeats=2, patience=1.0)))
    >>> [name for name, _ in laps]
    ['a', 'b', 'a', 'b']
    """
    taken = dict.fromkeys(runs, 0.0)
    for _ in range(rounds.repeats):
        for name, run in runs.items():
            if taken[name] < rounds.patience:
                lap = time_call(run, device)
                taken[name] += lap.wall
                yield name, lap


def time_call(run: Call, device: str) -> Lap:
    """Call once; on a CUDA device the clock stops when the device has finished.

    >>> time_call(lambda: time.sleep(0.01), "cpu").wall >= 0.01
    True
    """
    if device == "cpu":
        cpu, wall = time.process_time(), time.perf_counter()
        run()
        return Lap(time.perf_counter() - wall, time.process_time() - cpu, None)
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    cpu, wall = time.process_time(), time.perf_counter()
    first.record()
    run()
    last.record()
    torch.cuda.synchronize(device)
    return Lap(time.perf_counter() - wall, time.process_time() - cpu, first.elapsed_time(last) / 1000)


def summarise(laps: list[Lap]) -> dict[str, Any]:
    """Return the figures of a row; `spread_s` is the 90th less the 10th percentile of the wall.

    >>> summarise([Lap(1.0, 0.9, None), Lap(3.0, 1.1, None), Lap(2.0, 1.0, None)])["median_s"]
    2.0
    """
    walls = [lap.wall for lap in laps]
    figures = {"median_s": statistics.median(walls), "min_s": min(walls), "spread_s": _spread(walls)}
    figures["cpu_s"] = statistics.median(lap.cpu for lap in laps)
    kernels = [lap.kernel for lap in laps if lap.kernel is not None]
    return {**figures, "kernel_s": statistics.median(kernels) if kernels else None, "repeats": len(laps)}


def _spread(seconds: list[float]) -> float:
    if len(seconds) == 1:
        return 0.0
    tenths = statistics.quantiles(seconds, n=10, method="inclusive")
    return tenths[-1] - tenths[0]
