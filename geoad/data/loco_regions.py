"""Ground truth of MVTec LOCO AD: one PNG an annotation, and how much of each must be found.

ROOT/<category>/defects_config.json; ROOT/<category>/test/<kind>/<stem>.png with <kind> good, structural_anomalies or
logical_anomalies; ROOT/<category>/ground_truth/<kind>/<stem>/<number>.png, whose value names the defect.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoad.data.dataset import GOOD, Entry
from geoad.data.image_file import SUFFIXES
from geoad.data.reading import reading

KINDS = ("structural_anomalies", "logical_anomalies")
Region = tuple[NDArray[np.bool_], int]


class Saturation(NamedTuple):
    """When a defect counts as found: `threshold` in pixels or, if `relative`, as a share of the annotated area.

    >>> Saturation("missing cable", 0.5, True).area(201), Saturation("missing pin", 90, False).area(60)
    (100, 60)
    """

    defect: str
    threshold: float
    relative: bool

    def area(self, annotated: int) -> int:
        """Return the saturation area in pixels, at least one and never more than the `annotated` ones.

        A share is rounded down, as in the script that comes with the data.
        """
        wanted = int(self.threshold * annotated) if self.relative else int(self.threshold)
        return max(min(wanted, annotated), 1)


def read_saturations(path: str | Path) -> dict[int, Saturation]:
    """Read `defects_config.json`: {pixel value: when that defect counts as found}.

    Raises ValueError that names the file for what is no such list, for a share above 1 and a threshold not above 0.

    >>> import tempfile
    >>> entry = {"defect_name": "cut", "pixel_value": 250, "saturation_threshold": 1, "relative_saturation": True}
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     _ = file.write(json.dumps([entry])); file.flush()
    ...     read_saturations(file.name)
    {250: Saturation(defect='cut', threshold=1.0, relative=True)}
    """
    path = Path(path)
    with reading(path, "list of defects"):
        found = {}
        for entry in json.loads(path.read_text(encoding="utf-8")):
            threshold, relative = float(entry["saturation_threshold"]), bool(entry["relative_saturation"])
            found[int(entry["pixel_value"])] = Saturation(str(entry["defect_name"]), threshold, relative)
    for value, saturation in found.items():
        if not 0 < saturation.threshold <= (1 if saturation.relative else np.inf):
            raise ValueError(
                f"{path}: the saturation threshold of {saturation.defect!r} ({value}) must be above 0"
                f"{' and at most 1' if saturation.relative else ''}, got {saturation.threshold:g}"
            )
    return found


def read_regions(folder: str | Path, saturations: dict[int, Saturation]) -> list[Region]:
    """Read the annotations of one image: (mask (H, W), saturation area) of each PNG in `folder`, in order of names.

    Raises ValueError that names the file for an empty mask, for several values in one, and for a value that
    `saturations` does not know.

    >>> read_regions("no such folder", {})
    Traceback (most recent call last):
    ValueError: no such folder: no annotation: every defective image has a folder of masks
    """
    from PIL import Image

    folder = Path(folder)
    paths = sorted(path for path in folder.glob("*.png") if not path.name.startswith("."))
    if not paths:
        raise ValueError(f"{folder}: no annotation: every defective image has a folder of masks")
    regions = []
    for path in paths:
        with reading(path, "mask"), Image.open(path) as image:
            pixels = np.array(image)
        values = np.unique(pixels[pixels > 0]).tolist()
        if pixels.ndim != 2 or len(values) != 1:
            raise ValueError(f"{path}: an annotation has one value beside 0, got {values[:5]}: one PNG a defect")
        if values[0] not in saturations:
            known = ", ".join(map(str, sorted(saturations)))
            raise ValueError(f"{path}: value {values[0]} is no defect of defects_config.json (known: {known})")
        mask = pixels > 0
        regions.append((mask, saturations[values[0]].area(int(np.count_nonzero(mask)))))
    return regions


class LocoTest:
    """The test images of one category: `entries`, named test/<kind>/<stem>, and `regions(i)` of each.

    `root` is the folder of the categories. Raises ValueError or FileNotFoundError that names what is missing.

    >>> LocoTest("no such folder", "pushpins")
    Traceback (most recent call last):
    FileNotFoundError: no such folder/pushpins/test: no such folder: give the root of MVTec LOCO AD and a category
    """

    def __init__(self, root: str | Path, category: str) -> None:
        self.folder = Path(root) / category
        test = self.folder / "test"
        if not test.is_dir():
            raise FileNotFoundError(f"{test}: no such folder: give the root of MVTec LOCO AD and a category")
        files = [path for kind in (GOOD, *KINDS) for path in sorted((test / kind).glob("*"))]
        files = [path for path in files if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
        kinds = [path.parent.name for path in files]
        named = zip(files, kinds, strict=True)
        self.entries = [Entry(f"test/{kind}/{path.stem}", kind, None, path) for path, kind in named]
        self.saturations = read_saturations(self.folder / "defects_config.json")

    def regions(self, i: int) -> list[Region]:
        """Return the annotations of image i, [] for a good one."""
        name, kind = self.entries[i][:2]
        if kind == GOOD:
            return []
        return read_regions(self.folder / "ground_truth" / name.removeprefix("test/"), self.saturations)


def list_loco_categories(root: str | Path) -> list[str]:
    """Return the folders under `root` that hold a `defects_config.json`.

    >>> list_loco_categories("no such folder")
    []
    """
    return sorted(path.parent.name for path in Path(root).glob("*/defects_config.json"))
