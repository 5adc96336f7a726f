"""Random solids without a download: simple bodies, bent or roughened, cut, joined and drilled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from geoad import _check, _optional
from geoad.data.bodies import BODIES
from geoad.data.surface import sample_surface

if TYPE_CHECKING:
    import manifold3d as m3d
    import trimesh
else:
    m3d = _optional.need("manifold3d", "make solids")

Rng = np.random.Generator
Array = NDArray[np.float64]

MAX_FACES = 20_000
MIN_AREA = 0.1  # of a solid in the unit cube; a needle of a hundredth in width has 0.04


def make_solid(rng: Rng, kind: str | None = None) -> trimesh.Trimesh:
    """Draw a closed random solid whose bounding box is centred at 0 and has the longest side 1.

    `kind` is a key of SOLIDS; None draws it by their weights. At most 20 000 faces. The solid follows
    from the state of `rng` alone.

    >>> solid = make_solid(np.random.default_rng(0), "drilled")
    >>> solid.is_watertight, float(solid.extents.max().round(6))
    (True, 1.0)
    """
    if kind is None:
        weight = np.array([w for _, w in SOLIDS.values()])
        kind = list(SOLIDS)[rng.choice(len(weight), p=weight / weight.sum())]
    _check.one_of("solid", kind, SOLIDS)
    make = SOLIDS[kind][0]
    while True:  # a cut can leave next to nothing; then the next draw of the same generator
        solid = _unit(make(rng))
        if not solid.is_empty() and solid.surface_area() > MIN_AREA and solid.num_tri() <= MAX_FACES:
            return _trimesh(solid)


class Solids:
    """The mesh source `solids`: a new random solid for every draw.

    >>> Solids().draw(np.random.default_rng(3)).extents.max().round(6)
    np.float64(1.0)
    """

    def draw(self, rng: Rng) -> trimesh.Trimesh:
        """Draw one solid; see `make_solid`."""
        return make_solid(rng)


def _body(rng: Rng) -> m3d.Manifold:
    """One simple body."""
    return _unit(list(BODIES.values())[rng.integers(len(BODIES))](rng))


def _bent(rng: Rng) -> m3d.Manifold:
    """A body that is twisted, bent or tapered along its longest side."""
    part = _refined(_upright(_body(rng)), 0.04)
    angle, taper, mode = rng.uniform(0.4, 1.8), rng.uniform(0.2, 0.8), rng.integers(3)

    def warp(p: Array) -> Array:
        x, y, z = p.T
        if mode == 0:
            turn = angle * z * 2
            return np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn), z], axis=1)
        if mode == 1:
            radius = 1 / angle + 0.5  # the axis lies outside of the part
            arc = z / radius
            return np.stack([(radius + x) * np.cos(arc) - radius, y, (radius + x) * np.sin(arc)], axis=1)
        narrow = 1 - taper * (z + 0.5)
        return np.stack([x * narrow, y * narrow, z], axis=1)

    return part.warp_batch(warp)


def _rough(rng: Rng) -> m3d.Manifold:
    """A body whose whole surface is displaced by smooth noise: foam, bark, bread."""
    part = _refined(_body(rng), 0.03)
    wave = rng.normal(size=(3, 10, 3)) * rng.uniform(6, 30)
    phase, size = rng.uniform(0, 2 * np.pi, (3, 10)), rng.uniform(0.2, 1.2) / np.abs(wave).mean()

    def warp(p: Array) -> Array:
        shift = [np.cos(p @ w.T + f).mean(axis=1) for w, f in zip(wave, phase, strict=True)]
        return np.asarray(p + size * np.stack(shift, axis=1))

    return part.warp_batch(warp)


def _drilled(rng: Rng) -> m3d.Manifold:
    """A body with a row, circle or scatter of equal holes, slots or pits."""
    part = _body(rng)
    return part - _tools(rng, part)


def _studded(rng: Rng) -> m3d.Manifold:
    """A body with a row, circle or scatter of equal pegs, ribs or knobs."""
    part = _body(rng)
    return part + _tools(rng, part)


def _joined(rng: Rng) -> m3d.Manifold:
    """The union of two or three bodies."""
    part = _body(rng)
    for _ in range(rng.integers(1, 3)):
        part += _loose(rng, part, 0.4, 1.0)
    return part


def _cut(rng: Rng) -> m3d.Manifold:
    """A body less one or two others."""
    part = _body(rng)
    for _ in range(rng.integers(1, 3)):
        part -= _loose(rng, part, 0.3, 0.9)
    return part


def _common(rng: Rng) -> m3d.Manifold:
    """The intersection of two bodies."""
    part = _body(rng)
    return part ^ _turn(rng, _body(rng)).scale((rng.uniform(0.8, 1.4),) * 3).translate(rng.uniform(-0.25, 0.25, 3))


def _shell(rng: Rng) -> m3d.Manifold:
    """A body made hollow by a smaller copy of itself and opened by a cut through one side."""
    part = _turn(rng, _body(rng))
    hollow = part - part.scale(1 - rng.uniform(0.06, 0.2, 3))
    return hollow.trim_by_plane((0.0, 0.0, 1.0), rng.uniform(-0.2, 0.1))


def _frame(rng: Rng) -> m3d.Manifold:
    """A cage of rods between the corners of a cuboid, some of them missing, with or without a panel."""
    size, thick = rng.uniform(0.4, 1.0, 3), rng.uniform(0.02, 0.07)
    corners = [np.array([i, j, k], float) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    rods = []
    for a in corners:
        for axis in np.flatnonzero(a == 0):
            if rng.random() < 0.8:
                long = np.full(3, thick) + np.eye(3)[axis] * size[axis]
                rods.append(m3d.Manifold.cube(long, True).translate((a + np.eye(3)[axis] / 2) * size))
    if rng.random() < 0.5 or not rods:
        rods.append(m3d.Manifold.cube([size[0], size[1], thick], False))
    return m3d.Manifold.batch_boolean(rods, m3d.OpType.Add)


SOLIDS: dict[str, tuple[Callable[[Rng], m3d.Manifold], float]] = {
    "body": (_body, 4.0),
    "bent": (_bent, 1.0),
    "rough": (_rough, 1.5),
    "drilled": (_drilled, 2.0),
    "studded": (_studded, 2.0),
    "joined": (_joined, 1.5),
    "cut": (_cut, 2.0),
    "common": (_common, 1.0),
    "shell": (_shell, 1.0),
    "frame": (_frame, 0.5),
}


def _tools(rng: Rng, part: m3d.Manifold) -> m3d.Manifold:
    """Return equal small rods, bars or balls that reach into the part: in rows through it or all over its surface."""
    size, through = rng.uniform(0.015, 0.08), rng.random() < 0.5
    length = 2.0 if through else size * rng.uniform(0.5, 5.0)
    make: tuple[Callable[[], m3d.Manifold], ...] = (
        lambda: m3d.Manifold.cylinder(length, size, size * rng.uniform(0.4, 1.0), 32, True),
        lambda: m3d.Manifold.cube([2 * size, 2 * size * rng.uniform(0.4, 4.0), length], True),
        lambda: m3d.Manifold.sphere(size * rng.uniform(1.0, 2.0), 32),
    )
    tool = make[rng.integers(2 if through else 3)]()
    poses = _row(rng, part) if through else _scatter(rng, part)
    return m3d.Manifold.batch_boolean([tool.transform(pose) for pose in poses], m3d.OpType.Add)


def _row(rng: Rng, part: m3d.Manifold) -> list[Array]:
    """Poses (3, 4) in a straight row or on a circle, parallel to one axis of the part."""
    low, high = np.reshape(part.bounding_box(), (2, 3))
    axes = np.roll(np.arange(3), rng.integers(3))
    step = np.linspace(-1, 1, int(rng.integers(2, 16)))
    if rng.random() < 0.5:
        place = np.stack([0.85 * step, np.full_like(step, rng.uniform(-0.6, 0.6))], axis=1)
    else:
        turn = np.pi * step * (1 - 1 / len(step))
        place = np.stack([np.cos(turn), np.sin(turn)], axis=1) * rng.uniform(0.3, 0.95)
    at = np.zeros((len(step), 3))
    at[:, axes[:2]] = place * (high - low)[axes[:2]] / 2
    at[:, axes[2]] = rng.choice([-1.0, 0.0, 1.0], p=[0.25, 0.5, 0.25])  # tools are 2 long: through, or to the middle
    return [np.column_stack([np.eye(3)[:, axes], p + (low + high) / 2]) for p in at]


def _scatter(rng: Rng, part: m3d.Manifold) -> list[Array]:
    """Poses (3, 4) at random points of the surface, their third axis along the normal."""
    triangles = _triangles(part)
    at, face = sample_surface(triangles, int(rng.integers(3, 30)), rng)
    normal = np.cross(triangles[face, 1] - triangles[face, 0], triangles[face, 2] - triangles[face, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    side = np.cross(normal, np.eye(3)[np.abs(normal).argmin(axis=1)])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return list(np.stack([side, np.cross(normal, side), normal, at], axis=2))


def _loose(rng: Rng, part: m3d.Manifold, smallest: float, largest: float) -> m3d.Manifold:
    """Return another body, turned and scaled, centred near a random point of the surface of `part`."""
    at = sample_surface(_triangles(part), 1, rng)[0][0]
    other = _turn(rng, _body(rng)).scale((rng.uniform(smallest, largest),) * 3)
    return other.translate(at * rng.uniform(0.4, 1.0))


def _turn(rng: Rng, part: m3d.Manifold) -> m3d.Manifold:
    """Rotate by right angles as often as by any."""
    degrees = rng.integers(0, 4, 3) * 90.0 if rng.random() < 0.5 else rng.uniform(0, 360, 3)
    return part.rotate(degrees)


def _unit(part: m3d.Manifold) -> m3d.Manifold:
    """Centre the bounding box and make its longest side 1."""
    if part.is_empty():
        return part
    low, high = np.reshape(part.bounding_box(), (2, 3))
    return part.translate(-(low + high) / 2).scale((1 / (high - low).max(),) * 3)


def _upright(part: m3d.Manifold) -> m3d.Manifold:
    """Turn the longest side to z."""
    axis = int(np.ptp(np.reshape(part.bounding_box(), (2, 3)), axis=0).argmax())
    return part.rotate(((0.0, 90.0, 0.0), (90.0, 0.0, 0.0), (0.0, 0.0, 0.0))[axis])


def _refined(part: m3d.Manifold, length: float) -> m3d.Manifold:
    """Split long edges, so that the surface can bend."""
    return part.refine_to_length(length)


def _triangles(part: m3d.Manifold) -> Array:
    mesh = part.to_mesh()
    triangles: Array = np.asarray(mesh.vert_properties, np.float64)[np.asarray(mesh.tri_verts, np.int64), :3]
    return triangles


def _trimesh(part: m3d.Manifold) -> trimesh.Trimesh:
    mesh = part.to_mesh64()
    vertices, faces = np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts, np.int64)
    made = _optional.need("trimesh", "make meshes").Trimesh(vertices, faces, process=False)
    return cast("trimesh.Trimesh", made)
