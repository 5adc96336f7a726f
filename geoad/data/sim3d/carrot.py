"""A carrot: a tapered root with rings and scars; every one has another shape and lies as it fell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoad.data.sim3d import defects
from geoad.data.sim3d.category import Category, Counts
from geoad.data.sim3d.defects import Defect
from geoad.data.sim3d.mesh import Floats, Mesh, grid
from geoad.data.sim3d.noise import bumps, noise_table
from geoad.data.sim3d.scene import Pose
from geoad.data.sim3d.strangers import foreign

LENGTH, THICK = 112.0, 14.5  # mm: from crown to tip, radius at the shoulder
STUB = 5.0  # mm of stalk left on the crown
ORANGE, PALE, GREEN, FLESH = (0.86, 0.38, 0.08), (0.9, 0.52, 0.2), (0.32, 0.36, 0.12), (0.93, 0.55, 0.16)
STRANGE = ((0.22, 0.2, 0.2), (0.35, 0.25, 0.15), (0.2, 0.3, 0.55), (0.78, 0.77, 0.72))


def _build(rng: np.random.Generator, spacing: float) -> Mesh:
    """Return a carrot about 11 cm long, its crown towards -x, its tip towards +x."""
    long, thick = LENGTH * rng.normal(1, 0.05), THICK * rng.normal(1, 0.06)
    x = np.r_[-STUB, np.linspace(-STUB, long, round((long + STUB + thick) / spacing))]
    plain = thick * _profile(x / long, rng.uniform(0.35, 0.55), rng.uniform(0.8, 1.5))
    radius = np.maximum(plain, np.where(x < 2, 4.2 * rng.normal(1, 0.15), 0.0))
    radius[0] = 0.0  # closes the stub
    around = np.linspace(0, 2 * np.pi, round(2 * np.pi * thick / spacing), endpoint=False)[:, None]
    oval = 1 + rng.uniform(0, 0.05) * np.cos(2 * around + rng.uniform(0, np.pi))
    share = np.clip(x / long, 0, 1)
    y = rng.normal(0, 2.5) * (share - 0.5) ** 2 * 4 + rng.normal(0, 0.9) * np.sin(2 * np.pi * share)
    wide = radius * oval
    points = np.stack([x - long / 2 + 0 * around, y + wide * np.cos(around), plain + wide * np.sin(around)], -1)
    flat = points.reshape(-1, 3)
    mesh = grid(points, colour=ORANGE, closed=(True, False))
    rings = np.clip(bumps(flat * (1.0, 0.16, 0.16), noise_table(rng), 2.4) - 0.25, 0, None)
    lumps = 0.5 * bumps(flat, noise_table(rng), 15.0) + 0.04 * bumps(flat, noise_table(rng), 1.0)
    mesh = mesh.displaced((lumps - 1.5 * rings) * np.tile(np.clip(x / 6, 0, 1), len(around)))
    colour = _rind(rng, flat, rings, np.tile(x, len(around)))
    return grid(mesh.vertices.reshape(points.shape), colour=colour, gloss=0.12, inside=FLESH, closed=(True, False))


def _lay(rng: np.random.Generator) -> Pose:
    """Lay the carrot down within 5 mm and 12 degrees."""
    return Pose(30 + rng.uniform(-12, 12), *rng.uniform(-5, 5, 2))


def _profile(share: Floats, slim: float, blunt: float) -> Floats:
    """The radius (M,) as a part of the shoulder's, from the crown (0) to the tip (1)."""
    inner = np.clip(share, 0, 1)
    shoulder = np.sqrt(1 - np.clip(1 - inner / 0.09, 0, 1) ** 2)
    tip = np.sqrt(1 - np.clip(1 - (1 - inner) / (0.06 * blunt), 0, 1) ** 2)
    return np.asarray(shoulder * tip * (1 - (1 - slim) * inner**1.2))


def _rind(rng: np.random.Generator, points: Floats, rings: Floats, x: Floats) -> Floats:
    """Orange, paler in patches, darker in the rings, green on the crown."""
    pale = np.clip(0.35 + 0.6 * bumps(points * (0.4, 1.0, 1.0), noise_table(rng), 9.0, octaves=3), 0, 1)[:, None]
    skin = (pale * PALE + (1 - pale) * ORANGE) * (1 - 1.2 * np.clip(rings, 0, 0.5))[:, None]
    green = np.clip((3.0 - x) / 4 + 0.4 * bumps(points, noise_table(rng), 3.0), 0, 1)[:, None]
    return np.asarray(green * GREEN + (1 - green) * skin)


def _root(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """The upper side, away from the crown and the tip."""
    return (np.abs(points[:, 0]) < 0.38 * LENGTH) & (normals[:, 2] > 0.6)


CARROT = Category(
    name="carrot",
    field=150.0,
    shape=(800, 800),
    counts=Counts(286, 29, 27, 132),
    tilt=6.0,
    centre=(0.53, 0.56),
    build=_build,
    lay=_lay,
    defects={
        "contamination": Defect(foreign((1.6, 3.4), (1.4, 3.0), STRANGE), _root),
        "crack": Defect(defects.cut((16.0, 34.0), (1.6, 3.0), (2.5, 5.0), wander=2.0), _root),
        "cut": Defect(
            defects.either(defects.cut((9.0, 18.0), (1.2, 2.2), (2.0, 4.5)), defects.chip((1.4, 3.2), 0.1)), _root
        ),
        "hole": Defect(defects.hole((1.3, 3.0), (3.5, 8.0)), _root),
    },
    combined=True,
)
