"""One process at a time in a folder."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, cast

import pytest

from geoad._lock import locked


def other(folder: Path, wait: bool = False) -> subprocess.Popen[str]:
    """Start another process that asks for the folder."""
    code = f"from geoad._lock import locked\nwith locked({str(folder)!r}, wait={wait}): print('in')"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_another_process_is_kept_out(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert "is in use by another process: wait for it, or choose another folder" in other(tmp_path).communicate()[1]
    assert other(tmp_path).communicate()[0] == "in\n"


def test_another_process_waits_if_it_is_told_to(tmp_path: Path) -> None:
    with locked(tmp_path):
        waiting = other(tmp_path, wait=True)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=3)
    assert waiting.communicate()[0] == "in\n"


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_nobody_is_kept_out_where_the_file_system_knows_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: bool, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path, wait=wait):
        pass


@pytest.mark.parametrize(
    ("number", "error", "told"),
    [
        (errno.EIO, OSError, ": cannot be locked: (?i:Input/output error)"),
        (errno.EACCES, ValueError, " is in use by another process"),  # as CIFS says it
    ],
)
def test_other_faults_of_the_file_system_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception], told: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(error, match=f"{tmp_path}{told}"), locked(tmp_path):
        pass


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with (
        pytest.raises(NotADirectoryError, match=r"run: cannot be made: a file is in the way"),
        locked(tmp_path / "run"),
    ):
        pass


def test_the_lock_of_another_person_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".lock").write_text("")
    whole = Path.open

    def reading(path: Path, mode: str = "r") -> IO[str]:
        if mode != "r":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return cast("IO[str]", whole(path, mode))

    monkeypatch.setattr(Path, "open", reading)
    with locked(tmp_path):
        assert "is in use by another process" in other(tmp_path).communicate()[1]
