"""A cookie: a rough, fissured disc of dough with chips of chocolate; every one has another shape and lies turned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoad.data.sim3d import defects
from geoad.data.sim3d.category import Category, Counts
from geoad.data.sim3d.defects import Anchor, Defect
from geoad.data.sim3d.mesh import Floats, Mesh, grid
from geoad.data.sim3d.noise import bumps, cells, noise_table
from geoad.data.sim3d.scene import Pose
from geoad.data.sim3d.strangers import foreign

RADIUS, HEIGHT = 30.0, 10.5  # mm
DOUGH, TOASTED, CRUMB = (0.77, 0.55, 0.3), (0.58, 0.36, 0.16), (0.84, 0.68, 0.44)
CHOCOLATE = (0.15, 0.085, 0.05)
STRANGE = ((0.3, 0.32, 0.35), (0.2, 0.3, 0.55), (0.25, 0.4, 0.2), (0.82, 0.82, 0.8))


def _build(rng: np.random.Generator, spacing: float) -> Mesh:
    """Return a cookie 6 cm across and 1 cm high."""
    wide, high = RADIUS * rng.normal(1, 0.025), HEIGHT * rng.normal(1, 0.05)
    t = np.linspace(0, 1, round((2 * wide + high) / spacing))
    # from the middle of the underside over the rim to the middle of the top
    out = np.interp(t, [0.0, 0.4, 0.45, 0.5, 0.56, 0.63, 1.0], [0.0, 0.95, 1.0, 1.0, 0.95, 0.84, 0.0])
    rise = np.interp(t, [0.0, 0.4, 0.45, 0.5, 0.56, 0.63, 0.8, 1.0], [0.0, 0.0, 0.12, 0.4, 0.66, 0.82, 0.96, 1.0])
    angle = np.linspace(0, 2 * np.pi, round(2 * np.pi * wide / spacing), endpoint=False)[:, None]
    edge = np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])
    ragged = 1 + 0.06 * bumps(edge, noise_table(rng), 1.0, octaves=3)[:, None]
    points = np.stack(
        [wide * ragged * out * np.cos(angle), wide * ragged * out * np.sin(angle), high * rise + 0 * angle], -1
    )
    flat = points.reshape(-1, 3)
    share = np.tile(rise, len(angle))
    mesh = grid(points, colour=DOUGH, closed=(True, False))
    rough, fissure = _crust(rng, flat)
    chip = _chips(rng, flat, wide)
    mesh = mesh.displaced((rough - fissure) * np.clip(share / 0.3, 0, 1) * (chip <= 0) + 0 * chip)
    lifted = mesh.vertices + np.column_stack([0 * chip, 0 * chip, 1.9 * np.sqrt(np.clip(chip, 0, 1))])
    colour = _baked(rng, flat, fissure)
    dark = np.clip(chip / 0.12, 0, 1)[:, None]
    return grid(
        lifted.reshape(points.shape),
        colour=dark * CHOCOLATE + (1 - dark) * colour,
        gloss=0.3 * dark[:, 0],
        inside=CRUMB,
        closed=(True, False),
    )


def _lay(rng: np.random.Generator) -> Pose:
    """Turn the cookie at will and move it by up to 3 mm."""
    return Pose(rng.uniform(0, 360), *rng.uniform(-3, 3, 2))


def _crust(rng: np.random.Generator, points: Floats) -> tuple[Floats, Floats]:
    """Lumps and crumbs, and the depth of the fissures between them, mm."""
    crumbs = 0.7 * np.clip(0.5 - cells(points, noise_table(rng), 3.2), 0, None)
    rough = 0.9 * bumps(points, noise_table(rng), 9.0, octaves=3) + crumbs
    ridge = np.abs(bumps(points, noise_table(rng), 11.0, octaves=2))
    broken = np.clip(0.2 + bumps(points, noise_table(rng), 16.0), 0, 1)
    return rough, np.asarray(1.6 * broken * np.clip(1 - ridge / 0.07, 0, 1))


def _chips(rng: np.random.Generator, points: Floats, wide: float) -> Floats:
    """How far (V,) inside a chip on the top: 1 in its middle, 0 or less outside of all."""
    inside = np.full(len(points), -1.0)
    for _ in range(rng.integers(11, 19)):
        away, turn = 0.82 * wide * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
        x, y = points[:, 0] - away * np.cos(turn), points[:, 1] - away * np.sin(turn)
        angle, long, short = rng.uniform(0, np.pi), rng.uniform(2.4, 3.8), rng.uniform(1.7, 2.6)
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        inside = np.maximum(inside, 1 - (u / long) ** 2 - (v / short) ** 2)
    return np.where(points[:, 2] > 0.5 * HEIGHT, inside, -1.0)


def _baked(rng: np.random.Generator, points: Floats, fissure: Floats) -> Floats:
    """Toasted on the rim and in patches, darker in the fissures."""
    toast = 0.4 + 0.5 * bumps(points, noise_table(rng), 13.0, octaves=4)
    toast += 0.5 * np.clip(np.hypot(points[:, 0], points[:, 1]) / RADIUS - 0.8, 0, None) / 0.2
    share = np.clip(toast + 0.3 * fissure, 0, 1)[:, None]
    return np.asarray(share * TOASTED + (1 - share) * DOUGH)


def _snap(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
    """Break a piece off the rim next to the anchor, along a rough upright plane."""
    outwards = np.array([*anchor.point[:2], 0.0]) / np.linalg.norm(anchor.point[:2])
    tip = mesh.vertices[np.argmax(mesh.vertices @ outwards)]
    return defects.chip((2.0, 6.0), 1.2)(mesh, Anchor(tip, outwards), rng)


def _top(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """The upper side, away from the middle and the rim."""
    away = np.hypot(points[:, 0], points[:, 1])
    return (away > 4) & (away < 0.8 * RADIUS) & (normals[:, 2] > 0.6)


COOKIE = Category(
    name="cookie",
    field=92.0,
    shape=(500, 500),
    counts=Counts(210, 22, 28, 103),
    tilt=4.0,
    centre=(0.45, 0.47),
    build=_build,
    lay=_lay,
    defects={
        "contamination": Defect(foreign((1.3, 3.2), (1.3, 2.8), STRANGE), _top),
        "crack": Defect(defects.either(defects.cut((16.0, 34.0), (1.4, 2.6), (3.0, 7.0), wander=2.5), _snap), _top),
        "hole": Defect(defects.hole((1.4, 3.2), (3.5, 8.0)), _top),
    },
    combined=True,
)
