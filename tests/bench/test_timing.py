"""Clocks and memory."""

from __future__ import annotations

import time

import numpy as np
import pytest

from geoad.bench import memory, timing
from geoad.bench.memory import peak_memory
from geoad.bench.timing import Lap, Rounds, summarise, time_in_turn


def test_everyone_is_called_once_a_round_until_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "time_call", lambda run, device: run())
    runs = {"quick": lambda: Lap(0.001, 0.001, None), "slow": lambda: Lap(0.02, 0.0, None)}
    laps = list(time_in_turn(runs, "cpu", Rounds(repeats=4, patience=0.03)))
    assert [name for name, _ in laps] == ["quick", "slow", "quick", "slow", "quick", "quick"]


def test_sleep_is_time_on_the_wall_and_not_of_the_processor() -> None:
    lap = timing.time_call(lambda: time.sleep(0.05), "cpu")
    assert lap.cpu < lap.wall


def test_a_row_has_median_least_and_spread() -> None:
    figures = summarise([Lap(float(wall), wall / 2, wall / 4) for wall in (3, 1, 2, 5, 4)])
    assert figures == {
        "median_s": 3.0, "min_s": 1.0, "spread_s": pytest.approx(3.2), "cpu_s": 1.5, "kernel_s": 0.75, "repeats": 5,
    }  # fmt: skip
    assert summarise([Lap(2.0, 1.0, None)])["spread_s"] == 0.0


def test_peak_memory_sees_what_is_gone_when_the_call_returns() -> None:
    def run() -> np.ndarray:
        return np.ones((5_000_000, 2)).sum(1)  # 80 MB, then 40 MB more

    peak = peak_memory(run, "cpu")
    if peak is None:
        pytest.skip("this system does not tell")
    assert 110e6 < peak < 140e6
    assert peak_memory(lambda: None, "cpu") < 20e6  # the peak of the call before is forgotten


def test_no_peak_is_better_than_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(field: str) -> int:
        raise PermissionError("no")

    calls = []
    monkeypatch.setattr(memory, "_resident", refuse)
    assert peak_memory(lambda: calls.append(1), "cpu") is None
    assert calls == [1]
