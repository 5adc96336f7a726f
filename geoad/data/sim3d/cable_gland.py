"""A cable gland: turned, threaded, hexagonal and bored; rigid, moves by a few millimetres and degrees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoad.data.sim3d import defects
from geoad.data.sim3d.bends import bend
from geoad.data.sim3d.category import Category, Counts
from geoad.data.sim3d.defects import Anchor, Defect
from geoad.data.sim3d.mesh import Floats, Mesh, grid
from geoad.data.sim3d.noise import bumps, noise_table
from geoad.data.sim3d.scene import Pose

THREAD, CREST, TOOTH, PITCH = (-31.0, -13.0), 10.0, 1.3, 2.5  # mm: ends along the axis, outer radius, depth, lead
AXIS = 13.0  # height of the axis above the table, mm: half the width across flats
# profile along the axis, mm: x, radius, share of the hexagon (0 round, 1 hexagonal), share of the thread
PROFILE = (
    (-24.0, 0.0, 0, 0),
    (-24.0, 6.0, 0, 0),
    (-31.0, 6.0, 0, 0),
    (-31.0, 8.4, 0, 0),
    (-30.0, 10.0, 0, 0),
    (-29.5, 10.0, 0, 1),
    (-14.0, 10.0, 0, 1),
    (-13.5, 9.0, 0, 0),
    (-12.5, 9.0, 0, 0),
    (-12.5, 12.4, 1, 0),
    (-12.0, 13.0, 1, 0),
    (-3.5, 13.0, 1, 0),
    (-3.0, 12.4, 1, 0),
    (-3.0, 10.6, 0, 0),
    (-1.0, 10.6, 0, 0),
    (-1.0, 12.0, 1, 0),
    (-0.6, 12.4, 1, 0),
    *((12.0 + 15.0 * np.sin(t), 6.0 + 6.4 * np.cos(t), max(0.0, 1 - 6 * t), 0) for t in np.linspace(0, np.pi / 2, 24)),
    (20.0, 5.8, 0, 0),
    (20.0, 0.0, 0, 0),
)
METAL, WORN = (0.55, 0.56, 0.58), (0.38, 0.39, 0.42)


def _build(rng: np.random.Generator, spacing: float) -> Mesh:
    """Return a gland 58 mm long, 26 mm across flats, rolled by a degree or two; its axis is x."""
    x, radius, hexagon, thread = _along(0.6 * spacing)
    theta = np.linspace(-np.pi, np.pi, round(2 * np.pi * AXIS / spacing), endpoint=False)[:, None]
    flat = 1 / np.cos((theta + np.pi / 6) % (np.pi / 3) - np.pi / 6)  # of a hexagon about a unit circle
    corner = radius * (1 + hexagon * (np.minimum(flat, 1.115) - 1))
    phase = (x / PITCH + theta / (2 * np.pi)) % 1.0
    tooth = np.clip(1.8 * np.abs(2 * phase - 1) - 0.4, 0, 1)  # a trapezoid: root, flank, crest
    r = corner - thread * TOOTH * (1 - tooth)
    roll = theta + np.radians(90 + rng.normal(0, 0.8))
    points = np.stack([x + 0 * theta, r * np.cos(roll), AXIS + r * np.sin(roll)], -1)
    mesh = grid(points, colour=METAL, gloss=0.45, inside=WORN, closed=(True, False))
    return mesh.displaced(0.006 * bumps(mesh.vertices, noise_table(rng), 1.2))


def _lay(rng: np.random.Generator) -> Pose:
    """Put the gland back into its place: within 2.5 mm and 3 degrees."""
    return Pose(rng.uniform(-3, 3), *rng.uniform(-2.5, 2.5, 2))


def _strip(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
    """Shear off the teeth of the thread around the anchor, down to the root."""
    x, across, up = (mesh.vertices - (0.0, 0.0, AXIS)).T
    radius = np.hypot(across, up)
    turn = np.arctan2(across, up) - np.arctan2(anchor.point[1], anchor.point[2] - AXIS)
    reach = (x - anchor.point[0]) / rng.uniform(2, 4.5), CREST * turn / rng.uniform(2.5, 5)
    near = np.hypot(*reach) + 0.25 * bumps(mesh.vertices, noise_table(rng), 2.5) < 1
    root = CREST - TOOTH - 0.5 + 0.15 * bumps(mesh.vertices, noise_table(rng), 1.5)
    inside = near & (x > THREAD[0] + 1) & (x < THREAD[1]) & (radius > root)
    shrink = np.where(inside, root / np.maximum(radius, 1e-6), 1.0)
    return mesh.moved(np.column_stack([x, across * shrink, AXIS + up * shrink]), torn=0.3)


def _along(spacing: float) -> tuple[Floats, Floats, Floats, Floats]:
    """The profile sampled along its length; each (M,), in the order of the table."""
    table = np.array(PROFILE, np.float64)
    length = np.r_[0.0, np.cumsum(np.hypot(*np.diff(table[:, :2], axis=0).T) + np.abs(np.diff(table[:, 2])) * 1e-6)]
    steps = np.unique(np.r_[np.linspace(0, length[-1], round(length[-1] / spacing)), length])
    x, radius, hexagon, thread = (np.interp(steps, length, column) for column in table.T)
    return x, radius, hexagon, thread


def _thread(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """The upper side of the thread, away from its ends."""
    x, _, z = points.T
    return np.asarray((x > THREAD[0] + 4) & (x < THREAD[1] - 3) & (z > AXIS + 0.75 * CREST) & (normals[:, 2] > 0.3))


def _smooth(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """The upper side of the hexagons and the dome."""
    return (points[:, 0] > -11) & (normals[:, 2] > 0.7)


def _ends(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """Where the threaded end or the tip of the dome bends off."""
    x = points[:, 0]
    return (((x > -29) & (x < -26)) | ((x > 20) & (x < 24))) & (normals[:, 2] > 0.5)


CABLE_GLAND = Category(
    name="cable_gland",
    field=88.0,
    shape=(400, 400),
    counts=Counts(223, 23, 21, 87),
    tilt=8.0,
    centre=(0.45, 0.55),
    build=_build,
    lay=_lay,
    defects={
        "bent": Defect(
            defects.either(bend((5.0, 12.0), knee=3.0, height=AXIS), defects.dent((2.5, 4.5), (0.8, 1.8))), _ends
        ),
        "cut": Defect(defects.cut((7.0, 15.0), (1.2, 2.0), (1.5, 3.0)), _smooth),
        "hole": Defect(defects.hole((1.2, 2.4), (2.5, 5.0)), _smooth),
        "thread": Defect(_strip, _thread),
    },
)
