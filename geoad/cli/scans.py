"""Scans that somebody names on the command line, as a dataset of their own: no split, no ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from geoad.cli.arguments import UsageError
from geoad.data import open_dataset
from geoad.data.dataset import CALIBRATION, SPLITS, Dataset, Entry
from geoad.geometry.camera import Camera
from geoad.sample import Sample

UNKNOWN = "unknown"
DEPTH = 4  # CATEGORY/test/good/xyz/000.tiff


class Scans(Dataset):
    """Scans of which nothing is known but where they are; a scan is called as its file.

    Each has the camera of its dataset, if it lies in one: that of the nearest `calibration/` above it.
    """

    NAME = "scans"

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.codes = None

    def __getitem__(self, i: int) -> Sample:  # type: ignore[override]
        path = self.entries[i].xyz
        assert path is not None
        self.camera = _camera_above(path.resolve())
        return super().__getitem__(i)


def list_scans(places: Sequence[str]) -> list[Entry]:
    """Return an entry for every file, and for every scan in every flat folder; no two of one name."""
    entries: dict[str, Entry] = {}
    for place in places:
        for entry in _folder(Path(place)) if Path(place).is_dir() else [_file(Path(place))]:
            if entry.name in entries:
                raise UsageError(
                    f"{entry.xyz}: its map would replace that of {entries[entry.name].xyz}: score it apart"
                )
            entries[entry.name] = entry
    return list(entries.values())


def _camera_above(path: Path) -> Camera | None:
    places = (folder / CALIBRATION for folder in list(path.parents)[:DEPTH])
    return next((Camera.load(place) for place in places if place.exists()), None)


def _file(path: Path) -> Entry:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file: name a scan or a folder of scans")
    return Entry(path.stem, UNKNOWN, path)


def _folder(folder: Path) -> list[Entry]:
    """Return the scans of a folder, with their colours if it holds xyz/ and rgb/."""
    if any((folder / split).is_dir() for split in SPLITS):
        raise UsageError(f"{folder}: holds splits: use --data folder:{folder} --split test")
    flat = open_dataset("folder", folder)
    return [entry._replace(name=Path(entry.name).name, kind=UNKNOWN) for entry in flat.entries]
