"""Files that appear whole or not at all, in folders that can be written."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO
from uuid import uuid4

DRAFT = ".part"
NOT_SYNCED = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
"""What file systems say that cannot be asked to bring a file to the disk: nothing is wrong with what is written."""


def write_whole(path: str | Path, content: bytes | memoryview | Callable[[IO[bytes]], object]) -> None:
    """Write a file under another name in the same folder, then rename it to `path`; `content` may be what fills it.

    The folder is made if need be. Raises OSError that names what cannot be made or written, and the mend.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(f"{folder}/new/a.txt", b"whole")
    ...     (Path(folder) / "new/a.txt").read_text()
    'whole'
    """
    path = Path(path)
    make_folder(path.parent)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: cannot be written: it is a folder; remove it or choose another place")
    draft = path.with_name(f".{uuid4().hex}{DRAFT}")
    try:
        try:
            content = _filled(content) if callable(content) else content
            with draft.open("xb") as file:
                file.write(content)
                file.flush()
                _sync(file)
            os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise fault(path, "written", error) from error


def remove_drafts(folder: str | Path) -> None:
    """Remove what processes that were killed have left of their writing in `folder`, where nobody else is at work.

    >>> remove_drafts("no such folder")
    """
    for draft in Path(folder).glob(f".*{DRAFT}"):
        draft.unlink(missing_ok=True)


def _sync(file: IO[bytes]) -> None:
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in NOT_SYNCED:
            raise


def _filled(fill: Callable[[IO[bytes]], object]) -> memoryview:
    """Return what is to fill a file, to be written in one piece: numpy and torch do not say that a disk is full."""
    buffer = io.BytesIO()
    fill(buffer)
    return buffer.getbuffer()


def make_folder(folder: str | Path) -> Path:
    """Make a folder and those above it, and return it; raise OSError that names it if that or writing cannot be.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     make_folder(f"{folder}/maps/bagel").name
    'bagel'
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise fault(folder, "made", error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            raise OSError(f"{folder}: cannot be written: read-only file system; choose another place")
        raise PermissionError(f"{folder}: cannot be written: permission denied; chmod u+wx it or choose another place")
    return folder


def check_place(folder: str | Path) -> None:
    """Raise the OSError that `make_folder` would, and make nothing.

    >>> check_place("new/folder")
    """
    places = (Path(folder).absolute(), *Path(folder).absolute().parents)
    place = next(place for place in places if place.exists() or place.is_symlink())  # a link to nowhere is in the way
    if not place.is_dir():
        what = "file" if place.exists() else "link to nowhere"
        raise NotADirectoryError(f"{place}: is a {what}, where a folder is to be made: choose another place")
    make_folder(place)  # there it is: whether it can be written


def check_empty(folder: Path, *, but: Collection[str] = ()) -> None:
    """Raise ValueError if a folder holds anything that is visible `but` files and folders of these names.

    >>> check_empty(Path("no such folder"))
    """
    held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if strangers := [name for name in held if not name.startswith(".") and name not in but]:
        raise ValueError(f"{folder}: is no run folder and holds {strangers[0]}: choose an empty or a new one")


def fault(path: Path, verb: str, error: OSError) -> OSError:
    """Return the error of the same kind, in one line that names the file and the mend.

    >>> fault(Path("log"), "written", OSError(28, "No space left on device"))
    OSError('log: cannot be written: no space left on device; free or permit it, or choose another place')
    """
    if isinstance(error, FileExistsError | NotADirectoryError):
        return NotADirectoryError(f"{path}: cannot be {verb}: a file is in the way; choose another place")
    reason = (error.strerror or str(error)).lower()
    return type(error)(f"{path}: cannot be {verb}: {reason}; free or permit it, or choose another place")
