"""A training in several sittings, on one machine or on several: its checkpoint travels with the essence of its log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from geoad._whole_file import remove_drafts
from geoad.training.checkpoint import NAME, Checkpoint
from geoad.training.history import History
from geoad.training.log import Log

LOG = "log.jsonl"


def begin(folder: Path, where: str, file: Path | None = None) -> None:
    """Make `folder` ready for a sitting: note in its log.jsonl that one begins at `where`.

    `file` is the checkpoint of an earlier sitting, from here or from another machine: it is taken up, with its log, if
    the folder has none. A log without a checkpoint is of a run that is not continued, and is deleted; so is what a
    killed process was writing.

    Raises ValueError if the folder has a checkpoint of an earlier step than the file's.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     begin(folder := Path(name), "a laptop")
    ...     History.read(folder / "log.jsonl").lines
    [{'sitting': 'a laptop'}]
    """
    remove_drafts(folder)
    own, path = folder / NAME, folder / LOG
    if not own.exists():
        saved = None if file is None else Checkpoint.load(file)
        lines = _lines(saved, file) if saved is not None and file is not None else []
        path.unlink(missing_ok=True)  # perhaps the very log that the lines are from
        if saved is not None:
            _take_up(saved, lines, folder)
    elif file is not None:
        here, there = Checkpoint.load(own), Checkpoint.load(file)
        if (here.stage, here.step) < (there.stage, there.step):
            raise ValueError(
                f"{own} is at step {here.step}, {file} at step {there.step}: remove the former, or choose a new folder"
            )
    Log(path).write(sitting=where)


def end(folder: Path) -> Checkpoint | None:
    """Put the essence of the log into the checkpoint, for it to travel alone; None if there is no checkpoint yet.

    >>> end(Path("no/such/folder"))
    """
    path = folder / NAME
    if not path.exists():
        return None
    saved = Checkpoint.load(path)
    saved.log = History.read(folder / LOG).short()
    saved.save(path)
    return saved


def _lines(saved: Checkpoint, file: Path) -> list[dict[str, Any]]:
    """Return the essence of the log; that of a sitting which was killed lies beside its checkpoint, not in it."""
    return saved.log or History.read(file.with_name(LOG)).short()


def _take_up(saved: Checkpoint, lines: list[dict[str, Any]], folder: Path) -> None:
    """Write checkpoint and log."""
    log = Log(folder / LOG)
    for line in lines:
        log.write(**line)
    saved.save(folder / NAME)  # last: without it, the next call does all of this again
