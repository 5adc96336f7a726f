"""`geoad pretrain` in sittings: time budgets, signals, keywords."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from geoad.descriptors.teacher import Teacher
from geoad.detectors.points.pretraining import TeacherPretraining
from geoad.training.stop import Stop
from tests.cli.said import assert_one_line

WORDS = ("--width", "8", "--scenes", "1", "--validation-scenes", "1", "--points", "200", "--device", "cpu")
SETS = ("--set", "blocks=1", "--set", "k=4", "--set", "queries=2", "--set", "field_points=8")
FAST = (*WORDS, *SETS)


def test_keywords_reach_the_teacher_and_the_card(geoad, tmp_path: Path) -> None:
    ablations = ("--set", "coordinates=absolute", "--set", "rotate=True", "--precision", "bf16-mixed")
    said = geoad("pretrain", "--out", tmp_path, *FAST, "--steps", "2", *ablations)
    assert said.code == 0, said.err
    teacher = Teacher.from_pretrained(tmp_path / "3d-st-8.safetensors")
    assert (teacher.k, teacher.network.coordinates, teacher.network.hops) == (4, "absolute", 2)
    card = (tmp_path / "3d-st-8.md").read_text()
    assert "--precision bf16-mixed --set blocks=1 --set k=4" in card
    assert "--set coordinates=absolute --set rotate=True" in card


def test_more_steps_and_fewer(geoad, tmp_path: Path) -> None:
    for steps, code in ((2, 0), (4, 0), (3, 1)):
        said = geoad("pretrain", "--out", tmp_path, *FAST, "--steps", steps)
        assert said.code == code
    assert_one_line(said, tmp_path / "checkpoint.pt", "it is at step 4, and only 3 are wanted")


def test_a_preset_gives_what_is_not_said(geoad, tmp_path: Path) -> None:
    said = geoad(
        "pretrain", "--out", tmp_path, *FAST, "--preset", "quick", "--steps", "2", "--set", "learning_rate=0.1"
    )
    assert said.code == 0, said.err
    words = "--steps 2 --scenes 1"
    card = (tmp_path / "3d-st-8.md").read_text()
    assert words in card and "--set optimizer=muon --set learning_rate=0.1 --set decay=True" in card
    assert TeacherPretraining.quick()["steps"] == 12_000


def test_a_rate_that_falls_to_zero_is_not_prolonged(geoad, tmp_path: Path) -> None:
    for steps, code in ((2, 0), (4, 1)):
        said = geoad("pretrain", "--out", tmp_path, *FAST, "--set", "decay=True", "--steps", steps)
        assert said.code == code, said.err
    assert_one_line(said, "checkpoint")


def test_hours_end_a_sitting_and_a_file_goes_on_elsewhere(geoad, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("geoad.cli.pretrain.Stop", Soon)
    said = geoad("pretrain", "--out", tmp_path / "a", *FAST, "--steps", "99", "--hours", "7")
    assert said.code == 0 and said.err == "geoad: the time is over: the same command goes on\n"
    assert "| steps | 5 of 99 |" in (tmp_path / "a" / "3d-st-8.md").read_text()
    file = ("--continue-from", tmp_path / "a" / "checkpoint.pt")
    said = geoad("pretrain", "--out", tmp_path / "b", *FAST, "--steps", "7", *file)
    assert said.code == 0 and said.err == ""
    card = (tmp_path / "b" / "3d-st-8.md").read_text()
    assert "| steps | 7 of 7 |" in card and " in 2 sittings |" in card


class Soon(Stop):
    """Hours that are over when it has been asked seven times: after each of two scenes and five steps."""

    def __call__(self) -> bool:
        self.asked = getattr(self, "asked", 0) + 1
        return self._end is not None and self.asked >= 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_sitting_in_order(tmp_path: Path, number: signal.Signals) -> None:
    words = [sys.executable, "-m", "geoad", "pretrain", "--out", str(tmp_path), *FAST, "--steps", "1000000"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        log, end = tmp_path / "log.jsonl", time.monotonic() + 60
        while not (log.exists() and '"teacher"' in log.read_text()) and time.monotonic() < end:
            time.sleep(0.1)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command goes on" in err and "Traceback" not in err
    assert "3d-st-8.safetensors" in out and Teacher.from_pretrained(tmp_path / "3d-st-8.safetensors").k == 4
    assert "Not finished" in (tmp_path / "3d-st-8.md").read_text()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--set", "kk=4"), ("unknown keyword of pretrain 'kk'", "did you mean 'k'")),
        (("--set", "width=4"), ("width is an option: --width N",)),
        (("--hours", "0"), ("must be a number of hours above 0",)),
    ],
)
def test_wrong_words_write_nothing(geoad, tmp_path: Path, words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert_one_line(geoad("pretrain", "--out", tmp_path / "run", *WORDS, *words), *parts, code=2)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--continue-from", "none.pt"), "none.pt: no such file"),
        (("--source", "scans:nowhere"), "nowhere is not a folder"),
        (("--set", "coordinates=polar"), "unknown coordinates 'polar'"),
        (("--set", "rotate=no"), "rotate must be True or False"),
    ],
)
def test_what_cannot_be_done_is_one_line(geoad, tmp_path: Path, words: tuple[str, ...], part: str) -> None:
    assert_one_line(geoad("pretrain", "--out", tmp_path / "run", *WORDS, *words), part)


def test_no_time_for_a_step_is_said(geoad, tmp_path: Path) -> None:
    said = geoad("pretrain", "--out", tmp_path, *FAST, "--hours", "1e-9")
    assert said.code == 1 and said.err.endswith("geoad: stopped among the scenes: the same command goes on\n")
