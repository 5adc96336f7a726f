"""A place for compiled kernels where neither the package nor the user's cache can be written, as in a container."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"


def find_place() -> None:
    """Tell numba of a temporary folder if it would find no place: it refuses to compile then.

    It is this user's alone, since what lies there is run. Whoever sets NUMBA_CACHE_DIR keeps his own.

    >>> find_place()
    """
    if VARIABLE in os.environ or _is_writable(Path(__file__).parent) or _is_writable(_user_cache()):
        return
    with suppress(OSError):  # no place at all: numba says so when it is asked
        os.environ[VARIABLE] = str(_temporary())
    if "numba" in sys.modules and VARIABLE in os.environ:
        sys.modules["numba"].config.CACHE_DIR = os.environ[VARIABLE]


def _is_writable(folder: Path) -> bool:
    """Whether the folder can be written, or made."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser("~"), ".cache")).absolute()


def _temporary() -> Path:
    """Return a folder that this user finds again, or a new one if somebody else has its name."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir(), f"geoad-numba-{user}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    facts = folder.lstat()
    mine = not hasattr(os, "getuid") or (facts.st_uid == os.getuid() and not facts.st_mode & 0o077)
    return folder if stat.S_ISDIR(facts.st_mode) and mine else Path(tempfile.mkdtemp(prefix="geoad-numba-"))
