"""A dataset's health: everything wrong with a tree at once, and what is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from geoad.data import dataset_class
from geoad.data.dataset import GOOD, Dataset, Entry, Fault
from geoad.data.image_file import read_rgb
from geoad.data.mask_file import read_mask
from geoad.geometry.xyz_image import XYZImage

T = TypeVar("T")
Progress = Callable[[int, int, str], None]
OTHER_UNIT = 30.0  # times as large as the others, or as small
SPARSE = 37  # one point in so many is enough for the size of a scan


@dataclass
class Contents:
    """What a category holds: scans by split/kind, sizes (H, W), pixels, the box (2, 3) around all valid points.

    `lengths` are the diagonals of the boxes around 95 of 100 points of each scan, by file.

    >>> contents = Contents(pixels=200, valid=150)
    >>> contents.valid_share
    0.75
    """

    category: str | None = None
    scans: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    colours: int = 0
    masks: int = 0
    pixels: int = 0
    valid: int = 0
    not_finite: int = 0
    box: NDArray[np.float32] | None = None
    lengths: dict[str, float] = field(default_factory=dict)

    @property
    def valid_share(self) -> float:
        """Valid pixels of all pixels, 0 to 1."""
        return self.valid / max(self.pixels, 1)

    def add(self, file: str, image: XYZImage) -> None:
        """Count the pixels of one scan."""
        self.sizes[image.shape] += 1
        self.pixels += image.valid.size
        self.valid += int(image.valid.sum())
        self.not_finite += int((~np.isfinite(image.xyz)).any(-1).sum())
        points = image.xyz[image.valid]
        box = np.stack([points.min(0), points.max(0)])
        self.box = box if self.box is None else np.stack([np.fmin(self.box, box)[0], np.fmax(self.box, box)[1]])

        low, high = np.percentile(points[::SPARSE], [2.5, 97.5], axis=0)
        self.lengths[file] = float(np.linalg.norm(high - low))

    def other_units(self) -> list[Fault]:
        """Return a fault for each scan whose size is that of another unit than the median's."""
        usual, faults = float(np.median(list(self.lengths.values()) or [0.0])), []
        for file, length in self.lengths.items():
            if max(length, usual) > OTHER_UNIT * min(length, usual) > 0:
                told = f"{length:.3g} across, where the scans have a median of {usual:.3g}: metres against millimetres?"
                faults.append(Fault(file, told))
        return faults

    def __str__(self) -> str:
        scans = ", ".join(f"{place} {count}" for place, count in self.scans.items())
        sizes = ", ".join(f"{h}x{w}" for h, w in self.sizes)
        extent = " x ".join(f"{side:.4g}" for side in (self.box[1] - self.box[0])) if self.box is not None else "none"
        return (
            f"{self.category or 'scans'}: {sum(self.scans.values())} ({scans}); {sizes or 'no size'}; "
            f"{self.valid_share:.1%} valid, {self.not_finite} NaN or inf; box {extent}; "
            f"{self.colours} rgb, {self.masks} masks"
        )


@dataclass
class Report:
    """The contents of every category and all faults of the tree; prints as text.

    >>> Report("folder", ".").ok
    True
    """

    name: str
    root: str
    contents: list[Contents] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def __str__(self) -> str:
        count = len(self.faults)
        verdict = "no faults" if self.ok else f"{count} fault{'s' if count > 1 else ''}"
        return "\n".join([f"{self.name}:{self.root}", *map(str, self.contents), *map(str, self.faults), verdict])


def check_dataset(
    name: str, root: str | Path, *, category: str | None = None, progress: Progress | None = None
) -> Report:
    """Read every file of a dataset (or of one category) and report all that is wrong with it.

    `progress(done, total, name)` is called after each sample of a split. NaN and inf pixels are counted, not faults.
    Raises ValueError only for an unknown dataset or category.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(f"{folder}/part.tiff").write_text("not a scan")
    ...     report = check_dataset("folder", folder)
    10
    >>> report.ok, report.faults[0].problem.split(" (")[0]
    (False, 'not a readable tiff')
    """
    kind = dataset_class(name)
    report = Report(name, str(root))
    if not Path(root).is_dir():
        report.faults.append(Fault(str(root), "no such folder: give the folder that holds the dataset"))
        return report
    names: list[str | None] = [category]
    if category is None:
        names = [*kind.categories(Path(root))] or [None]
    for each in names:
        contents, faults = Contents(each), list[Fault]()
        try:
            _check_category(kind, Path(root), contents, faults, progress)
        except PermissionError as error:  # of a folder; the next category may be readable
            faults.append(Fault(str(error.filename), "permission denied: chmod u+rx it"))
        report.contents.append(contents)
        report.faults += dict.fromkeys(faults + contents.other_units())  # what is the category's shows in every split
    report.faults += kind.changed(Path(root), category)
    return report


def _check_category(
    kind: type[Dataset], root: Path, contents: Contents, faults: list[Fault], progress: Progress | None
) -> None:
    """Go through the splits of one category."""
    category = contents.category
    for split in kind.splits(kind.locate(root, category)):
        dataset = kind(root, category=category, split=split, faults=faults)
        for i, entry in enumerate(dataset.entries):
            contents.scans[f"{split}/{entry.kind}"] += 1
            faults += _check_entry(dataset, entry, contents)
            if progress is not None:
                progress(i + 1, len(dataset), entry.name)


def _check_entry(dataset: Dataset, entry: Entry, contents: Contents) -> list[Fault]:
    """Read the files of one sample, each on its own, so that one fault does not hide another."""
    faults: list[Fault] = []
    shape: tuple[int, int] | None = None
    if entry.xyz is not None:
        image = _attempt(entry.xyz, faults, lambda: dataset.read_xyz(entry._replace(rgb=None)))
        if image is not None:
            contents.add(str(entry.xyz), image)
            contents.colours += entry.rgb is None and image.rgb is not None  # its own
            shape = image.shape
            _check_camera(dataset, shape, faults)
    if entry.rgb is not None:
        rgb = _attempt(entry.rgb, faults, lambda: read_rgb(entry.rgb or "", shape))
        contents.colours += 1
        if entry.xyz is None and rgb is not None:
            shape = rgb.shape[0], rgb.shape[1]
    if entry.mask is not None:
        contents.masks += 1
        mask = _attempt(entry.mask, faults, lambda: read_mask(entry.mask or "", shape, dataset.codes))
        if mask is not None and mask.any() != (entry.kind != GOOD):
            what = "marks a defect on a good scan" if mask.any() else "marks nothing on a defective scan"
            faults.append(Fault(str(entry.mask), f"{what}: mend the mask, or move the scan to its kind"))
    return faults


def _check_camera(dataset: Dataset, shape: tuple[int, int], faults: list[Fault]) -> None:
    camera = dataset.camera
    if camera is not None and camera.shape != shape:
        path = dataset.locate(dataset.root, dataset.category) / "calibration" / "camera_parameters.json"
        sizes = [f"{height}x{width}" for height, width in (camera.shape, shape)]
        faults.append(Fault(str(path), f"for images of {sizes[0]}, but a scan has {sizes[1]}: give its own camera"))


def _attempt(path: Path, faults: list[Fault], read: Callable[[], T]) -> T | None:
    """Read, or note the fault."""
    try:
        return read()
    except (ValueError, OSError, ImportError) as error:
        faults.append(Fault.of(path, error))
        return None
