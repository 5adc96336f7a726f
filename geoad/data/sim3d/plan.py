"""Which scans a data set holds, where they lie and what seeds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from geoad.data.sim3d.category import Category, Counts


@dataclass(frozen=True)
class Size:
    """How large a data set is: `pixels` of the images' longer side, `counts` per category; None: as the original.

    `scale` multiplies the images' sides, whatever they are.

    >>> SIZES["tiny"].pixels, Size(None, None, scale=0.5).longest((800, 600))
    (300, 400)
    """

    pixels: int | None
    counts: Counts | None
    scale: float = 1.0

    def longest(self, shape: tuple[int, int]) -> int:
        """Return the longer side of the images of a category, whose original has `shape` (H, W)."""
        return round(self.scale * (self.pixels or max(shape)))


SIZES = {
    "tiny": Size(300, Counts(24, 6, 6, 16)),
    "small": Size(400, Counts(100, 12, 12, 32)),
    "full": Size(None, None),
}
CAMERA = PurePosixPath("calibration", "camera_parameters.json")


@dataclass(frozen=True)
class PlannedScan:
    """One scan of the plan.

    >>> PlannedScan("bagel", "test", "hole", 3).paths["xyz"].as_posix()
    'bagel/test/hole/xyz/003.tiff'
    """

    category: str
    split: str
    kind: str
    index: int

    @property
    def name(self) -> str:
        """The scan's place in the data set."""
        return f"{self.category}/{self.split}/{self.kind}/{self.index:03d}"

    @property
    def paths(self) -> dict[str, PurePosixPath]:
        """The scan's files below the root: xyz, rgb and, in the test split, gt."""
        folder = PurePosixPath(self.category, self.split, self.kind)
        parts = {"xyz": "tiff", "rgb": "png", **({"gt": "png"} if self.split == "test" else {})}
        return {part: folder / part / f"{self.index:03d}.{ending}" for part, ending in parts.items()}

    def seed(self, seed: int) -> np.random.SeedSequence:
        """Return the stream of this scan in the data set of `seed`: independent of all others and of the order."""
        return np.random.SeedSequence([seed, *self.name.encode()])


def plan(category: Category, size: Size) -> list[PlannedScan]:
    """Return the scans of a category; defective ones are shared out evenly over its kinds, unless known.

    >>> from geoad.data.sim3d import get_category
    >>> len(plan(get_category("bagel"), SIZES["full"]))
    376
    """
    counts = size.counts or category.counts
    defects = category.kinds[1:]
    each, rest = divmod(counts.defective, len(defects))
    groups = [("train", "good", counts.train), ("validation", "good", counts.validation), ("test", "good", counts.good)]
    known = {} if size.counts else category.known
    groups += [("test", kind, known.get(kind, each + (i < rest))) for i, kind in enumerate(defects)]
    return [PlannedScan(category.name, split, kind, i) for split, kind, count in groups for i in range(count)]
