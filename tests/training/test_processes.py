"""One call in several processes: values, progress, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from geoad.training.processes import run_processes

ROOT = Path(__file__).resolve().parents[2]
BEATS = """
import signal
from pathlib import Path
from geoad.training.processes import run_processes
from tests.training.test_processes import beat
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & is told to ignore it
    run_processes(2, beat, Path({folder!r}), hear=print)
"""


def scale(rank: int, tell: Callable[[Any], None], values: torch.Tensor) -> tuple[int, int, list[float]]:
    """Write into an argument that the other process has too."""
    tell(rank)
    values *= rank + 2
    return rank, torch.get_num_threads(), values.tolist()


def beat(rank: int, tell: Callable[[Any], None], folder: Path) -> None:
    while True:
        with (folder / str(rank)).open("a") as file:
            file.write(".")
        time.sleep(0.05)


class Awkward(Exception):
    """Cannot be made from its text: pickling would fail where it is undone."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def fail(rank: int, tell: Callable[[Any], None]) -> None:
    raise Awkward(1, 2)


def run(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    seen = {**os.environ, "PYTHONPATH": str(ROOT)}  # a script's own folder is on its path, the tests are not
    command = [sys.executable, *words, script]
    return subprocess.run(command, cwd=ROOT, env=seen, capture_output=True, text=True, check=False)


def test_every_process_has_arguments_of_its_own_and_the_first_returns() -> None:
    values, heard = torch.ones(3), []
    assert run_processes(2, scale, values, hear=heard.append) == (0, max(1, torch.get_num_threads() // 2), [2, 2, 2])
    assert sorted(heard) == [0, 1] and values.tolist() == [1, 1, 1] and not values.is_shared()


def test_an_error_that_cannot_be_sent_is_told_by_its_text() -> None:
    with pytest.raises(RuntimeError) as caught:
        run_processes(1, fail, hear=print)
    assert str(caught.value) == "Awkward: 1 and 2" and "in fail" in caught.value.__notes__[0]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_its_parent(tmp_path: Path, kind: signal.Signals) -> None:
    command = [sys.executable, "-c", BEATS.format(folder=str(tmp_path))]
    parent = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    beats = [tmp_path / "0", tmp_path / "1"]
    wait_for(lambda: all(path.exists() for path in beats))
    if kind == signal.SIGINT:
        os.killpg(parent.pid, kind)  # as a terminal does
    else:
        parent.kill()
    _, said = parent.communicate(timeout=30)
    assert said.count("Traceback") == (kind == signal.SIGINT)
    wait_for(lambda: at_rest(beats))


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def at_rest(beats: list[Path]) -> bool:
    before = [path.stat().st_size for path in beats]
    time.sleep(0.5)
    return before == [path.stat().st_size for path in beats]


def test_a_script_without_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(BEATS.format(folder=str(tmp_path)).replace('if __name__ == "__main__":', "if True:"))
    done = run(str(script))
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("RuntimeError: process ")
    assert last.endswith('of 2 ended with code 1 before it began: is the script under if __name__ == "__main__"?')


def test_a_function_of_a_notebook_is_told_so() -> None:
    script = "from geoad.training.processes import run_processes\ndef mine(*_): ...\nrun_processes(1, mine, hear=print)"
    done = run(script, "-c")
    assert "TypeError: several devices need classes that are imported from a file: " in done.stderr
