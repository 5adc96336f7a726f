"""MVTec 3D-AD, and every dataset that is stored in its tree.

ROOT/<category>/{train,validation}/good/{xyz/*.tiff, rgb/*.png}, ROOT/<category>/test/<kind>/{xyz, rgb, gt/*.png},
ROOT/<category>/calibration/camera_parameters.json.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from geoad.data import image_file
from geoad.data.dataset import GOOD, SPLITS, Dataset, Entry, Fault
from geoad.data.listing import add_unpaired, files_by_stem, subfolders
from geoad.data.sim3d.store import checksum

_TREE = "a category holds train/good, validation/good and test/<kind>"


class MVTec3D(Dataset):
    """MVTec 3D-AD: ten categories of parts from a structured-light sensor, 41 kinds of defects, official splits.

    `root` holds the category folders, or is one of them (then there is no category to name).

    >>> MVTec3D("no such folder", category="bagel")
    Traceback (most recent call last):
    FileNotFoundError: no such folder: no such folder: give the folder that holds the dataset
    """

    NAME = "mvtec3d"

    @classmethod
    def locate(cls, root: Path, category: str | None) -> Path:
        """Return the category's folder; raise ValueError for simulated scans under the name of the real ones too."""
        if cls is MVTec3D and (simulator := _simulator(root)) is not None:
            raise ValueError(f"{root}: scans of the simulator {simulator}: give sim3d:{root}")
        return super().locate(root, category)

    @classmethod
    def categories(cls, root: Path) -> list[str]:
        """Return the folders under `root` that hold a split."""
        if any((root / split).is_dir() for split in SPLITS):
            return []
        return [name for name in subfolders(root) if any((root / name / split).is_dir() for split in SPLITS)]

    @classmethod
    def survey(cls, base: Path, split: str) -> tuple[list[Entry], list[Fault]]:
        """List scans, colours and masks; every defective test scan must have its mask."""
        folder, entries, faults = base / split, list[Entry](), list[Fault]()
        kinds = subfolders(folder)
        if not kinds:
            return [], [Fault(str(folder), f"no such folder, or none in it: {_TREE}")]
        for kind in kinds:
            if split != "test" and kind != GOOD:
                faults.append(Fault(str(folder / kind), f"{split} holds only good scans: move it to test"))
            found, wrong = _survey_kind(folder / kind, split)
            entries += found
            faults += wrong
        return entries, faults


class Sim3D(MVTec3D):
    """Simulated scans with exact ground truth, written by `geoad data make sim3d ROOT`.

    >>> issubclass(Sim3D, MVTec3D)
    True
    """

    NAME = "sim3d"

    @classmethod
    def changed(cls, root: Path, category: str | None) -> list[Fault]:
        """Return the files that are not those that the simulator made, by the checksums of its manifest."""
        made = dict[str, str]()
        with suppress(OSError, ValueError, LookupError, TypeError):
            made = dict(json.loads((root / "manifest.json").read_text(encoding="utf-8"))["files"])
        faults = list[Fault]()
        for name, sha in made.items():
            if category in (None, name.partition("/")[0]) and (root / name).is_file():
                try:
                    if checksum(root / name) != sha:
                        told = "not the file that was made: remove it, and repeat geoad data make"
                        faults.append(Fault(str(root / name), told))
                except OSError as error:
                    faults.append(Fault.of(root / name, error))
        return faults


def _simulator(root: Path) -> str | None:
    """Return the simulator that made a tree, or the tree that a category is of."""
    for note in (root / "manifest.json", root.parent / "manifest.json"):
        with suppress(OSError, ValueError, AttributeError):
            if simulator := json.loads(note.read_text(encoding="utf-8")).get("simulator"):
                return str(simulator)
    return None


def _survey_kind(folder: Path, split: str) -> tuple[list[Entry], list[Fault]]:
    """Pair the files of one kind by stem; colours may be absent, but not of some."""
    kind, faults = folder.name, list[Fault]()
    scans = files_by_stem(folder / "xyz", (".tiff", ".tif"), faults)
    colours = files_by_stem(folder / "rgb", image_file.SUFFIXES, faults)
    masks = files_by_stem(folder / "gt", (".png",), faults)
    if not scans:
        faults.append(Fault(str(folder / "xyz"), "no .tiff scan: put the scans there, or remove the kind"))
    if scans and colours:
        add_unpaired(scans, colours, folder / "rgb", "rgb", faults)
    if scans and (masks or (split == "test" and kind != GOOD)):
        add_unpaired(scans, masks, folder / "gt", "mask", faults)
    entries = [Entry(f"{split}/{kind}/{s}", kind, path, colours.get(s), masks.get(s)) for s, path in scans.items()]
    return entries, faults
