"""A potato: a lumpy tuber with eyes; every one has another shape and lies as it fell."""

from __future__ import annotations

import numpy as np

from geoad.data.sim3d import defects
from geoad.data.sim3d.category import Category, Counts
from geoad.data.sim3d.defects import Defect
from geoad.data.sim3d.mesh import Floats, Mesh, ball, grid
from geoad.data.sim3d.noise import bumps, cells, noise_table
from geoad.data.sim3d.scene import Pose
from geoad.data.sim3d.strangers import foreign, nail

AXES = (43.0, 31.0, 26.0)  # mm: half the length, width and height
PALE, EARTHY, BROWN, FLESH = (0.76, 0.62, 0.4), (0.6, 0.46, 0.28), (0.3, 0.21, 0.13), (0.9, 0.84, 0.58)
STRANGE = ((0.2, 0.2, 0.22), (0.2, 0.3, 0.55), (0.75, 0.73, 0.7), (0.6, 0.2, 0.15))


def _build(rng: np.random.Generator, spacing: float) -> Mesh:
    """Return a potato about 9 cm long, its length along x."""
    axes = np.array(AXES) * rng.normal(1, 0.05, 3) * rng.normal(1, 0.05)
    sides = ball(round(np.pi * axes[0] / spacing), round(2 * np.pi * axes[1] / spacing))
    way = sides.reshape(-1, 3)
    girth = 1 + 0.13 * bumps(way, noise_table(rng), 1.1) + 0.06 * bumps(way, noise_table(rng), 0.5, octaves=2)
    points = way * girth[:, None] * axes
    points[:, 1] += rng.normal(0, 3.0) * way[:, 0] ** 2
    points[:, 2] -= points[:, 2].min()
    eyes = _eyes(rng, points)
    mesh = grid(points.reshape(sides.shape), colour=PALE, closed=(False, True))
    skin = 0.18 * bumps(points, noise_table(rng), 6.0, octaves=2) + 0.05 * bumps(points, noise_table(rng), 1.0)
    mesh = mesh.displaced(skin - 1.3 * eyes)
    colour = _peel(rng, points, eyes)
    return grid(mesh.vertices.reshape(sides.shape), colour=colour, gloss=0.08, inside=FLESH, closed=(False, True))


def _lay(rng: np.random.Generator) -> Pose:
    """Turn the potato by up to 25 degrees either way and move it by up to 4 mm."""
    return Pose(rng.uniform(-25, 25), *rng.uniform(-4, 4, 2))


def _eyes(rng: np.random.Generator, points: Floats) -> Floats:
    """How deep (V,) in an eye, 0 to 1, below 0 on the brow above it."""
    out = np.zeros(len(points))
    for centre in points[rng.integers(len(points), size=rng.integers(8, 15))]:
        offset = points - centre
        size = rng.uniform(1.3, 2.4)
        pit = np.exp(-((offset * (1.0, 0.6, 0.6)) ** 2).sum(1) / size**2)
        brow = np.exp(-(((offset - (1.6 * size, 0.0, 0.0)) * (1.0, 0.5, 0.5)) ** 2).sum(1) / size**2)
        out += pit - 0.35 * brow
    return out


def _peel(rng: np.random.Generator, points: Floats, eyes: Floats) -> Floats:
    """Pale and earthy patches, dark dots and eyes."""
    earthy = np.clip(0.5 + 0.9 * bumps(points, noise_table(rng), 18.0, octaves=4), 0, 1)[:, None]
    dots = np.clip(1 - cells(points, noise_table(rng), 4.5) / 0.16, 0, 1)[:, None]
    dark = np.clip(0.6 * dots + 0.7 * np.clip(eyes, 0, 1)[:, None], 0, 1)
    skin = earthy * EARTHY + (1 - earthy) * PALE
    return np.asarray(dark * BROWN + (1 - dark) * skin)


POTATO = Category(
    name="potato",
    field=140.0,
    shape=(800, 800),
    counts=Counts(300, 33, 22, 92),
    tilt=5.0,
    centre=(0.47, 0.55),
    build=_build,
    lay=_lay,
    defects={
        "contamination": Defect(
            defects.either(foreign((1.8, 4.2), (1.6, 3.5), STRANGE), nail((0.8, 1.4), (7.0, 13.0)))
        ),
        "cut": Defect(
            defects.either(defects.cut((12.0, 26.0), (1.2, 2.4), (2.5, 5.0)), defects.chip((1.2, 2.6), 0.12))
        ),
        "hole": Defect(defects.hole((1.4, 3.6), (4.0, 9.0))),
    },
    combined=True,
)
