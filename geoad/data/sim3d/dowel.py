"""A dowel pin: turned wood with straight flutes and chamfered ends; rigid, moves by a few millimetres and degrees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoad.data.sim3d import defects
from geoad.data.sim3d.bends import bend
from geoad.data.sim3d.category import Category, Counts
from geoad.data.sim3d.defects import Defect
from geoad.data.sim3d.mesh import Floats, Mesh, grid
from geoad.data.sim3d.noise import bumps, noise_table
from geoad.data.sim3d.scene import Pose
from geoad.data.sim3d.strangers import foreign

HALF, RADIUS = 23.0, 5.0  # mm: half the length, radius over the ridges
FLUTES, GROOVE = 20, 0.4  # number of grooves around, depth in mm
PROFILE = ((0.0, 0.0), (0.0, 3.5), (0.25, 3.9), (1.3, 4.85), (1.7, RADIUS))  # an end, mm: from its face, radius
WOOD, DARK, FRESH = (0.8, 0.63, 0.42), (0.62, 0.45, 0.27), (0.88, 0.76, 0.56)
STRANGE = ((0.3, 0.3, 0.32), (0.75, 0.74, 0.7), (0.25, 0.35, 0.55))


def _build(rng: np.random.Generator, spacing: float) -> Mesh:
    """Return a pin 46 mm long and 10 mm thick, rolled by a degree or two; its axis is x."""
    x, end = _along(0.8 * spacing)
    around = max(round(2 * np.pi * RADIUS / spacing), 8 * FLUTES)  # a flute keeps its shape when pixels are coarse
    theta = np.linspace(-np.pi, np.pi, around, endpoint=False)[:, None]
    groove = np.clip(1 - np.abs(2 * ((FLUTES * theta / (2 * np.pi)) % 1.0) - 1) / 0.55, 0, 1) ** 0.8
    r = np.minimum(end, RADIUS - GROOVE * groove)
    roll = theta + np.radians(90 + rng.normal(0, 1.0))
    points = np.stack([x + 0 * theta, r * np.cos(roll), RADIUS + r * np.sin(roll)], -1)
    mesh = grid(points, colour=WOOD, gloss=0.05, inside=FRESH, closed=(True, False))
    streaks = mesh.vertices * (0.07, 1.0, 1.0)
    grain = bumps(streaks, noise_table(rng), 0.9, octaves=2)
    share = np.clip(0.25 + 0.5 * bumps(streaks, noise_table(rng), 1.6, octaves=3), 0, 1)[:, None]
    skin = mesh.displaced(0.012 * grain)
    return Mesh(skin.vertices, skin.faces, share * DARK + (1 - share) * WOOD, skin.gloss, FRESH)


def _lay(rng: np.random.Generator) -> Pose:
    """Put the pin back into its place: within 2.5 mm and 4 degrees."""
    return Pose(rng.uniform(-4, 4), *rng.uniform(-2.5, 2.5, 2))


def _along(spacing: float) -> tuple[Floats, Floats]:
    """Positions along the axis and the plain pin's radius there, each (M,), from one face's middle to the other's."""
    inset, radius = np.array(PROFILE).T
    x = np.r_[inset - HALF, (HALF - inset)[::-1]]
    r = np.r_[radius, radius[::-1]]
    length = np.r_[0.0, np.cumsum(np.hypot(np.diff(x), np.diff(r)))]
    steps = np.unique(np.r_[np.linspace(0, length[-1], round(length[-1] / spacing)), length])
    return np.interp(steps, length, x), np.interp(steps, length, r)


def _shaft(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """The upper side, away from the ends."""
    return (np.abs(points[:, 0]) < HALF - 4) & (normals[:, 2] > 0.6)


def _knee(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """Where an end bends off: 4 to 9 mm from its face."""
    inset = HALF - np.abs(points[:, 0])
    return (inset > 4) & (inset < 9) & (normals[:, 2] > 0.6)


DOWEL = Category(
    name="dowel",
    field=66.0,
    shape=(400, 400),
    counts=Counts(288, 34, 26, 104),
    tilt=6.0,
    centre=(0.55, 0.46),
    build=_build,
    lay=_lay,
    defects={
        "bent": Defect(bend((7.0, 16.0), knee=2.5, height=RADIUS), _knee),
        "contamination": Defect(foreign((1.0, 2.2), (1.2, 2.0), STRANGE), _shaft),
        "cut": Defect(defects.cut((5.0, 11.0), (0.9, 1.6), (0.9, 2.2)), _shaft),
    },
    combined=True,
)
