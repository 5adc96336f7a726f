"""A tire of a model car: rubber with a tread of blocks; soft, it is never quite round, and rolled at will."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoad.data.sim3d import defects
from geoad.data.sim3d.category import Category, Counts
from geoad.data.sim3d.defects import Anchor, Defect
from geoad.data.sim3d.mesh import Floats, Mesh, grid, length
from geoad.data.sim3d.noise import bumps, noise_table
from geoad.data.sim3d.scene import Pose
from geoad.data.sim3d.strangers import foreign

CROWN, WIDE = 54.0, 23.0  # mm: radius below the blocks, half the width
ROWS, HIGH = 28, 3.0  # rows of blocks around, their height in mm
# blocks of even and odd rows, one side: middle across, half width, half length around; mm
BLOCKS = (((9.5, 4.0, 4.0), (21.0, 3.0, 4.3)), ((3.1, 2.4, 3.6), (14.8, 2.7, 3.8)))
RUBBER, FRESH = (0.075, 0.075, 0.07), (0.045, 0.045, 0.045)
STRANGE = ((0.6, 0.5, 0.25), (0.45, 0.45, 0.46), (0.5, 0.2, 0.12), (0.75, 0.74, 0.7))


def _build(rng: np.random.Generator, spacing: float) -> Mesh:
    """Return a tire 11 cm high and 5 cm wide that stands on its tread; its axis is x."""
    across, radius = _section(spacing)
    roll = np.linspace(0, 2 * np.pi, round(2 * np.pi * CROWN / spacing), endpoint=False)[:, None]
    phase = rng.uniform(0, 2 * np.pi)
    oval = 1 + rng.normal(0, 0.008) * np.cos(2 * roll + rng.uniform(0, np.pi)) - 0.02 * np.cos(roll / 2) ** 40
    swell = 1 + rng.normal(0, 0.015) + 0.02 * np.cos(roll + rng.uniform(0, 2 * np.pi)) * rng.normal()
    x, r = across * swell, radius * oval
    points = np.stack([x, r * np.sin(roll), CROWN + HIGH - r * np.cos(roll)], -1)
    points[..., 0] += points[..., 2] * rng.normal(0, 0.012) + rng.normal(0, 0.5) * np.cos(2 * roll)
    mesh = grid(points, colour=RUBBER, closed=(True, True))
    tread = _tread(across, roll + phase) * (radius > CROWN - 12)
    worn = 0.12 * bumps(mesh.vertices, noise_table(rng), 8.0) + 0.02 * bumps(mesh.vertices, noise_table(rng), 0.8)
    mesh = mesh.displaced(HIGH * tread.ravel() + worn)
    shade = 1 + 0.25 * bumps(mesh.vertices, noise_table(rng), 10.0, octaves=4)[:, None]
    return grid(
        mesh.vertices.reshape(points.shape), colour=shade * RUBBER, gloss=0.5, inside=FRESH, closed=(True, True)
    )


def _lay(rng: np.random.Generator) -> Pose:
    """Put the tire down within 3 mm and 3 degrees."""
    return Pose(rng.uniform(-3, 3), *rng.uniform(-3, 3, 2))


def _section(spacing: float) -> tuple[Floats, Floats]:
    """The closed outline of the rubber: position across and distance from the axis, each (M,)."""
    t = np.linspace(0, np.pi, 200)
    side, up = np.sign(np.cos(t)) * np.sqrt(np.abs(np.cos(t))), np.sin(t) ** 0.55
    outer = np.stack([WIDE * side, 38.0 + (CROWN - 38.0) * up])
    inner = np.stack([0.8 * WIDE * side, 36.0 + 11.0 * up])[:, ::-1]
    bead = np.array([[0.86 * WIDE], [34.0]])
    line = np.hstack([outer, bead * [[-1], [1]], inner, bead, outer[:, :1]])[:, ::-1]
    along = np.r_[0.0, np.cumsum(np.hypot(*np.diff(line)))]
    steps = np.linspace(0, along[-1], round(along[-1] / spacing), endpoint=False)
    return np.interp(steps, along, line[0]), np.interp(steps, along, line[1])


def _tread(across: Floats, roll: Floats) -> Floats:
    """Height of the blocks (N, M) as a part of the full one."""
    turns = (roll * ROWS / (2 * np.pi)) % ROWS
    row, offset = np.floor(turns), (turns % 1.0 - 0.5) * 2 * np.pi * CROWN / ROWS
    height = np.zeros(np.broadcast_shapes(across.shape, roll.shape))
    for parity, blocks in enumerate(BLOCKS):
        for middle, half, long in blocks:
            wide = np.clip((half - np.abs(np.abs(across) - middle)) / 0.9 + 0.5, 0, 1)
            far = np.clip((long - np.abs(offset)) / 0.9 + 0.5, 0, 1)
            height = np.maximum(height, wide * far * (row % 2 == parity))
    return height


def _shear(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
    """Cut the blocks around the anchor down, at a slant, almost to their roots."""
    x, _, z = anchor.local(mesh.vertices, rng.uniform(0, np.pi))
    near = length(mesh.vertices - anchor.point) < rng.uniform(4.0, 8.0)
    above = np.clip(z + rng.uniform(1.6, 2.4) + 0.1 * x + 0.15 * bumps(mesh.vertices, noise_table(rng), 2.0), 0, None)
    return mesh.moved(mesh.vertices - (above * near)[:, None] * anchor.normal, torn=0.3)


def _blocks(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """The tops of the blocks on the upper side."""
    height = np.hypot(points[:, 1], points[:, 2] - CROWN - HIGH)
    return _tread_side(points, normals) & (height > CROWN + 0.6 * HIGH)


def _tread_side(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """The upper side of the tread."""
    return (np.abs(points[:, 0]) < 0.75 * WIDE) & (np.abs(points[:, 1]) < 32) & (normals[:, 2] > 0.6)


TIRE = Category(
    name="tire",
    field=157.0,
    shape=(800, 600),
    counts=Counts(210, 29, 25, 87),
    tilt=3.0,
    centre=(0.6276, 0.5295),
    build=_build,
    lay=_lay,
    defects={
        "contamination": Defect(foreign((2.0, 5.0), (1.6, 3.8), STRANGE), _tread_side),
        "cut": Defect(defects.either(defects.cut((7.0, 15.0), (1.4, 2.6), (2.0, 4.5)), _shear), _blocks),
        "hole": Defect(defects.hole((2.4, 5.0), (4.0, 9.0)), _tread_side),
    },
    combined=True,
    # the lens, its axis and the pixels are those of the original's calibration file, 0.72 m above the table; the
    # baseline is read off the original's pictures: a shoulder 107 mm high throws a shadow 31 mm wide
    distance=0.72,
    baseline=0.15,
    known={"combined": 5, "contamination": 28, "cut": 27, "hole": 27},
)
