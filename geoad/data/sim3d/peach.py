"""A peach: a fuzzy fruit with a seam and a stem cavity; every one has another shape and lies as it fell."""

from __future__ import annotations

import numpy as np

from geoad.data.sim3d import defects
from geoad.data.sim3d.category import Category, Counts
from geoad.data.sim3d.defects import Defect
from geoad.data.sim3d.mesh import Floats, Mesh, ball, grid
from geoad.data.sim3d.noise import bumps, noise_table
from geoad.data.sim3d.scene import Pose, turned
from geoad.data.sim3d.strangers import foreign

RADIUS = 32.0  # mm
YELLOW, RED, DARK, FLESH = (0.9, 0.66, 0.3), (0.62, 0.16, 0.12), (0.3, 0.17, 0.08), (0.93, 0.75, 0.35)
STRANGE = ((0.22, 0.22, 0.24), (0.25, 0.35, 0.2), (0.8, 0.79, 0.75), (0.2, 0.25, 0.5))


def _build(rng: np.random.Generator, spacing: float) -> Mesh:
    """Return a peach 6 to 7 cm thick; its stem points sideways or slanting up."""
    size = RADIUS * rng.normal(1, 0.05)
    sides = ball(round(np.pi * size / spacing), round(2 * np.pi * size / spacing))
    way = sides.reshape(-1, 3)
    from_stem, around = np.arccos(np.clip(way[:, 0], -1, 1)), np.arctan2(way[:, 2], way[:, 1])
    seam = np.exp(-((around / 0.16) ** 2)) * np.sin(from_stem)
    cavity = np.exp(-((from_stem / rng.uniform(0.28, 0.36)) ** 2))
    tip = np.exp(-(((np.pi - from_stem) / 0.2) ** 2))
    cheeks = 0.03 * np.exp(-((np.abs(around) - 0.5) ** 2) / 0.12) * np.sin(from_stem) ** 2
    out = 1 + cheeks + 0.05 * bumps(way, noise_table(rng), 1.0) - 0.2 * cavity + rng.uniform(0, 0.05) * tip
    out -= rng.uniform(0.025, 0.05) * seam
    points = way * out[:, None] * size * (rng.normal(0.94, 0.02), 1.0, rng.normal(0.98, 0.02))
    points = turned(points, _turn(rng))
    points[:, 2] -= points[:, 2].min()
    mesh = grid(points.reshape(sides.shape), colour=YELLOW, closed=(False, True))
    skin = 0.25 * bumps(points, noise_table(rng), 7.0) + 0.05 * bumps(points, noise_table(rng), 0.9, octaves=2)
    mesh = mesh.displaced(skin)
    colour = _blush(rng, points, way, np.exp(-((from_stem / 0.12) ** 2)))
    return grid(mesh.vertices.reshape(sides.shape), colour=colour, inside=FLESH, closed=(False, True))


def _lay(rng: np.random.Generator) -> Pose:
    """Turn the peach at will and move it by up to 4 mm."""
    return Pose(rng.uniform(0, 360), *rng.uniform(-4, 4, 2))


def _turn(rng: np.random.Generator) -> Floats:
    """A rotation: rolled about the stem's axis at will, the stem then lifted by 0 to 60 degrees."""
    roll, lift = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(0, 60))
    c, s = np.cos(roll), np.sin(roll)
    about = np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])
    c, s = np.cos(lift), np.sin(lift)
    return np.asarray(about @ np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]))


def _blush(rng: np.random.Generator, points: Floats, way: Floats, stem: Floats) -> Floats:
    """Red towards the sun, yellow in the shade, mottled in between, dark in the stem cavity."""
    sun = rng.normal(size=3)
    mottled = 0.5 * bumps(points, noise_table(rng), 12.0, octaves=4) + 0.12 * bumps(points, noise_table(rng), 1.2)
    red = np.clip(rng.uniform(0.25, 0.65) + 0.6 * np.einsum("ni,i->n", way, sun / np.linalg.norm(sun)) + mottled, 0, 1)[
        :, None
    ]
    skin = red * RED + (1 - red) * YELLOW
    return np.asarray(stem[:, None] * DARK + (1 - stem[:, None]) * skin)


PEACH = Category(
    name="peach",
    field=110.0,
    shape=(600, 600),
    counts=Counts(361, 42, 26, 106),
    tilt=5.0,
    centre=(0.56, 0.45),
    build=_build,
    lay=_lay,
    defects={
        "contamination": Defect(foreign((1.5, 3.6), (1.4, 3.0), STRANGE)),
        "cut": Defect(defects.either(defects.cut((9.0, 20.0), (1.2, 2.2), (2.5, 5.0)), defects.chip((1.0, 2.2), 0.12))),
        "dent": Defect(defects.dent((4.0, 7.5), (1.5, 3.2))),
        "hole": Defect(defects.hole((1.3, 3.0), (3.5, 8.0))),
    },
    combined=True,
)
