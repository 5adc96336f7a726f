import os
from pathlib import Path

import pytest

from geoad._whole_file import make_folder, write_whole


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


def test_who_may_read_it_is_for_the_umask_to_say(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a.txt", b"whole")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
