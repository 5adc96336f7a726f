"""A folder of maps beside the dataset that they are of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from geoad.data.dataset import Dataset, entries_of
from geoad.data.listing import files_below
from geoad.data.loco_regions import LocoTest
from geoad.evaluation.map_file import SUFFIXES, read_map

SHOWN = 10


class MapFolder(Sequence[NDArray[np.floating]]):
    """The maps of a dataset, FOLDER[/CATEGORY]/test/<kind>/<stem>.tiff (or .tif, .npy), each read when asked for.

    Map i belongs to `dataset.entries[i]`; `paths` are the files. Raises ValueError that lists the maps that are
    missing, those that belong to no sample, and those stored twice.

    >>> import tempfile
    >>> from types import SimpleNamespace
    >>> from geoad.evaluation import write_map
    >>> from geoad.sample import AnomalyMap
    >>> dataset = SimpleNamespace(entries=[SimpleNamespace(name="test/hole/000")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_map(f"{folder}/bagel/test/hole/000.tiff", AnomalyMap(np.ones((2, 3))))
    ...     MapFolder(folder, dataset, category="bagel")[0].shape
    (2, 3)
    """

    def __init__(self, folder: str | Path, dataset: Dataset | LocoTest, *, category: str | None = None) -> None:
        self.folder = map_base(folder, category)
        names = [entry.name for entry in entries_of(dataset)]
        if not names:
            raise ValueError(f"{folder}: no sample to compare with: the dataset is empty")
        if not self.folder.is_dir():
            level = "" if category is None else "<category>/"
            test = Path(folder) / "test"
            there = f" (there is {test}: give the folder of the categories)" if test.is_dir() else ""
            mend = f"maps lie in MAPS/{level}test/<kind>/<stem>.tiff"
            mend += "" if category is None else ", or give --category"
            raise ValueError(f"{self.folder}: no such folder{there}: {mend}")
        found = _find_maps(self.folder, {name.partition("/")[0] for name in names})
        faults = {
            "missing": [name for name in names if name not in found],
            "of no sample": sorted(found.keys() - set(names)),
            "stored twice": sorted(name for name, paths in found.items() if len(paths) > 1),
        }
        if any(faults.values()):
            told = "; ".join(_tell(kind, which) for kind, which in faults.items() if which)
            mend = f"one map a sample, called as the sample, as {' or '.join(SUFFIXES)}"
            raise ValueError(f"{self.folder}: {told}: {mend}")
        self.paths = [found[name][0] for name in names]

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, i: int) -> NDArray[np.floating]: ...
    @overload
    def __getitem__(self, i: slice) -> list[NDArray[np.floating]]: ...
    def __getitem__(self, i: int | slice) -> NDArray[np.floating] | list[NDArray[np.floating]]:
        if isinstance(i, slice):
            return [read_map(path) for path in self.paths[i]]
        return read_map(self.paths[i])


def map_base(folder: str | Path, category: str | None) -> Path:
    """Return the folder that sample names are relative to.

    >>> map_base("maps", "bagel").as_posix(), map_base("maps", None).as_posix()
    ('maps/bagel', 'maps')
    """
    return Path(folder) if category is None else Path(folder) / category


def _find_maps(base: Path, splits: Iterable[str]) -> dict[str, list[Path]]:
    """Return {sample name: files} of every map below the folders of `splits`."""
    found: dict[str, list[Path]] = {}
    for split in splits:
        for path in files_below(base / split, SUFFIXES):
            found.setdefault(path.relative_to(base).with_suffix("").as_posix(), []).append(path)
    return found


def _tell(kind: str, names: list[str]) -> str:
    """Return how many there are, and the first of them."""
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {'map' if len(names) == 1 else 'maps'} {kind} ({', '.join(names[:SHOWN])}{rest})"
