"""One training at a time in a folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Keep other processes that ask out of `folder`, which is made if need be; a process that dies lets go of it.

    Raises ValueError that names the folder if another process has it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(folder):
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['.lock']
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{folder} is in use by another process: wait for it, or choose another folder") from None
        yield
