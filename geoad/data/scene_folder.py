"""Scenes drawn once and kept as files, by several processes if wanted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from geoad.data.scenes import Scenes


class SceneFolder(Sequence[NDArray[np.float32]]):
    """The scenes of `Scenes(count, **settings)` in `folder`, each drawn when first asked for and read from then on.

    Raises ValueError if the folder holds scenes of other settings (`count` may differ).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     stored = SceneFolder(folder, 2, points=100, objects=1)
    ...     stored.fill()
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['000000.npy', '000001.npy', 'settings.json']
    """

    def __init__(self, folder: str | Path, count: int, **settings: Any) -> None:
        self.folder, self._count, self.settings = Path(folder), count, settings
        Scenes(count, **settings)  # faults of the settings are found before anything is written
        self.folder.mkdir(parents=True, exist_ok=True)
        note = self.folder / "settings.json"
        text = json.dumps(settings, sort_keys=True)
        if not note.exists():
            _replace(note, text.encode())
        elif note.read_text() != text:
            raise ValueError(f"{note}: holds scenes of {note.read_text()}, not of {text}: choose another folder")

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.float32]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        path = self._draw(range(self._count)[index])
        scene: NDArray[np.float32] = np.load(path)
        return scene

    def fill(self, jobs: int = 1, progress: Callable[[int], None] | None = None) -> None:
        """Draw what is not there yet, in `jobs` processes; `progress` is told how many scenes are done."""
        missing = [i for i in range(self._count) if not self._path(i).exists()]
        done = self._count - len(missing)
        # Spawned, not forked: a fork after torch or numba has started threads can hang.
        with ProcessPoolExecutor(jobs, get_context("spawn")) if jobs > 1 and missing else _Here() as pool:
            for _ in pool.map(partial(_draw, self.folder, self._count, self.settings), missing):
                done += 1
                if progress is not None:
                    progress(done)

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:06d}.npy"

    def _draw(self, index: int) -> Path:
        path = self._path(index)
        if not path.exists():
            _draw(self.folder, self._count, self.settings, index)
        return path


class _Here:
    """A pool of no other process."""

    def __enter__(self) -> _Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    map = map


def _draw(folder: Path, count: int, settings: dict[str, Any], index: int) -> None:
    """Write one scene, whole or not at all."""
    temporary = folder / f"{index:06d}.{os.getpid()}.tmp"
    with temporary.open("wb") as file:
        np.save(file, Scenes(count, **settings)[index])
    os.replace(temporary, folder / f"{index:06d}.npy")


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
