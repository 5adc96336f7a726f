"""What a category is: a family of solids, how they lie, and what can go wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from geoad.data.sim3d.defects import Defect
from geoad.data.sim3d.mesh import Mesh
from geoad.data.sim3d.scene import Pose, Station


@dataclass(frozen=True)
class Counts:
    """How many scans: train, validation, good test scans, and defective ones over all kinds together.

    >>> Counts(train=24, validation=6, good=6, defective=16).train
    24
    """

    train: int
    validation: int
    good: int
    defective: int


@dataclass(frozen=True)
class Category:
    """One kind of part.

    `build(rng, spacing)` returns the next good part, vertices about `spacing` mm apart; `lay(rng)` its pose. `field`
    is the image's width on the table in mm, `shape` (H, W) and `counts` those of the original at full size, `tilt` the
    camera's angle off the vertical in degrees, `centre` the lens's axis as a share of width and height.

    >>> from geoad.data.sim3d import get_category
    >>> get_category("bagel").kinds
    ('good', 'contamination', 'crack', 'hole', 'missing')
    """

    name: str
    field: float
    shape: tuple[int, int]
    counts: Counts
    tilt: float
    centre: tuple[float, float]
    build: Callable[[np.random.Generator, float], Mesh]
    lay: Callable[[np.random.Generator], Pose]
    defects: Mapping[str, Defect]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The test kinds, `good` first."""
        return "good", *sorted(self.defects)

    def station(self, pixels: int | None = None) -> Station:
        """Return the camera over the table; `pixels` is the longer side of the image, None the original's size."""
        height, width = self.shape
        if pixels is not None:
            scale = pixels / max(height, width)
            height, width = round(height * scale), round(width * scale)
        return Station.over(self.field, (height, width), self.tilt, self.centre)
