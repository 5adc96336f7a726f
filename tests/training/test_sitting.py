"""Several sittings: what the log tells of them, and how a checkpoint travels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geoad.training import sitting
from geoad.training.checkpoint import Checkpoint
from geoad.training.history import History

LINES = [
    {"stage": "teacher", "step": 1, "seconds": 1800.0},
    {"stage": "teacher", "step": 2, "validation": 5.0, "seconds": 3600.0},
    {"stage": "teacher", "step": 3, "validation": 4.0, "seconds": 3700.0},
    {"sitting": "a laptop"},
    {"stage": "teacher", "step": 2, "resumed": True, "seconds": 4000.0},
    {"stage": "teacher", "note": "a remark"},
    {"stage": "teacher", "step": 3, "validation": 3.0, "seconds": 7100.0},
    {"stage": "teacher", "step": 4, "validation": 2.0, "seconds": 10900.0},
    {"sitting": "a server"},
    {"sitting": "a laptop"},
    {"stage": "teacher", "step": 4, "resumed": True, "seconds": 0.5},
    {"stage": "teacher", "step": 5, "seconds": 3400.0},
]


def write(path: Path, lines: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def facts(history: History) -> tuple[float, list[str], int, dict[int, float]]:
    return round(history.hours, 3), history.places, len(history.sittings), history.curve(9)


def test_what_a_log_tells() -> None:
    history = History(LINES)
    assert facts(history) == (5.0, ["a laptop"], 3, {2: 5.0, 3: 3.0, 4: 2.0})  # nothing was done on the server
    assert history.curve(until=3) == {2: 5.0, 3: 3.0}


def test_the_essence_tells_the_same() -> None:
    short = History(LINES).short()
    assert facts(History(short)) == facts(History(LINES)) and len(short) == 7
    assert History(short).short() == short


def test_without_a_word_a_sitting_begins_where_the_seconds_do() -> None:
    bare = [line for line in LINES if "seconds" in line and line["seconds"] not in (4000.0, 7100.0)]
    assert len(History(bare).sittings) == 2


def test_torn_and_absent_logs(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert facts(History.read(path)) == (0.0, [], 0, {})
    write(path, LINES[:2])
    path.write_text(path.read_text() + '{"stage": "teacher", "st\n' + json.dumps(LINES[2]) + "\n")
    assert History.read(path).lines == LINES[:3]


def checkpoint(folder: Path, step: int) -> Path:
    folder.mkdir(exist_ok=True)
    Checkpoint(0, 12, "3f0a", stage=1, step=step, plan=("teacher", 9), module={}).save(folder / "checkpoint.pt")
    return folder / "checkpoint.pt"


@pytest.mark.parametrize("ended", [True, False])
def test_a_checkpoint_travels_with_its_log(tmp_path: Path, ended: bool) -> None:
    """Ended, the log is inside; killed, it lies beside."""
    file = checkpoint(tmp_path / "here", 5)
    write(tmp_path / "here" / "log.jsonl", LINES)
    if ended:
        sitting.end(tmp_path / "here")
        file = file.rename(tmp_path / "travels.pt")
    (there := tmp_path / "there").mkdir()
    write(there / "log.jsonl", [{"step": 77, "validation": 1.0, "seconds": 1e6}])  # of a run that is not continued
    sitting.begin(there, "a server", file)
    assert Checkpoint.load(there / "checkpoint.pt").step == 5
    assert facts(History.read(there / "log.jsonl")) == facts(History(LINES))
    assert History.read(there / "log.jsonl").lines[-1] == {"sitting": "a server"}


def test_a_folder_that_is_further_goes_on_by_itself(tmp_path: Path) -> None:
    file = checkpoint(tmp_path / "here", 5)
    own = checkpoint(tmp_path / "there", 6)
    sitting.begin(tmp_path / "there", "a server", file)
    assert Checkpoint.load(own).step == 6


def test_a_folder_that_is_behind_is_not_overwritten(tmp_path: Path) -> None:
    file, own = checkpoint(tmp_path / "here", 5), checkpoint(tmp_path / "there", 4)
    with pytest.raises(ValueError, match=r"there/checkpoint\.pt is at step 4, .*here/checkpoint\.pt at step 5: remove"):
        sitting.begin(tmp_path / "there", "a server", file)
    assert Checkpoint.load(own).step == 4


def test_a_checkpoint_renamed_within_its_folder_keeps_its_log(tmp_path: Path) -> None:
    file = checkpoint(tmp_path, 5).rename(tmp_path / "kept.pt")
    write(tmp_path / "log.jsonl", LINES)
    sitting.begin(tmp_path, "a server", file)
    assert facts(History.read(tmp_path / "log.jsonl")) == facts(History(LINES))


def test_a_later_stage_is_further_than_more_steps_of_an_earlier_one(tmp_path: Path) -> None:
    file, own = checkpoint(tmp_path / "here", 5), checkpoint(tmp_path / "there", 9)
    Checkpoint(0, 12, "3f0a", stage=0, step=9, plan=("scenes", 9), module={}).save(own)
    with pytest.raises(ValueError, match=r"there/checkpoint\.pt is at step 9, .*here/checkpoint\.pt at step 5: remove"):
        sitting.begin(tmp_path / "there", "a server", file)
