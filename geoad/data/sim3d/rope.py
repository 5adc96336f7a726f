"""A rope: three twisted strands, its ends whipped with twine; soft, it never lies or twists quite the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoad.data.sim3d import defects
from geoad.data.sim3d.category import Category, Counts
from geoad.data.sim3d.defects import Anchor, Defect
from geoad.data.sim3d.mesh import Floats, Mesh, grid
from geoad.data.sim3d.noise import bumps, noise_table
from geoad.data.sim3d.scene import Pose
from geoad.data.sim3d.strangers import foreign

LENGTH, LAY = 156.0, 62.0  # mm: of the strands, and along the rope for one turn of theirs
OFFSET, STRAND = 5.7, 5.3  # mm: from the rope's axis to a strand's, radius of a strand
SLANT = 1.16  # a strand's length for one of the rope's
YARNS = 11  # around a strand
WHIPPING = 11.0  # mm of each end under twine
HEMP, SHADE, CORE, TWINE = (0.8, 0.68, 0.47), (0.6, 0.47, 0.29), (0.9, 0.82, 0.64), (0.5, 0.44, 0.38)
STRANGE = ((0.3, 0.32, 0.35), (0.2, 0.3, 0.55), (0.65, 0.25, 0.2), (0.8, 0.8, 0.78))


@dataclass(frozen=True, eq=False)
class _Axis:
    """The rope's middle: `middle` (M, 3), unit vectors `ahead` and `aside` (M, 3), at arc lengths `s` (M,)."""

    s: Floats
    middle: Floats
    ahead: Floats
    aside: Floats

    def around(self, angle: Floats) -> Floats:
        """Unit vectors (..., M, 3) square to the axis, `angle` radians from `aside` towards the zenith."""
        return np.asarray(np.cos(angle)[..., None] * self.aside + np.sin(angle)[..., None] * np.array([0.0, 0.0, 1.0]))


def _build(rng: np.random.Generator, spacing: float) -> Mesh:
    """Return a rope 166 mm long and 22 mm thick, gently curved; on the whole it runs along x."""
    axis = _axis(rng, np.linspace(-LENGTH / 2, LENGTH / 2, round(SLANT * LENGTH / spacing)))
    lay = LAY * rng.normal(1, 0.03)
    twist = rng.uniform(0, 2 * np.pi) + 2 * np.pi * axis.s / lay + _wave(rng, axis.s, 0.15)
    strands = [_strand(rng, axis, twist + 2 * np.pi * i / 3, 2 * np.pi / lay, spacing) for i in range(3)]
    mesh = strands[0].joined(strands[1]).joined(strands[2])
    soft = 0.25 * bumps(mesh.vertices, noise_table(rng), 9.0)
    mesh = mesh.displaced(soft + 0.1 * bumps(mesh.vertices, noise_table(rng), 1.8, octaves=2))
    for end in (-1.0, 1.0):
        mesh = mesh.joined(_whipping(rng, axis, end, spacing))
    return mesh


def _lay(rng: np.random.Generator) -> Pose:
    """Lay the rope down within 4 mm and 3 degrees."""
    return Pose(rng.uniform(-3, 3), *rng.uniform(-4, 4, 2))


def _axis(rng: np.random.Generator, s: Floats) -> _Axis:
    """A gentle curve on the table, lifted here and there by up to a millimetre or two."""
    heading = _wave(rng, s, 0.11)
    heading -= heading.mean()
    ahead = np.column_stack([np.cos(heading), np.sin(heading), 0 * s])
    middle = np.cumsum(ahead, 0) * (s[1] - s[0])
    middle -= (middle.min(0) + middle.max(0)) / 2
    middle[:, 2] = OFFSET + STRAND - 0.4 + np.clip(_wave(rng, s, 0.5), 0, None)
    return _Axis(s, middle, ahead, np.column_stack([-np.sin(heading), np.cos(heading), 0 * s]))


def _wave(rng: np.random.Generator, s: Floats, amplitude: float) -> Floats:
    """A random slow wave along the rope, of three harmonics of half its length."""
    order = np.arange(1, 4)
    height = rng.normal(0, amplitude, 3) / order
    return np.asarray((height * np.cos(order * np.pi * s[:, None] / LENGTH + rng.uniform(0, 2 * np.pi, 3))).sum(-1))


def _strand(rng: np.random.Generator, axis: _Axis, twist: Floats, rate: float, spacing: float) -> Mesh:
    """One strand: a tube around a helix, its yarns turned against the rope's twist."""
    out = axis.around(twist)
    ahead = axis.ahead + rate * OFFSET * axis.around(twist + np.pi / 2)
    ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True)
    aside = np.cross(ahead, out)
    angle = np.linspace(0, 2 * np.pi, max(round(2 * np.pi * STRAND / spacing), 4 * YARNS), endpoint=False)[:, None]
    yarn = np.abs(np.sin(YARNS / 2 * (angle + 0.9 * rate * axis.s) + rng.uniform(0, np.pi)))
    radius = STRAND * rng.normal(1, 0.015) + 0.45 * (yarn - 0.6)
    ring = np.cos(angle)[..., None] * out + np.sin(angle)[..., None] * aside
    points = axis.middle + OFFSET * out + radius[..., None] * ring
    patches = 0.25 * bumps(points.reshape(-1, 3), noise_table(rng), 5.0, octaves=3)
    share = np.clip(0.2 + 0.9 * yarn.ravel() + patches, 0, 1)[:, None]
    return grid(points, colour=share * HEMP + (1 - share) * SHADE, inside=CORE, closed=(True, False))


def _whipping(rng: np.random.Generator, axis: _Axis, end: float, spacing: float) -> Mesh:
    """Twine wound around an end of the rope, closed by a rounded face; `end` is -1 or 1."""
    s = np.linspace(0, WHIPPING + 5, max(round((WHIPPING + 5) / (0.7 * spacing)), 12))
    outer = OFFSET + STRAND + 0.5 + rng.normal(0, 0.1)
    radius = outer * np.sqrt(1 - np.clip(1 - s / 2.5, 0, 1) ** 2) - 3 * np.clip(s - WHIPPING - 3, 0, None)
    radius = radius + 0.3 * np.abs(np.sin(np.pi * s / 2.4)) * (s > 2.4)
    at = (-LENGTH / 2 - 5 + s) if end < 0 else (LENGTH / 2 + 5 - s)[::-1]
    radius = radius if end < 0 else radius[::-1]
    middle, ahead, aside = (_sampled(at, axis.s, values) for values in (axis.middle, axis.ahead, axis.aside))
    middle = middle + (at - np.clip(at, axis.s[0], axis.s[-1]))[:, None] * ahead
    angle = np.linspace(0, 2 * np.pi, round(2 * np.pi * outer / spacing), endpoint=False)[:, None]
    points = middle + radius[:, None] * _Axis(at, middle, ahead, aside).around(angle + 0 * at)
    mesh = grid(points, colour=TWINE, inside=CORE, closed=(True, False))
    return mesh.displaced(0.35 * bumps(mesh.vertices, noise_table(rng), 6.0, octaves=2))


def _sampled(at: Floats, s: Floats, values: Floats) -> Floats:
    """Columns of values (M, 3) at other arc lengths."""
    return np.column_stack([np.interp(at, s, column) for column in values.T])


def _tube(mesh: Mesh, anchor: Anchor) -> NDArray[np.bool_]:
    """Which vertices (V,) belong to the strand under the anchor: those that faces connect to it."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    a, b, c = mesh.faces.T
    edges = coo_matrix((np.ones(2 * len(a), np.int8), (np.r_[a, b], np.r_[b, c])), shape=(len(mesh.vertices),) * 2)
    label = connected_components(edges, directed=False)[1]
    nearest = np.argmin(((mesh.vertices - anchor.point) ** 2).sum(1))
    return np.asarray(label == label[nearest])


def _open(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
    """Pull the strand under the anchor out of the twist: it stands off in a loop, the others part to the other side."""
    half, far = rng.uniform(6, 10), rng.uniform(4.0, 6.5)
    side = rng.choice([-1.0, 1.0])
    share = np.cos(np.pi / 2 * np.clip((mesh.vertices[:, 0] - anchor.point[0]) / half, -1, 1)) ** 2
    mine = _tube(mesh, anchor)
    away = np.where(mine[:, None], [0.0, side, rng.uniform(0.1, 0.4)], [0.0, -0.2 * side, 0.0])
    return mesh.moved(mesh.vertices + far * share[:, None] * away)


def _lose(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
    """Take a piece out of the strand under the anchor: it shrinks onto its own axis between two ragged stumps."""
    half = rng.uniform(4, 8)
    ragged = 1.2 * bumps(mesh.vertices, noise_table(rng), 2.0, octaves=2)
    gone = np.clip((half + ragged - np.abs(mesh.vertices[:, 0] - anchor.point[0])) / 1.2, 0, 1) * _tube(mesh, anchor)
    return mesh.moved(mesh.vertices - (0.95 * STRAND * gone)[:, None] * mesh.normals, torn=0.5)


def _middle(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """The upper side, away from the ends."""
    return (np.abs(points[:, 0]) < LENGTH / 2 - WHIPPING - 10) & (normals[:, 2] > 0.6)


def _crest(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """The top of a strand that lies uppermost."""
    return _middle(points, normals) & (points[:, 2] > 2 * OFFSET + STRAND) & (normals[:, 2] > 0.8)


ROPE = Category(
    name="rope",
    field=190.0,
    shape=(400, 900),
    counts=Counts(298, 33, 32, 69),
    tilt=5.0,
    centre=(0.48, 0.56),
    build=_build,
    lay=_lay,
    defects={
        "contamination": Defect(foreign((2.2, 4.5), (1.8, 3.6), STRANGE), _middle),
        "cut": Defect(defects.either(defects.cut((9.0, 17.0), (1.8, 3.0), (3.0, 6.0)), _lose), _crest),
        "open": Defect(_open, _crest),
    },
)
