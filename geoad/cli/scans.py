"""Scans that somebody names on the command line, as a dataset of their own: no split, no ground truth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from geoad.cli.arguments import UsageError
from geoad.data import open_dataset
from geoad.data.dataset import CALIBRATION, SPLITS, Dataset, Entry
from geoad.geometry.camera import Camera

UNKNOWN = "unknown"


class Scans(Dataset):
    """Scans of which nothing is known but where they are; a scan is called as its file.

    Each has the camera of the tree that it lies in, if that has one.
    """

    NAME = "scans"

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.camera, self.codes = None, None

    def camera_of(self, entry: Entry) -> Camera | None:
        """Return the camera of the tree: TREE/scan or TREE/split/kind/scan, with or without xyz/."""
        folder = Path(os.path.abspath(entry.xyz or "")).parent
        tree = folder.parent if folder.name == "xyz" else folder
        tree = tree.parent.parent if tree.parent.name in SPLITS else tree
        return Camera.load(tree / CALIBRATION) if (tree / CALIBRATION).exists() else None


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
