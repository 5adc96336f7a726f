"""Asked to stop: at a signal, after a time, and what a training leaves when it does."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from geoad.training.stop import SIGNALS, Stop, Stopped
from geoad.training.trainer import Trainer
from tests.training.toys import Toy, numbers, states_equal


def after(calls: int) -> Callable[[], bool]:
    """Return what says no so many times, then yes."""
    asked = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > calls

    return stop


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_the_second_does_what_it_did(number: signal.Signals) -> None:
    seen = []
    before = signal.signal(number, lambda *_: seen.append("as before"))
    try:
        with Stop() as stop:
            assert not stop() and not stop.interrupted
            os.kill(os.getpid(), number)
            assert stop() and stop.interrupted and not seen
            os.kill(os.getpid(), number)
            assert seen == ["as before"]
    finally:
        signal.signal(number, before)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Stop():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_hours_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    stop = Stop(hours=2)
    now += 7199
    assert not stop()
    now += 2
    assert stop() and not stop.interrupted
    with pytest.raises(ValueError, match="hours must be positive, got 0"):
        Stop(hours=0)


def test_outside_the_main_thread_signals_stay_as_they_are() -> None:
    answers = []

    def work() -> None:
        with Stop() as stop:
            answers.append(stop())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]


@pytest.mark.parametrize("calls", [12, 18, 19, 24, 37])
def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path: Path, calls: int) -> None:
    """It is asked within 12 steps of a visit, twice 9 of a descent, and 12 again: not at the last of them."""
    with pytest.raises(Stopped, match=r"stopped in stage '\w+' at step \d+ of \d+"):
        Trainer(device="cpu", folder=tmp_path, stop=after(calls)).run(Toy(), numbers())
    resumed = Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers())
    assert states_equal(resumed, Trainer(device="cpu").run(Toy(), numbers()))


def test_the_checkpoint_is_of_the_step_at_which_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="stopped in stage 'descend' at step 5 of 9"):
        Trainer(device="cpu", folder=tmp_path, stop=after(11 + 4)).run(Toy(), numbers())
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (saved["stage"], saved["step"]) == (1, 5)


def test_a_visit_stops_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="stopped in stage 'moments' at step 3 of 12"):
        Trainer(device="cpu", folder=tmp_path, stop=after(2)).run(Toy(), numbers())
    assert not (tmp_path / "checkpoint.pt").exists()
