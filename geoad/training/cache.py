"""Prepared samples, each made once: kept in memory while they fit, in files beyond that."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geoad.training.seed import seed_torch
from geoad.training.stage import Batch
from geoad.training.torch_file import write_torch


class Cache:
    """The prepared form of `samples`, by position.

    Items are kept in memory unless `len(samples)` times the size of the first exceeds `memory` bytes. Then, or if
    several processes have the cache (`shared`), they go to files under `folder`. Files that an interrupted run left
    there are taken up if the first of them equals a fresh preparation, bit for bit. With `files` False there are none:
    what does not fit in memory is prepared again each time.

    Raises TypeError if `prepare` returns anything but a dict of CPU tensors without the reserved key "sample".

    >>> cache = Cache([1.0, 2.0], lambda sample: {"x": torch.tensor(sample)}, 1e6, Path("unused"))
    >>> float(cache[1]["x"]), cache.bytes
    (2.0, 8)
    """

    def __init__(
        self,
        samples: Sequence[Any],
        prepare: Callable[[Any], Batch],
        memory: float,
        folder: Path,
        *,
        shared: bool = False,
        files: bool = True,
    ) -> None:
        self._samples, self._prepare, self._folder = samples, prepare, folder
        self._items: dict[int, Batch] = {}
        first = self._make(0)
        self.bytes = len(samples) * sum(tensor.numel() * tensor.element_size() for tensor in first.values())
        self.fingerprint = _digest(first)
        self.in_memory = self.bytes <= memory
        self.in_files = files and (shared or not self.in_memory)
        if self.in_memory:
            self._items[0] = first
        if self.in_files:
            self._open_folder(first)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, position: int) -> Batch:
        item = self._items.get(position)
        if item is None:
            item = self._from_file(position) if self.in_files else self._make(position)
            if self.in_memory:
                self._items[position] = item
        return item

    def place(self, position: int) -> str:
        """Return what a person knows a sample by, "" where it has no place."""
        return str(getattr(self._samples[position], "place", ""))

    def fill(self, position: int) -> None:
        """See to it that the file of one item is there, if it is to have one."""
        if self.in_files and not self._file(position).exists():
            self._from_file(position)

    def _from_file(self, position: int) -> Batch:
        """Return an item from its file; write that first if there is none that can be read."""
        item = _read(self._file(position))
        if item is None:
            item = self._make(position)
            write_torch(self._file(position), item)
        return item

    def _make(self, position: int) -> Batch:
        """Prepare one sample and check what came."""
        seed_torch(position)  # whatever a preparation draws must not depend on when it is made
        with torch.no_grad():
            item = self._prepare(self._samples[position])
        if not isinstance(item, dict) or not all(isinstance(value, Tensor) for value in item.values()):
            raise TypeError(f"prepare must return a dict of tensors, got {type(item).__name__} for sample {position}")
        if "sample" in item:
            raise TypeError('prepare must not use the key "sample": it is reserved for the position in the dataset')
        return item

    def _file(self, position: int) -> Path:
        """Return the file of one item."""
        return self._folder / f"{position:06d}.pt"

    def _open_folder(self, first: Batch) -> None:
        """Take up the files of an interrupted run, or start afresh if they are of another."""
        old = _read(self._file(0))
        if old is None or _digest(old) != self.fingerprint:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            write_torch(self._file(0), first)


def _digest(item: Batch) -> str:
    """Return a hash of names, types, shapes and values."""
    digest = sha256()
    for name in sorted(item):
        tensor = item[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()


def _read(path: Path) -> Batch | None:
    """Return an item from its file, None if there is none that can be read."""
    try:
        item: Batch = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError):
        return None
    return item
