"""What every dataset is: a folder on disk seen as a lazy sequence of samples."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad._digest import digest_of
from geoad.data.image_file import read_rgb
from geoad.data.mask_file import read_codes, read_mask
from geoad.data.scan_file import read_scan, scan_shape
from geoad.geometry.camera import Camera
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import Sample

SPLITS = ("train", "validation", "test")
CALIBRATION = Path("calibration", "camera_parameters.json")
GOOD = "good"
T = TypeVar("T")


def is_in_dataset(folder: Path, root: Path, category: str | None) -> bool:
    """Tell whether a folder is one of a dataset's own, or below one: what is written there may be taken for scans.

    These are the folder of the category (or of all, where there are none) and its splits; beside them other things may
    lie.

    >>> [is_in_dataset(Path(name), Path("scans"), "rope") for name in ("scans/rope", "scans/rope/test/a", "scans/a")]
    [True, True, False]
    """
    home, place = (root / (category or "")).resolve(), folder.resolve()
    return place == home or any(place.is_relative_to(home / part) for part in (*SPLITS, "gt", "ground_truth"))


class Entry(NamedTuple):
    """The files of one sample; `name` is split/kind/stem, None stands for a file that there is not.

    >>> Entry("test/hole/003", "hole", Path("test/hole/xyz/003.tiff")).mask is None
    True
    """

    name: str
    kind: str
    xyz: Path | None
    rgb: Path | None = None
    mask: Path | None = None


class Fault(NamedTuple):
    """Something wrong on disk: the file or folder, and in one line what is wrong and what mends it.

    >>> print(Fault("bagel/test", "no such folder: unpack the archive again"))
    bagel/test: no such folder: unpack the archive again
    """

    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"

    @classmethod
    def of(cls, path: Path, error: Exception) -> Self:
        """Return the fault that an error about `path` tells of."""
        return cls(str(path), str(error).removeprefix(f"{path}: "))


def entries_of(dataset: Any) -> Sequence[Entry]:
    """Return the entries of a dataset; raise TypeError for samples alone, of which nothing says what they are called.

    >>> entries_of([])
    Traceback (most recent call last):
    TypeError: dataset must have entries, as that of open_dataset(name, root) has, got list
    """
    if not hasattr(dataset, "entries"):
        raise TypeError(
            f"dataset must have entries, as that of open_dataset(name, root) has, got {type(dataset).__name__}"
        )
    entries: Sequence[Entry] = dataset.entries
    return entries


class Dataset(Sequence[Sample]):
    """Samples of one split, in the order of their names, each read from disk when it is asked for.

    A dataset's class says where its files are (`survey`) and which categories there are (`categories`). `entries` are
    the files, `camera` the calibration (None without one), `codes` the class codes of masks (None: any). A slice is a
    dataset again.

    Raises ValueError that names the file and the mend if the tree has a fault; with a list `faults`, adds it there.

    >>> Dataset(".", split="training")
    Traceback (most recent call last):
    ValueError: unknown split 'training' (did you mean 'train'?); known: test, train, validation
    """

    NAME: ClassVar[str] = "dataset"

    def __init__(
        self,
        root: str | Path,
        *,
        category: str | None = None,
        split: str = "train",
        faults: list[Fault] | None = None,
    ) -> None:
        _check.one_of("split", split, SPLITS)
        self.root, self.category, self.split = Path(root), category, split
        base = self.locate(self.root, category)
        self.entries, found = self.survey(base, split)
        self.camera = _read_if_there(base / CALIBRATION, Camera.load, found)
        self.codes = _read_if_there(base / "class_ids.json", read_codes, found)
        if faults is not None:
            faults += found
        elif found:
            more = f" (and {len(found) - 1} more: geoad data check {self.NAME}:{root})" if len(found) > 1 else ""
            raise ValueError(f"{found[0]}{more}")

    @classmethod
    def categories(cls, root: Path) -> list[str]:  # noqa: ARG003
        """Return the names of the categories under `root`, [] for a dataset without."""
        return []

    @classmethod
    def splits(cls, base: Path) -> tuple[str, ...]:  # noqa: ARG003
        """Return the splits that must be there."""
        return SPLITS

    @classmethod
    def locate(cls, root: Path, category: str | None) -> Path:
        """Return the folder that holds the splits; raise for a missing root or a category it does not have."""
        if not root.is_dir():
            raise FileNotFoundError(f"{root}: no such folder: give the folder that holds the dataset")
        known = cls.categories(root)
        if category is None and known:
            raise ValueError(f"{cls.NAME}:{root} needs a category; known: {', '.join(known)}")
        if category is None:
            return root
        _check.one_of(f"category of {cls.NAME}:{root}", category, known)
        return root / category

    @classmethod
    def survey(cls, base: Path, split: str) -> tuple[list[Entry], list[Fault]]:
        """List the files of a split and everything wrong with their places; read none of them."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, i: int) -> Sample: ...
    @overload
    def __getitem__(self, i: slice) -> Self: ...
    def __getitem__(self, i: int | slice) -> Sample | Self:
        if isinstance(i, slice):
            part = copy.copy(self)
            part.entries = self.entries[i]
            return part
        entry = self.entries[i]
        xyz = self.read_xyz(entry)
        rgb = xyz.rgb if xyz is not None else None if entry.rgb is None else read_rgb(entry.rgb)
        shape = xyz.shape if xyz is not None else rgb.shape[:2] if rgb is not None else (0, 0)
        return Sample(
            xyz=xyz,
            rgb=rgb,
            mask=self._mask(entry, shape),
            label=self.label(i),
            kind=entry.kind,
            camera=self.camera_of(entry),
            name=entry.name,
            path=str(entry.xyz or entry.rgb),
        )

    def camera_of(self, entry: Entry) -> Camera | None:  # noqa: ARG002
        """Return the camera that has seen an entry: the dataset's."""
        return self.camera

    def read_xyz(self, entry: Entry) -> XYZImage | None:
        """Read the scan of an entry with its colours."""
        return None if entry.xyz is None else read_scan(entry.xyz, rgb=entry.rgb)

    def read_shape(self, entry: Entry) -> tuple[int, int]:
        """Return (H, W) of an entry, without reading its points where the format allows."""
        if entry.xyz is not None:
            return scan_shape(entry.xyz)
        rgb = read_rgb(entry.rgb or "")
        return rgb.shape[0], rgb.shape[1]

    @classmethod
    def changed(cls, root: Path, category: str | None) -> list[Fault]:  # noqa: ARG003
        """Return the files that somebody has changed, where that can be told."""
        return []

    def label(self, i: int) -> int:
        """Return 0 for a good sample, 1 for a defective one, by its kind."""
        return int(self.entries[i].kind != GOOD)

    def digest(self) -> str:
        """Return a hash of names and contents of all files, and of the camera; they are read again if they changed."""
        facts = []
        for name, path in ((entry.name, path) for entry in self.entries for path in entry[2:] if path is not None):
            found = path.stat()
            facts.append((name, path, found.st_size, found.st_mtime_ns))
        return f"files {_digest_files(tuple(facts), self.camera)}"

    def mask(self, i: int) -> NDArray[np.bool_] | None:
        """Return the ground truth (H, W): nothing on a good sample, None for a defect that nobody marked."""
        entry = self.entries[i]
        if entry.mask is None and entry.kind != GOOD:
            return None
        return self._mask(entry, self.read_shape(entry))

    def _mask(self, entry: Entry, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
        if entry.mask is not None:
            return read_mask(entry.mask, shape, self.codes)
        return np.zeros(shape, bool) if entry.kind == GOOD else None


@lru_cache(maxsize=64)
def _digest_files(facts: tuple[tuple[str, Path, int, int], ...], camera: Camera | None) -> str:
    """Return a hash of names and contents of files, which are known by size and time until they change."""
    contents = (part for name, path, *_ in facts for part in (name, path.read_bytes()))
    return digest_of(chain(contents, [camera]))


def _read_if_there(path: Path, read: Callable[[Path], T], faults: list[Fault]) -> T | None:
    """Read a file that a tree need not have."""
    if not path.exists():
        return None
    try:
        return read(path)
    except (OSError, ValueError) as error:
        faults.append(Fault.of(path, error))
        return None
