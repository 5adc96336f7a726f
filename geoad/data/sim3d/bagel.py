"""A bagel: a baked ring, round and bumpy; every one has another shape and lies turned as it fell."""

from __future__ import annotations

import numpy as np

from geoad.data.sim3d import defects
from geoad.data.sim3d.category import Category, Counts
from geoad.data.sim3d.defects import Defect
from geoad.data.sim3d.mesh import Floats, Mesh, grid
from geoad.data.sim3d.noise import bumps, noise_table
from geoad.data.sim3d.scene import Pose
from geoad.data.sim3d.strangers import foreign

RING, TUBE, HEIGHT = 29.0, 16.0, 15.0  # mm: radius of the ring's middle, half width and half height of the tube
CRUST, PALE, CRUMB = (0.58, 0.33, 0.13), (0.85, 0.64, 0.36), (0.95, 0.87, 0.68)
STRANGE = ((0.25, 0.27, 0.3), (0.2, 0.3, 0.6), (0.75, 0.55, 0.3), (0.8, 0.8, 0.78))


def _build(rng: np.random.Generator, spacing: float) -> Mesh:
    """Return a bagel about 9 cm across and 3 cm high."""
    size = rng.normal(1, 0.025)
    around = round(2 * np.pi * (RING + TUBE) * size / spacing)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)[:, None]
    turn = np.radians(np.linspace(-135, 225, round(2 * np.pi * TUBE * size / spacing), endpoint=False))[None]
    ring = RING * size * (1 + _wave(rng, angle, 0.02))
    tube = TUBE * size * (rng.normal(1, 0.025) + _wave(rng, angle, 0.04))
    high = HEIGHT * size * (rng.normal(1, 0.03) + _wave(rng, angle, 0.035))
    out = ring + tube * np.cos(turn)
    rise = np.maximum(high * (np.sin(turn) + 0.75), 0)
    mesh = grid(np.stack([out * np.cos(angle), out * np.sin(angle), rise], -1), colour=CRUST, closed=(True, True))
    bumpy = mesh.displaced(_crust(rng, mesh.vertices))
    return grid(
        bumpy.vertices.reshape(*rise.shape, 3),
        colour=_baked(rng, bumpy.vertices, rise.ravel() / (1.75 * HEIGHT)),
        gloss=0.25,
        inside=CRUMB,
        closed=(True, True),
    )


def _lay(rng: np.random.Generator) -> Pose:
    """Turn the bagel at will and move it by up to 4 mm."""
    return Pose(rng.uniform(0, 360), *rng.uniform(-4, 4, 2))


def _wave(rng: np.random.Generator, angle: Floats, amplitude: float) -> Floats:
    """A random closed wave of five harmonics around the ring."""
    order = np.arange(1, 6)
    height = rng.normal(0, amplitude, 5) / np.sqrt(order)
    return np.asarray((height * np.cos(order * angle + rng.uniform(0, 2 * np.pi, 5))).sum(-1, keepdims=True))


def _crust(rng: np.random.Generator, points: Floats) -> Floats:
    """Lumps of dough, blisters and grain, mm."""
    lumps = 1.1 * bumps(points, noise_table(rng), 16.0)
    blisters = 0.8 * np.clip(bumps(points, noise_table(rng), 5.0) - 0.05, 0, None) * rng.uniform(0.6, 1.6)
    return lumps + blisters + 0.1 * bumps(points, noise_table(rng), 1.6)


def _baked(rng: np.random.Generator, points: Floats, rise: Floats) -> Floats:
    """Browner on top and in patches, paler towards the table."""
    brown = rise + 0.35 * bumps(points, noise_table(rng), 14.0, octaves=3) + rng.normal(0, 0.06)
    share = np.clip(1.6 * brown - 0.5, 0, 1)[:, None]
    return np.asarray(share * CRUST + (1 - share) * PALE)


BAGEL = Category(
    name="bagel",
    field=125.0,
    shape=(800, 800),
    counts=Counts(244, 22, 22, 88),
    tilt=4.0,
    centre=(0.58, 0.53),
    build=_build,
    lay=_lay,
    defects={
        "contamination": Defect(foreign((2.2, 5.0), (1.8, 4.0), STRANGE)),
        "crack": Defect(defects.cut((18.0, 32.0), (2.0, 3.4), (3.0, 6.0), wander=2.5)),
        "hole": Defect(defects.hole((2.0, 4.5), (4.0, 9.0))),
    },
    combined=True,
)
