"""What a category is: a family of solids, how they lie, and what can go wrong with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from geoad.data.sim3d.defects import Defect
from geoad.data.sim3d.mesh import Mesh
from geoad.data.sim3d.scene import BASELINE, DISTANCE, Pose, Station

COMBINED = "combined"
SECOND, THIRD = 0.05, 0.2  # share of the parts with a defect twice, and of the combined ones with a third kind


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

    `build(rng, spacing)` returns the next good part, closed all around, vertices about `spacing` mm apart; `lay(rng)`
    its pose. `field` is the image's width on the table in mm, `shape` (H, W) and `counts` those of the original at
    full size, `tilt` the camera's angle off the vertical in degrees, `centre` the lens's axis as a share of width and
    height, `distance` metres from the camera to the table, `baseline` to the projector. With `combined` there is a
    kind whose parts have several of the `defects`. `known` is how many parts of a kind the original has, where that
    is known.

    >>> from geoad.data.sim3d import get_category
    >>> get_category("bagel").kinds
    ('good', 'combined', 'contamination', 'crack', 'hole')
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
    combined: bool = False
    distance: float = DISTANCE
    baseline: float = BASELINE
    known: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The test kinds, `good` first."""
        return "good", *sorted([*self.defects, *([COMBINED] if self.combined else [])])

    def station(self, pixels: int | None = None) -> Station:
        """Return the camera over the table; `pixels` is the longer side of the image, None the original's size."""
        height, width = self.shape
        if pixels is not None:
            scale = pixels / max(height, width)
            height, width = round(height * scale), round(width * scale)
        return Station.over(self.field, (height, width), self.tilt, self.centre, self.distance, self.baseline)

    def choose(self, kind: str, rng: np.random.Generator) -> list[Defect]:
        """Return the defects of the next part of a kind: two or three different ones where they are combined.

        Now and then one sits on a part twice: as often as the originals have more regions than parts.
        """
        if kind != COMBINED:
            return [self.defects[kind]] * (1 + (rng.random() < SECOND))
        count = min(len(self.defects), 2 + (rng.random() < THIRD))
        names = rng.permutation(sorted(self.defects))[:count]
        return [self.defects[name] for name in sorted(names, reverse=True)]  # a bend last: it carries the others along
