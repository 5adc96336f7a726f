"""A block of packaging foam: soft and porous; it bends, swells and is never cut quite straight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoad.data.sim3d import defects
from geoad.data.sim3d.category import Category, Counts
from geoad.data.sim3d.defects import Anchor, Defect
from geoad.data.sim3d.mesh import Floats, Mesh, grid
from geoad.data.sim3d.noise import bumps, cells, noise_table
from geoad.data.sim3d.scene import Pose
from geoad.data.sim3d.strangers import foreign, stain

SIZE = (80.0, 60.0, 26.0)  # mm
ROUND = 2.5  # radius of the edges, mm
SOFT, DEEP = (0.78, 0.74, 0.5), (0.62, 0.58, 0.36)
INK = ((0.2, 0.25, 0.5), (0.5, 0.18, 0.14), (0.25, 0.24, 0.22))
STRANGE = ((0.3, 0.32, 0.35), (0.55, 0.2, 0.15), (0.8, 0.78, 0.55))


def _build(rng: np.random.Generator, spacing: float) -> Mesh:
    """Return a block of foam 80 x 60 x 26 mm, deformed."""
    mesh = grid(_block(spacing), colour=SOFT).joined(grid(_bottom(spacing), colour=SOFT))
    mesh = mesh.moved(_bent(rng, mesh.vertices))
    wavy = 0.7 * bumps(mesh.vertices, noise_table(rng), 22.0, octaves=2)
    open_ = 0.4 + 0.15 * bumps(mesh.vertices, noise_table(rng), 7.0)  # radius of the pores, in cells
    pore = np.clip(1 - cells(mesh.vertices, noise_table(rng), 3.2) / open_, 0, 1)
    rough = 0.16 * bumps(mesh.vertices, noise_table(rng), 1.5, octaves=2)
    skin = mesh.displaced(wavy + rough - 0.9 * np.sqrt(pore))
    shade = 1 + 0.06 * bumps(mesh.vertices, noise_table(rng), 9.0, octaves=3) - 0.25 * pore
    return Mesh(skin.vertices, skin.faces, shade[:, None] * SOFT, skin.gloss, DEEP)


def _lay(rng: np.random.Generator) -> Pose:
    """Put the block down within 3 mm and 6 degrees."""
    return Pose(rng.uniform(-6, 6), *rng.uniform(-3, 3, 2))


def _tear(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
    """Tear off the corner nearest to the anchor."""
    corner = np.sign(anchor.point[:2])
    outwards = np.array([*(corner * rng.uniform(0.5, 1.0, 2)), rng.uniform(0.5, 1.0)])
    outwards /= np.linalg.norm(outwards)
    tip = mesh.vertices[np.argmax(mesh.vertices @ outwards)]
    return defects.chip((4.0, 7.5))(mesh, Anchor(tip, outwards), rng)


def _block(spacing: float) -> Floats:
    """A sheet (N, M, 3) that covers the top and hangs down the four sides, its edges rounded."""
    half, height = np.array(SIZE[:2]) / 2, SIZE[2]
    u, v = (np.linspace(-h - height, h + height, round(2 * (h + height) / spacing)) for h in half)
    x, y = np.broadcast_arrays(u[:, None], v[None])
    down = np.maximum(np.maximum(np.abs(x) - half[0], np.abs(y) - half[1]), 0)
    box = np.stack([np.clip(x, -half[0], half[0]), np.clip(y, -half[1], half[1]), height - down], -1)
    core = np.clip(box, [*(-half + ROUND), -np.inf], [*(half - ROUND), height - ROUND])
    skin = box - core
    return np.asarray(core + ROUND * skin / np.maximum(np.linalg.norm(skin, axis=-1, keepdims=True), 1e-9))


def _bottom(spacing: float) -> Floats:
    """The face (N, M, 3) that lies on the table."""
    x, y = (np.linspace(-side / 2, side / 2, round(side / spacing)) for side in SIZE[:2])
    return np.stack(np.broadcast_arrays(x[:, None], y[None, ::-1], np.zeros(1)), -1)


def _bent(rng: np.random.Generator, points: Floats) -> Floats:
    """Points after bending, shearing and pressing: the table keeps the bottom, the top gives way."""
    x, y, z = points.T
    share = z / SIZE[2]
    sag = (rng.normal(0, 1.2, 2) * (points[:, :2] / 40.0) ** 2).sum(-1) + rng.normal(0, 0.7) * x * y / 1200.0
    lean = share[:, None] * (rng.normal(0, 1.2, 2) + points[:, [1, 0]] * rng.normal(0, 0.02, 2))
    swell = 1 + rng.normal(0, 0.012, 2) + 0.02 * np.sin(np.pi * share)[:, None]
    return np.column_stack([points[:, :2] * swell + lean, z + share * (sag + rng.normal(0, 0.5))])


def _top(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """The upper face, away from its edges."""
    return (normals[:, 2] > 0.8) & (np.abs(points[:, 0]) < 33) & (np.abs(points[:, 1]) < 23)


FOAM = Category(
    name="foam",
    field=120.0,
    shape=(900, 900),
    counts=Counts(236, 27, 20, 80),
    tilt=9.0,
    centre=(0.52, 0.44),
    build=_build,
    lay=_lay,
    defects={
        "contamination": Defect(foreign((2.0, 4.5), (1.8, 3.5), STRANGE), _top),
        "cut": Defect(defects.either(defects.cut((18.0, 34.0), (1.6, 2.6), (4.0, 8.0)), _tear), _top),
        "color": Defect(stain((2.5, 6.5), INK), _top),
    },
    combined=True,
)
