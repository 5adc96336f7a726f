"""One process at a time in a folder."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from geoad._whole_file import fault, make_folder

UNKNOWN = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}
"""What file systems of clusters say that know no locks, or were mounted without."""


@contextmanager
def locked(folder: str | Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other processes that ask out of `folder`, which is made if need be; a process that dies lets go of it.

    If another has it, `wait` waits for it. Where the file system knows no locks, nobody is kept out.

    Raises ValueError that names the folder if another process has it and `wait` is not set, and OSError that names
    it if it can't be made, written or locked.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(folder):
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['.lock']
    """
    with _open(make_folder(folder) / ".lock") as file:  # not the folder itself, which NFS cannot lock
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # the latter from CIFS
            raise ValueError(f"{folder} is in use by another process: wait for it, or choose another folder") from None
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise fault(Path(folder), "locked", error) from error
        yield


def _open(path: Path) -> IO[str]:
    """Open the file to write, as NFS wants it to be, or to read if it is another person's."""
    try:
        return path.open("a")  # which leaves its time as it is: a finished folder is not touched
    except PermissionError:
        return path.open()
