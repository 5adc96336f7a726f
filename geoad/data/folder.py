"""A person's own scans in a folder.

ROOT/train/good, optionally ROOT/validation/good, ROOT/test/<kind> and ROOT/gt/<kind>; or flat: the scans lie in ROOT
itself and are all good. A folder of scans may instead hold xyz/ and rgb/, paired by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from geoad.data import image_file, mask_file, scan_file
from geoad.data.dataset import GOOD, SPLITS, Dataset, Entry, Fault
from geoad.data.listing import add_unpaired, files_by_stem, subfolders
from geoad.geometry.xyz_image import XYZImage
from geoad.ops._arrays import whole

# In which somebody may have drawn masks that are not read.
PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".tif", ".tiff", ".webp")
_FORMATS = " ".join(scan_file.SUFFIXES)


class Folder(Dataset):
    """Your own scans: .tiff, .npy, .pcd, .ply, .off, .obj, .stl; flat and all good, or train/good and test/<kind>.

    `points` and `seed` say how meshes are sampled. Masks are optional: a defective scan without one has `mask` None.
    Without a validation folder that split is empty.

    >>> Folder("no such folder")
    Traceback (most recent call last):
    FileNotFoundError: no such folder: no such folder: give the folder that holds the dataset
    """

    NAME = "folder"

    def __init__(
        self,
        root: str | Path,
        *,
        category: str | None = None,
        split: str = "train",
        faults: list[Fault] | None = None,
        points: int = 100_000,
        seed: int = 0,
    ) -> None:
        self.points, self.seed = whole("points", points), whole("seed", seed, zero=True)
        super().__init__(root, category=category, split=split, faults=faults)

    def read_xyz(self, entry: Entry) -> XYZImage | None:
        """Read the scan; a mesh is sampled."""
        if entry.xyz is None:
            return None
        return scan_file.read_scan(entry.xyz, rgb=entry.rgb, points=self.points, seed=self.seed)

    def read_shape(self, entry: Entry) -> tuple[int, int]:
        """Return (H, W) of the scan, (1, points) of a mesh."""
        return scan_file.scan_shape(entry.xyz or "", points=self.points)

    @classmethod
    def splits(cls, base: Path) -> tuple[str, ...]:
        """Return train, and the others that are there."""
        return ("train", *(split for split in SPLITS[1:] if (base / split).is_dir()))

    @classmethod
    def survey(cls, base: Path, split: str) -> tuple[list[Entry], list[Fault]]:
        """List the scans of a split; a flat folder is a train split."""
        if not any((base / name).is_dir() for name in SPLITS):
            return _survey_flat(base, split)
        folder, kinds = base / split, subfolders(base / split)
        if split == "validation" and not folder.is_dir():
            return [], []
        if not kinds:
            want = "test/<kind>" if split == "test" else f"{split}/{GOOD}"
            return [], [Fault(str(folder), f"no such folder, or none in it: put scans into {want}")]
        entries, faults = list[Entry](), _misplaced(base, kinds) if split == "test" else list[Fault]()
        for kind in kinds:
            if kind != GOOD and kind.lower() == GOOD:
                faults.append(Fault(str(folder / kind), f"would be a kind of defect: rename it to {GOOD}"))
            elif split != "test" and kind != GOOD:
                faults.append(Fault(str(folder / kind), f"{split} holds only good scans: move it to test"))
            masks = files_by_stem(base / "gt" / kind, mask_file.SUFFIXES, faults) if split == "test" else {}
            if split == "test" and not masks and _has_pictures(base / "gt" / kind):
                told = f"no mask among its files: masks end in one of {' '.join(mask_file.SUFFIXES)}"
                faults.append(Fault(str(base / "gt" / kind), told))
            found, wrong = _survey_kind(folder / kind, f"{split}/{kind}", kind, masks)
            entries += found
            faults += wrong
        return entries, faults


def _misplaced(base: Path, kinds: Sequence[str]) -> list[Fault]:
    """Return the folders of masks that nobody would read: of no tested kind, or under another dataset's name."""
    faults = [
        Fault(str(base / "gt" / kind), f"no such kind in test: {', '.join(kinds)}: rename or remove it")
        for kind in subfolders(base / "gt")
        if kind not in kinds and _has_masks(base / "gt" / kind)
    ]
    if _has_masks(base / "ground_truth") and not _has_masks(base / "gt"):
        faults.append(Fault(str(base / "ground_truth"), "masks are read from gt/<kind>: rename it"))
    return faults


def _has_masks(folder: Path) -> bool:
    return any(path.suffix.lower() in mask_file.SUFFIXES for path in folder.rglob("[!.]*"))


def _has_pictures(folder: Path) -> bool:
    """Whether a folder holds files that somebody may mean for masks."""
    return folder.is_dir() and any(path.suffix.lower() in PICTURES for path in folder.glob("[!.]*"))


def _survey_flat(base: Path, split: str) -> tuple[list[Entry], list[Fault]]:
    """All good, all for training."""
    if split == "validation":
        return [], []
    if split == "test":
        return [], [Fault(str(base / "test"), "no such folder (flat: all good): add test/<kind>, or use split train")]
    return _survey_kind(base, f"train/{GOOD}", GOOD, {})


def _survey_kind(folder: Path, place: str, kind: str, masks: dict[str, Path]) -> tuple[list[Entry], list[Fault]]:
    """Pair the files of one kind by stem."""
    faults: list[Fault] = []
    where = folder / "xyz" if (folder / "xyz").is_dir() else folder
    scans = files_by_stem(where, scan_file.SUFFIXES, faults)
    colours = files_by_stem(folder / "rgb", image_file.SUFFIXES, faults)
    if not scans:
        faults.append(Fault(str(where), f"no scan: put files there that end in one of {_FORMATS}"))
    if scans and colours:
        add_unpaired(scans, colours, folder / "rgb", "rgb", faults)
    add_unpaired({stem: scans[stem] for stem in scans.keys() & masks.keys()}, masks, where, "mask", faults)
    entries = [Entry(f"{place}/{s}", kind, path, colours.get(s), masks.get(s)) for s, path in scans.items()]
    return entries, faults
