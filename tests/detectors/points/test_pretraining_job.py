"""The job around the pretraining: its files, its sittings, and what it refuses."""

from __future__ import annotations

import hashlib
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from geoad._lock import locked
from geoad.cli.parser import build_parser
from geoad.data.scenes import Scenes
from geoad.descriptors.teacher import Teacher
from geoad.detectors.points import pretraining_job
from geoad.detectors.points.pretraining_job import pretrain
from geoad.training.checkpoint import Checkpoint
from geoad.training.history import History
from geoad.training.progress import ProgressBar
from geoad.training.stop import Stopped
from tests.training.test_stop import after

SMALL: dict[str, Any] = {
    "width": 8, "steps": 6, "scenes": 2, "validation_scenes": 1, "points": 60, "device": "cpu",
    "blocks": 1, "k": 4, "queries": 3, "field_points": 16, "validate_every": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of one sitting, in the folder of their run."""
    return pretrain(tmp_path_factory.mktemp("whole"), **SMALL)


def card(path: Path) -> str:
    return path.with_suffix(".md").read_text()


def test_the_defaults_are_the_thesis_s_here_and_on_the_command_line() -> None:
    wanted = {"width": 64, "scenes": 1000, "validation_scenes": 50, "points": 64_000, "steps": 250_000}
    own = signature(pretrain).parameters
    assert {name: own[name].default for name in wanted} == wanted
    assert signature(Scenes).parameters["objects"].default == 10
    asked = vars(build_parser().parse_args(["pretrain", "--out", "teacher"]))
    assert {name: asked[name] for name in wanted} == {**wanted, "steps": None}  # those of the pretraining


def test_it_writes_weights_card_and_picture(whole: Path) -> None:
    teacher = Teacher.from_pretrained(whole)
    assert (teacher.k, teacher.network.width) == (4, 8)
    text = card(whole)
    assert "| scenes | 2 + 1 of 60 points, source solids |" in text
    assert "| steps | 6 of 6 |" in text and "| k | 4 |" in text and "Not finished" not in text
    assert "geoad pretrain --out FOLDER --width 8 --steps 6 --scenes 2 --validation-scenes 1 --points 60" in text
    assert "--set blocks=1 --set k=4" in text
    assert hashlib.sha256(whole.read_bytes()).hexdigest() in text
    assert all(f"\n| {step} | " in text for step in (2, 4, 6)) and " in 1 sitting |" in text
    assert f"({whole.stem}.png)" in text and whole.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_the_best_teacher_is_the_one_that_is_written(whole: Path) -> None:
    saved = Checkpoint.load(whole.parent / "checkpoint.pt")
    curve = History(saved.log).curve(6)
    assert saved.best is not None and saved.best_loss == min(curve.values())
    assert f"{saved.best_loss:.4f} at step {min(curve, key=lambda step: curve[step])}" in card(whole)
    for name, value in Teacher.from_pretrained(whole).network.state_dict().items():
        assert torch.equal(value, saved.best[f"teacher.{name}"])


def test_again_it_does_nothing_but_write_the_same(whole: Path, tmp_path: Path) -> None:
    before = whole.read_bytes(), card(whole)
    assert pretrain(whole.parent, **SMALL) == whole and (whole.read_bytes(), card(whole)) == before
    assert pretrain(tmp_path, **SMALL).read_bytes() == before[0]


@pytest.mark.parametrize("stop", [1 + 1, 1 + 4])
def test_a_stopped_sitting_writes_what_there_is_and_the_next_goes_on_to_the_same(
    whole: Path, tmp_path: Path, stop: int
) -> None:
    """It is asked within the visit of 2 scenes, then after each step: here after the 2nd or the 5th."""
    pretrain(tmp_path / "scenes-first", **{**SMALL, "steps": 1}, scenes_folder=tmp_path / "scenes")
    run = tmp_path / "run"
    path = pretrain(run, **SMALL, scenes_folder=tmp_path / "scenes", stop=after(stop))
    text = card(path)
    assert f"| steps | {stop} of 6 |" in text and Teacher.from_pretrained(path).k == 4
    assert "Not finished. `geoad pretrain --out FOLDER --continue-from checkpoint.pt --width 8 --steps 6" in text
    assert pretrain(run, **SMALL, scenes_folder=tmp_path / "scenes").read_bytes() == whole.read_bytes()
    assert "Not finished" not in card(path) and " in 2 sittings |" in card(path)
    curve = card(path).partition("| step |")[2]
    assert curve == card(whole).partition("| step |")[2]


def test_a_checkpoint_is_continued_elsewhere_from_one_file(tmp_path: Path) -> None:
    first = pretrain(tmp_path / "here", **{**SMALL, "steps": 3})
    file = (first.parent / "checkpoint.pt").rename(tmp_path / "committed.pt")
    there = pretrain(tmp_path / "there", **SMALL, continue_from=file)
    assert "| steps | 6 of 6 |" in card(there) and " in 2 sittings |" in card(there)
    assert "| 2 | " in card(there) and "| 6 | " in card(there)
    longer = pretrain(tmp_path / "there", **{**SMALL, "steps": 8}, continue_from=file)  # the own one is further
    assert "| steps | 8 of 8 |" in card(longer) and " in 3 sittings |" in card(longer)
    assert file.exists()


def test_a_prolonged_run_is_the_longer_run(whole: Path, tmp_path: Path) -> None:
    pretrain(tmp_path, **{**SMALL, "steps": 4})
    assert pretrain(tmp_path, **SMALL).read_bytes() == whole.read_bytes()


def test_torchs_default_dtype_changes_nothing(whole: Path, tmp_path: Path) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert pretrain(tmp_path, **SMALL).read_bytes() == whole.read_bytes()
    finally:
        torch.set_default_dtype(torch.float32)


def test_two_widths_share_scenes(tmp_path: Path) -> None:
    first = pretrain(tmp_path / "8", **SMALL, scenes_folder=tmp_path / "scenes")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "scenes").rglob("*.npy")}
    pretrain(tmp_path / "12", **{**SMALL, "width": 12}, scenes_folder=tmp_path / "scenes")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "scenes").rglob("*.npy")} == before
    assert (
        len(before) == 2 * 3
        and not (tmp_path / "8" / "scenes").exists()
        and not (tmp_path / "8" / "geoad-cache").exists()
    )
    assert first.exists()


def test_no_time_for_a_step(tmp_path: Path) -> None:
    with pytest.raises(Stopped, match="stopped among the scenes: the same command goes on"):
        pretrain(tmp_path, **SMALL, stop=lambda: True)
    assert len(list(tmp_path.rglob("00*.k4.npy"))) == 1
    pretrain(tmp_path / "other", **{**SMALL, "steps": 1}, scenes_folder=tmp_path / "scenes")
    with pytest.raises(Stopped, match="stopped before the first step"):
        pretrain(tmp_path, **SMALL, stop=lambda: True)


def test_another_process_is_kept_out(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(ValueError, match="is in use by another process"):
        pretrain(tmp_path, **SMALL)
    assert not (tmp_path / "checkpoint.pt").exists() and not list(tmp_path.rglob("*.npy"))


def test_the_bar_counts_scenes_of_both_parts_and_ends_before_the_training_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []

    class Told(ProgressBar):
        def __exit__(self, *_: object) -> None:
            told.append("end")

        def start(self, stage: str, total: int, done: int) -> None:
            told.append((stage, total))

        def advance(self, step: int, text: str) -> None:
            told.append(step)

    for place in ("detectors.points.pretraining_job", "training.trainer"):
        monkeypatch.setattr(f"geoad.{place}.progress_bar", Told)
    pretrain(tmp_path, **{**SMALL, "steps": 1}, progress=True)
    assert told[:5] == [("scenes", 3), 1, 2, 3, "end"] and ("teacher", 1) in told[5:]


def test_scans_are_divided(tmp_path: Path) -> None:
    (scans := tmp_path / "scans").mkdir()
    for i in range(3):
        np.save(scans / f"{i}.npy", np.random.default_rng(i).random((80, 3), np.float32) + i)
    path = pretrain(tmp_path / "run", **{**SMALL, "steps": 1, "source": f"scans:{scans}"})
    scenes = tmp_path / "run" / "scenes"
    assert np.load(scenes / "validation" / "000000.npy").max() < 1 < np.load(scenes / "train" / "000000.npy").min()
    assert f"source scans:{scans}" in card(path)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"scenes": 0}, "scenes must be positive"),
        ({"points": 20, "k": 32}, "points must be greater than k = 32"),
        ({"source": "solid"}, "unknown source 'solid'"),
        ({"width": 30}, "multiple of 4"),
        ({"precision": "8"}, "unknown precision '8'"),
    ],
)
def test_bad_keywords_write_nothing(keywords: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        pretrain(tmp_path / "out", **{"steps": 1, "scenes": 1, **keywords})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"seed": 1}, "it is of seed 0, not 1"),
        ({"scenes": 3}, "it is of 2 samples, not 3"),
        ({"validation_scenes": 3}, "it is of 1 validation samples, not 3"),
        ({"precision": "bf16-mixed"}, "it is of precision 32-true, not bf16-mixed"),
        ({"width": 12}, "it is of width = 8, not 12"),
        ({"learning_rate": 0.5}, "it is of learning_rate = 0.001, not 0.5"),
        ({"rotate": True}, "it is of rotate = False, not True"),
        ({"optimizer": "muon"}, "it is of optimizer = 'adam', not 'muon'"),
        ({"steps": 5}, "it is at step 6, and only 5 are wanted"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_before_anything_is_drawn(
    whole: Path, tmp_path: Path, keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        pretrain(tmp_path / "out", **{**SMALL, **keywords}, continue_from=whole.parent / "checkpoint.pt")
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pretrain(tmp_path / "out", **SMALL, continue_from=tmp_path / "none.pt")
    (tmp_path / "torn.pt").write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"cannot resume from .*torn\.pt: it is truncated"):
        pretrain(tmp_path / "out", **SMALL, continue_from=tmp_path / "torn.pt")


def test_other_settings_in_the_same_folder(whole: Path) -> None:
    with pytest.raises(ValueError, match="choose another folder"):
        pretrain(whole.parent, **{**SMALL, "points": 70})


def write_scans(folder: Path, count: int = 3, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        np.save(folder / f"{i}.npy", np.random.default_rng(seed + i).random((90, 3), dtype=np.float32))
    return folder


def test_other_scenes_are_found_before_they_are_drawn(whole: Path, tmp_path: Path) -> None:
    scans = write_scans(tmp_path / "scans")
    start: dict[str, Any] = {**SMALL, "steps": 12, "continue_from": whole.with_name("checkpoint.pt")}
    with pytest.raises(ValueError, match=r"its first scene is not that of 60 points of scans:/"):
        pretrain(tmp_path / "out", **start, source=f"scans:{scans}")
    assert not (tmp_path / "out").exists()
    pretrain(tmp_path / "out", **start)


def test_scenes_do_not_lie_among_their_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_scans(tmp_path / "scans"))
    with pytest.raises(ValueError, match=r"^teacher/scenes: scenes cannot lie below their source \.: choose a folder"):
        pretrain("teacher", **SMALL, source="scans:.")
    assert not Path("teacher").exists()


def test_shared_scenes_are_of_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seed in (("one", 0), ("two", 9)):
        write_scans(tmp_path / name / "own", seed=seed)
    monkeypatch.chdir(tmp_path / "one")
    pretrain(tmp_path / "a", **SMALL, source="scans:own", scenes_folder=tmp_path / "shared")
    monkeypatch.chdir(tmp_path / "two")
    with pytest.raises(ValueError, match=r"settings\.json: holds scenes of .*one/own.*: choose another folder"):
        pretrain(tmp_path / "b", **SMALL, source="scans:own", scenes_folder=tmp_path / "shared")


def test_a_project_may_move_and_its_scans_become_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scans(tmp_path / "one" / "own")
    monkeypatch.chdir(tmp_path / "one")
    pretrain("out", **SMALL, source="scans:own")
    (tmp_path / "one").rename(tmp_path / "two")
    monkeypatch.chdir(tmp_path / "two")
    np.save("own/9.npy", np.random.default_rng(9).random((90, 3), dtype=np.float32))
    before = torch.random.get_rng_state()
    path = pretrain("out", **{**SMALL, "steps": 8}, source="scans:own")
    assert "| steps | 8 of 8 |" in card(path) and torch.equal(before, torch.random.get_rng_state())


def test_a_source_without_its_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="source 'scans' needs a folder: write scans:FOLDER"):
        pretrain(tmp_path / "out", **SMALL, source="scans:")


def test_no_run_validates_on_what_a_run_learns_from(tmp_path: Path) -> None:
    plan = {"points": 60, "source": "solids", "scenes": 2, "validation_scenes": 2}
    runs = [pretraining_job._scenes(tmp_path / str(seed), 4, {**plan, "seed": seed}) for seed in range(3)]
    train, held_out = ({scene.points.tobytes() for run in runs for scene in run[part]} for part in (0, 1))
    assert len(train) == len(held_out) == 6 and not train & held_out


def test_a_stopped_sitting_leaves_the_best_teacher_and_not_the_last(tmp_path: Path) -> None:
    path = pretrain(tmp_path, **SMALL, stop=after(3 + 1 + 2))  # scenes, the visit of two, steps
    saved = Checkpoint.load(tmp_path / "checkpoint.pt")
    assert saved.best is not None and saved.step == 3
    for name, value in Teacher.from_pretrained(path).network.state_dict().items():
        assert torch.equal(value, saved.best[f"teacher.{name}"])


def test_a_pretraining_removes_what_a_killed_one_was_writing(tmp_path: Path) -> None:
    (tmp_path / ".1f.part").write_bytes(b"half")
    with pytest.raises(Stopped):
        pretrain(tmp_path, **SMALL, stop=lambda: True)
    assert not list(tmp_path.glob("*.part"))
