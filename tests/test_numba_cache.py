"""Kernels are compiled where nothing but a temporary folder can be written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from geoad import _numba_cache
from geoad._numba_cache import VARIABLE, find_place

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder beside a package and a home that cannot be written: for root too, whom no mode stops."""
    monkeypatch.setenv(VARIABLE, "")  # so that what a test sets is undone
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    can = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: tmp_path in Path(path).parents and can(path, mode))
    return tmp_path


def test_a_temporary_folder_is_taken_and_found_again(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_place()
    (folder,) = closed.iterdir()
    assert os.environ[VARIABLE] == str(folder) and folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.delenv(VARIABLE)
    find_place()
    assert os.environ[VARIABLE] == str(folder)
    import numba

    assert str(folder) == numba.config.CACHE_DIR


def test_a_folder_that_others_may_write_is_not_taken(closed: Path) -> None:
    find_place()
    (folder,) = closed.iterdir()
    folder.chmod(0o777)
    del os.environ[VARIABLE]
    find_place()
    assert os.environ[VARIABLE] != str(folder) and Path(os.environ[VARIABLE]).is_dir()


@pytest.mark.parametrize("way", ["file", "dangling", "nowhere"])
def test_what_is_in_the_way_stops_nothing(way: str, closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_place()
    (folder,) = closed.iterdir()
    folder.rmdir()
    del os.environ[VARIABLE]
    if way == "file":
        folder.write_text("")
    if way == "dangling":
        folder.symlink_to("nothing")
    if way == "nowhere":
        monkeypatch.setattr(tempfile, "tempdir", str(closed / "none"))
    find_place()
    assert way == "nowhere" or (os.environ[VARIABLE] != str(folder) and Path(os.environ[VARIABLE]).is_dir())


@pytest.mark.parametrize("place", ["chosen", "package", "user"])
def test_a_place_that_there_is_stays(place: str, closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if place == "chosen":
        monkeypatch.setenv(VARIABLE, "mine")
    if place == "package":
        monkeypatch.setattr(_numba_cache, "__file__", str(closed / "lib" / "geoad" / "_numba_cache.py"))
        (closed / "lib").mkdir()
    if place == "user":
        monkeypatch.setenv("XDG_CACHE_HOME", str(closed / "home" / "cache"))
        (closed / "home").mkdir()
    find_place()
    assert os.environ.get(VARIABLE) == ("mine" if place == "chosen" else None)
