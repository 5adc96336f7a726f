"""Scenes drawn once and kept as files beside their neighbour tables, by several processes if wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad._digest import digest_of
from geoad._parent import follow_parent
from geoad._whole_file import write_whole
from geoad.data.listing import files_below
from geoad.data.reading import reading
from geoad.data.scenes import Scenes
from geoad.ops import _arrays


@dataclass(frozen=True, eq=False)
class Scene:
    """`points` (n, 3) float32 and `index` (n, k) int32, the nearest neighbours of each without itself.

    >>> Scene(np.zeros((2, 3), np.float32), np.int32([[1], [0]])).index.shape
    (2, 1)
    """

    points: NDArray[np.float32]
    index: NDArray[np.int32]


class SceneFolder(Sequence[Scene]):
    """The scenes of `Scenes(count, **settings)` in `folder`, each drawn when first asked for and mapped from then on.

    `k` is the number of neighbours in the tables: 000017.npy is a scene, 000017.k32.npy its table for k = 32. Both are
    memory maps, copied on writing: of a table only what is looked at is read.

    Raises ValueError if the folder holds scenes of other settings (`count` and `k` may differ, and the place of a
    source that is no longer where it was), or of files that are gone, or of another size now.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stored = SceneFolder(folder, 2, k=4, points=100, objects=1)
    ...     stored.fill()
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['000000.k4.npy', '000000.npy', '000001.k4.npy', '000001.npy', 'settings.json']
    """

    def __init__(self, folder: str | Path, count: int, *, k: int = 32, **settings: Any) -> None:
        _check.positive(k=k)
        settings = {name: _check.plain(value) for name, value in settings.items()}
        scenes = Scenes(count, **settings)  # faults of the settings are found before anything is written
        if scenes.points <= k:
            raise ValueError(f"points must be greater than k = {k}, got {scenes.points}")
        self.folder = Path(folder)
        self._files = _Files(self.folder, count, k, settings)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take(settings, _digests(settings.get("source"), getattr(scenes.source, "files", ())))

    def _take(self, settings: dict[str, Any], files: list[str]) -> None:
        """Note in the folder what its scenes are of, or raise ValueError if there are others in it."""
        note = self._files.note
        text = json.dumps({**settings, **({"files": files} if files else {})}, sort_keys=True)
        if not note.exists() or not any(self.folder.glob("[0-9]*.npy")):
            write_whole(note, text.encode())
            return
        held = note.read_text(encoding="utf-8")
        old = _read(held)
        known = old.pop("files", files)  # older folders do not say it
        if old != settings and not _moved(old, settings):
            raise _of_others(note, held, text)
        if not set(known) <= set(files):  # there may be more now: scenes that are there do not change
            raise ValueError(f"{note}: holds scenes of other files: choose another folder")
        if held != text:
            write_whole(note, text.encode())

    def __len__(self) -> int:
        return self._files.count

    @overload
    def __getitem__(self, index: int) -> Scene: ...
    @overload
    def __getitem__(self, index: slice) -> list[Scene]: ...
    def __getitem__(self, index: int | slice) -> Scene | list[Scene]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        self._files.make(position)
        return Scene(_map(self._files.scene(position)), _map(self._files.table(position)))

    def fill(self, jobs: int = 1, progress: Callable[[int], None] | None = None) -> None:
        """Make what is not there yet, in `jobs` processes; `progress` is told how many scenes are done."""
        jobs = _arrays.whole("jobs", jobs)
        missing = [i for i in range(len(self)) if not self._files.has(i)]
        for done, _ in enumerate(_each(self._files.make, missing, jobs), len(self) - len(missing) + 1):
            if progress is not None:
                progress(done)


def _read(note: str) -> dict[str, Any]:
    try:
        return dict(json.loads(note))
    except (ValueError, TypeError):
        return {}


def _of_others(note: Path, held: str, asked: str) -> ValueError:
    return ValueError(f"{note}: holds scenes of {held}, not of {asked}: choose another folder")


def _digests(source: object, files: Sequence[Path]) -> list[str]:
    """Return a short digest of name and size of each file below a source's folder that is of the kinds of its own."""
    if not files:
        return []
    root = Path(str(source).partition(":")[2])
    every = files_below(root, {path.suffix.lower() for path in files})
    return sorted(digest_of([path.relative_to(root).as_posix(), path.stat().st_size])[:8] for path in every)


def _moved(old: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Whether settings are these, but for a source of the same name at a place where nothing is now."""
    place = Path(str(old.get("source")).partition(":")[2])
    gone = not (place.is_absolute() and place.exists())
    return gone and _lasting(old) == _lasting(settings)


def _lasting(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what says which scenes these are, wherever their source lies now."""
    kind, _, place = str(settings.get("source")).partition(":")
    return {**settings, "source": (kind, Path(place).name), "files": None}


@dataclass(frozen=True)
class _Files:
    """Where scenes and tables lie, and how they are made: what another process has to know."""

    folder: Path
    count: int
    k: int
    settings: dict[str, Any]

    @property
    def note(self) -> Path:
        return self.folder / "settings.json"

    def scene(self, index: int) -> Path:
        return self.folder / f"{index:06d}.npy"

    def table(self, index: int) -> Path:
        return self.folder / f"{index:06d}.k{self.k}.npy"

    def has(self, index: int) -> bool:
        return self.scene(index).exists() and self.table(index).exists()

    def make(self, index: int) -> None:
        """Write a scene and its table, if they are not there.

        Raises ValueError if another process took the folder for other scenes while it was empty.
        """
        self._check_note()
        if not self.scene(index).exists():
            _save(self.scene(index), Scenes(self.count, **self.settings)[index])
        if not self.table(index).exists():
            from geoad.ops.knn import knn

            table = knn(np.asarray(_map(self.scene(index))), self.k, include_self=False).index
            _save(self.table(index), np.asarray(table, np.int32))

    def _check_note(self) -> None:
        own = json.dumps(self.settings, sort_keys=True)
        if not self.note.exists():  # the folder was removed since then
            write_whole(self.note, own.encode())
            return
        held = self.note.read_text(encoding="utf-8")
        if _lasting(_read(held)) != _lasting(self.settings):
            raise _of_others(self.note, held, own)


def _each(make: Callable[[int], None], numbers: Sequence[int], jobs: int) -> Iterator[None]:
    """Yield whenever one is made; an interrupt is left to this process, which lets the others finish theirs."""
    if jobs == 1 or not numbers:
        yield from map(make, numbers)
        return
    # Spawned, not forked: a fork after torch or numba has started threads can hang.
    with ProcessPoolExecutor(jobs, get_context("spawn"), partial(follow_parent, interrupts=False)) as pool:
        try:
            yield from pool.map(make, numbers)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _map(path: Path) -> NDArray[Any]:
    """Map a file into memory, copied on writing: torch takes no array that is read-only.

    Each map of numpy's keeps a file open, and a process may often have no more than 1024 of them: torch's do not.
    """
    import torch

    with reading(path, "npy"):
        like = np.load(path, mmap_mode="r")
        content = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8).numpy()
    order: Literal["F", "C"] = "F" if np.isfortran(like) else "C"
    array: NDArray[Any] = content[like.offset :].view(like.dtype).reshape(like.shape, order=order)
    return array


def _save(path: Path, array: NDArray[Any]) -> None:
    write_whole(path, lambda file: np.save(file, array))
