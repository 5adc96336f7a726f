"""A root folder filled with what was planned: in parallel, resumable, and with a checksum of every file."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

from geoad._lock import locked
from geoad._parent import follow_parent
from geoad._thread_count import single_threaded
from geoad.data.sim3d import store

Progress = Callable[[int, int], object]


class Planned(Protocol):
    """Something to be written, and its files below the root.

    >>> from geoad.data.sim3d.plan import PlannedScan
    >>> len(PlannedScan("foam", "train", "good", 0).paths)
    2
    """

    @property
    def paths(self) -> dict[str, PurePosixPath]:
        """The files by what they hold."""


E = TypeVar("E", bound=Planned)


def fill(
    root: Path,
    settings: dict[str, Any],
    entries: Sequence[E],
    write: Callable[[Path, E], dict[str, str]],
    *,
    size: Callable[[E], int],
    besides: Mapping[PurePosixPath, Callable[[Path], object]],
    progress: Progress | None = None,
    jobs: int = 1,
) -> None:
    """Write all `entries` that are not there yet, `besides` them the files that belong to no entry.

    `write(root, entry)` returns the SHA-256 of the files it wrote by path; `size(entry)` is its bytes on disk. All that
    is written must appear whole or not at all. See `make_sim3d` for what is refused.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     note = {PurePosixPath("note"): lambda path: path.write_text("made")}
    ...     fill(Path(folder), {"seed": 0}, [], lambda root, entry: {}, size=len, besides=note)
    ...     sorted(path.name for path in Path(folder).glob("[!.]*"))
    ['manifest.json', 'note']
    """
    paths = [*(path for entry in entries for path in entry.paths.values()), *besides]
    store.check_ours(root, settings, paths)  # before anything is written
    with locked(root):
        manifest = store.claim(root, settings, paths)
        todo = [entry for entry in entries if not all((root / path).exists() for path in entry.paths.values())]
        _check_room(root, sum(map(size, todo)))
        besides = {path: put for path, put in besides.items() if not (root / path).exists()}
        for path, put in besides.items():
            put(root / path)
        files = {path.as_posix(): store.checksum(root / path) for path in besides}
        for done, written in enumerate(_work(root, todo, write, jobs), start=len(entries) - len(todo) + 1):
            files |= written
            if progress is not None:
                progress(done, len(entries))
        _finish(root, manifest, files, paths)


def _check_room(root: Path, need: int) -> None:
    """Raise OSError unless the disk holds what is still to be written."""
    free = shutil.disk_usage(root).free
    if need > free:
        raise OSError(
            errno.ENOSPC, f"{root} needs {need / 1e9:.1f} GB, {free / 1e9:.1f} GB are free: choose a smaller size"
        )


def _work(
    root: Path, todo: Sequence[E], write: Callable[[Path, E], dict[str, str]], jobs: int
) -> Iterator[dict[str, str]]:
    """Yield the checksums of every entry as it is written."""
    if jobs == 1 or len(todo) < 2:
        yield from (write(root, entry) for entry in todo)
        return
    with single_threaded(), ProcessPoolExecutor(jobs, get_context("spawn"), follow_parent) as pool:
        try:
            written = as_completed([pool.submit(write, root, entry) for entry in todo])
            yield from (future.result() for future in written)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _finish(root: Path, manifest: dict[str, Any], files: dict[str, str], paths: Iterable[PurePosixPath]) -> None:
    """Complete the manifest: checksums of what was written now, recorded ones, and those of an interrupted run."""
    known = manifest["files"] | files
    table = {path.as_posix(): known.get(path.as_posix()) or store.checksum(root / path) for path in paths}
    table = dict(sorted(table.items()))
    if not manifest["complete"] or table != manifest["files"]:
        store.save(root, {**manifest, "complete": True, "files": table})
