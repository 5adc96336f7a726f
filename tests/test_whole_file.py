import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from geoad._whole_file import make_folder, remove_drafts, write_whole
from geoad.evaluation.fit_threshold import fit_threshold
from geoad.training.log import Log
from tests.evaluation.toys import Height, ToyDataset


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(file):
        file.write(b"half")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_files_are_readable_by_others(tmp_path):
    write_whole(tmp_path / "new" / "a.txt", b"whole")
    assert (tmp_path / "new" / "a.txt").stat().st_mode & 0o777 == 0o644


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "maps"):
        with pytest.raises(NotADirectoryError, match=r"file.*: cannot be made: a file is in the way"):
            make_folder(folder)
    with pytest.raises(IsADirectoryError, match="cannot be written: it is a folder"):
        write_whole(tmp_path, b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot be written: permission denied"):
        make_folder(tmp_path)
    with pytest.raises(PermissionError, match="cannot be made: permission denied"):
        make_folder(tmp_path / "new")


def test_a_disk_error_is_told_in_one_line(tmp_path):
    def full(file):
        raise OSError(28, "No space left on device")

    with pytest.raises(
        OSError, match=r"a\.txt: cannot be written: no space left on device; free or permit it"
    ) as caught:
        write_whole(tmp_path / "a.txt", full)
    assert "\n" not in str(caught.value)


@contextmanager
def small_files() -> Iterator[None]:
    """Let the disk be full at 1000 bytes a file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_fills_a_file_need_not_know_of_disks(tmp_path: Path) -> None:
    map_of_a_part = np.zeros(90_000)
    with small_files(), pytest.raises(OSError, match=r"a\.npy: cannot be written: file too large; free"):
        write_whole(tmp_path / "a.npy", lambda file: np.save(file, map_of_a_part))
    assert not list(tmp_path.iterdir())


def test_a_log_that_finds_no_room_is_named(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    with small_files(), pytest.raises(OSError, match=r"log: cannot be written: file too large; free"):
        log.write(text=2000 * "a")


def test_maps_that_wait_for_a_threshold_find_no_room() -> None:
    with small_files(), pytest.raises(OSError, match=r"000000\.npy: cannot be written: file too large; free"):
        fit_threshold(Height(), ToyDataset(("good",) * 3))  # type: ignore[arg-type]


def test_who_may_read_it_is_for_the_umask_to_say(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a.txt", b"whole")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def fail_with(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Let a function of `os` fail as a file system would."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, fail)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_need_not_know_of_syncing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fail_with(monkeypatch, "fsync", number)
    write_whole(tmp_path / "a.txt", b"whole")
    assert (tmp_path / "a.txt").read_bytes() == b"whole"


def test_a_disk_that_is_full_only_when_it_is_synced_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, "fsync", errno.ENOSPC)
    with pytest.raises(OSError, match=r"a\.txt: cannot be written: no space left"):
        write_whole(tmp_path / "a.txt", b"whole")
    assert not list(tmp_path.iterdir())


def test_drafts_of_the_killed_can_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".lock").touch()
    write_whole(tmp_path / "whole.part", b"mine")
    fail_with(monkeypatch, "replace", errno.EIO)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # as if the process were gone
    with pytest.raises(OSError, match="whole"):
        write_whole(tmp_path / "whole.txt", b"whole")
    assert len(list(tmp_path.iterdir())) == 3
    monkeypatch.undo()
    remove_drafts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "whole.part"}


def test_a_read_only_file_system_is_told_from_a_lack_of_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="permission denied; chmod"):
        make_folder(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY | os.ST_NOSUID))
    with pytest.raises(OSError, match="cannot be written: read-only file system; choose another place"):
        make_folder(tmp_path)
