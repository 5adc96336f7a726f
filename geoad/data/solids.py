"""Random solids without a download: simple bodies, bent or roughened, cut, joined and drilled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from geoad import _check, _optional
from geoad.data.bodies import BODIES

if TYPE_CHECKING:
    import trimesh
    from manifold3d import Manifold

Rng = np.random.Generator
Array = NDArray[np.float64]

MAX_FACES = 20_000


def make_solid(rng: Rng, kind: str | None = None) -> trimesh.Trimesh:
    """Draw a closed random solid whose bounding box is centred at 0 and has the longest side 1.

    `kind` is one of `list_solids()`; None draws it by the weights of SOLIDS. At most 20 000 faces. The solid follows
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
    while True:  # a cut can leave nothing; then the next draw of the same generator
        solid = make(rng)
        if not solid.is_empty() and solid.volume() > 0 and solid.num_tri() <= MAX_FACES:
            return _trimesh(_unit(solid))


def list_solids() -> list[str]:
    """Return the kinds that `make_solid` knows.

    >>> list_solids()[:3]
    ['body', 'bent', 'rough']
    """
    return list(SOLIDS)


class Solids:
    """The mesh source `solids`: a new random solid for every draw.

    >>> Solids().draw(np.random.default_rng(3)).extents.max().round(6)
    np.float64(1.0)
    """

    def draw(self, rng: Rng) -> trimesh.Trimesh:
        """Draw one solid; see `make_solid`."""
        return make_solid(rng)


def body(rng: Rng) -> Manifold:
    """One simple body."""
    return _unit(list(BODIES.values())[rng.integers(len(BODIES))](rng))


def bent(rng: Rng) -> Manifold:
    """A body that is twisted, bent or tapered along its longest side."""
    part = _refined(_upright(body(rng)), 0.04)
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
        return p * np.stack([1 - taper * (z + 0.5), 1 - taper * (z + 0.5), np.ones_like(z)], axis=1)

    return part.warp_batch(warp)


def rough(rng: Rng) -> Manifold:
    """A body whose whole surface is displaced by smooth noise: foam, bark, bread."""
    part = _refined(body(rng), 0.03)
    wave = rng.normal(size=(3, 10, 3)) * rng.uniform(6, 30)
    phase, size = rng.uniform(0, 2 * np.pi, (3, 10)), rng.uniform(0.05, 0.35) / np.abs(wave).mean()

    def warp(p: Array) -> Array:
        return p + size * np.stack([np.cos(p @ w.T + f).mean(axis=1) for w, f in zip(wave, phase, strict=True)], axis=1)

    return part.warp_batch(warp)


def drilled(rng: Rng) -> Manifold:
    """A body with a row, circle or scatter of equal holes, slots or pits."""
    part = body(rng)
    return part - _pattern(rng, part)


def studded(rng: Rng) -> Manifold:
    """A body with a row, circle or scatter of equal pegs, ribs or knobs."""
    part = body(rng)
    return part + _pattern(rng, part)


def joined(rng: Rng) -> Manifold:
    """The union of two or three bodies."""
    part = body(rng)
    for _ in range(rng.integers(1, 3)):
        part += _loose(rng, 0.4, 1.0)
    return part


def cut(rng: Rng) -> Manifold:
    """A body less one or two others."""
    part = body(rng)
    for _ in range(rng.integers(1, 3)):
        part -= _loose(rng, 0.3, 0.9)
    return part


def common(rng: Rng) -> Manifold:
    """The intersection of two bodies."""
    return body(rng) ^ _loose(rng, 0.7, 1.3)


def shell(rng: Rng) -> Manifold:
    """A body made hollow by a smaller copy of itself and opened by a cut through one side."""
    part = _turn(rng, body(rng))
    hollow = part - part.scale(1 - rng.uniform(0.06, 0.2, 3))
    return hollow.trim_by_plane((0.0, 0.0, 1.0), rng.uniform(-0.2, 0.1))


def frame(rng: Rng) -> Manifold:
    """A cage of rods between the corners of a cuboid, some of them missing, with or without a panel."""
    m3d = _optional.need("manifold3d", "make solids")
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


SOLIDS: dict[str, tuple[Callable[[Rng], "Manifold"], float]] = {
    "body": (body, 4.0),
    "bent": (bent, 1.0),
    "rough": (rough, 1.5),
    "drilled": (drilled, 2.0),
    "studded": (studded, 2.0),
    "joined": (joined, 1.5),
    "cut": (cut, 2.0),
    "common": (common, 1.0),
    "shell": (shell, 1.0),
    "frame": (frame, 0.5),
}


def _pattern(rng: Rng, part: Manifold) -> Manifold:
    """Return equal small tools, placed along one axis of the part so that they reach into its surface."""
    m3d = _optional.need("manifold3d", "make solids")
    low, high = np.reshape(part.bounding_box(), (2, 3))
    half, axis = (high - low) / 2, int(rng.integers(3))
    flat = [i for i in range(3) if i != axis]
    size = rng.uniform(0.02, 0.09)
    tools = (
        m3d.Manifold.cylinder(1.0, size, size * rng.uniform(0.5, 1.0), 32, True),
        m3d.Manifold.cube([2 * size, 2 * size * rng.uniform(0.4, 4.0), 1.0], True),
        m3d.Manifold.sphere(size * rng.uniform(1, 2), 48).scale((1.0, 1.0, 1.0)),
    )
    which = int(rng.integers(3))
    tool = tools[which]
    place = np.zeros((int(rng.integers(2, 16)), 3))
    step = np.linspace(-0.8, 0.8, len(place))
    mode = rng.integers(3)
    if mode == 0:
        place[:, flat[0]] = step * half[flat[0]]
    elif mode == 1:
        turn, reach = np.pi * step / 0.8 * (1 - 1 / len(place)), rng.uniform(0.4, 0.9)
        place[:, flat] = np.stack([np.cos(turn), np.sin(turn)], axis=1) * half[flat] * reach
    else:
        place[:, flat] = rng.uniform(-0.9, 0.9, (len(place), 2)) * half[flat]
    depth = half[axis] * rng.uniform(0.7, 1.1)
    if which < 2:  # tools of length 1: through, or standing out of the surface
        tool = tool.scale((1.0, 1.0, max(2 * depth, 0.05)))
    turned = {0: (0.0, 90.0, 0.0), 1: (90.0, 0.0, 0.0), 2: (0.0, 0.0, 0.0)}[axis]
    shift = half[axis] * rng.choice([0.0, 0.5, 1.0])
    place[:, axis] += shift if which < 2 else half[axis]
    tool = tool.rotate(turned)
    centre = (low + high) / 2
    return m3d.Manifold.batch_boolean([tool.translate(p + centre) for p in place], m3d.OpType.Add)


def _loose(rng: Rng, smallest: float, largest: float) -> Manifold:
    """Return a body, turned, scaled and moved so that it meets a unit body at the origin."""
    return _turn(rng, body(rng)).scale((rng.uniform(smallest, largest),) * 3).translate(rng.uniform(-0.35, 0.35, 3))


def _turn(rng: Rng, part: Manifold) -> Manifold:
    """Rotate by right angles as often as by any."""
    degrees = rng.integers(0, 4, 3) * 90.0 if rng.random() < 0.5 else rng.uniform(0, 360, 3)
    return part.rotate(degrees)


def _unit(part: Manifold) -> Manifold:
    """Centre the bounding box and make its longest side 1."""
    if part.is_empty():
        return part
    low, high = np.reshape(part.bounding_box(), (2, 3))
    return part.translate(-(low + high) / 2).scale((1 / (high - low).max(),) * 3)


def _upright(part: Manifold) -> Manifold:
    """Turn the longest side to z."""
    axis = int(np.ptp(np.reshape(part.bounding_box(), (2, 3)), axis=0).argmax())
    return part.rotate(((0.0, 90.0, 0.0), (90.0, 0.0, 0.0), (0.0, 0.0, 0.0))[axis])


def _refined(part: Manifold, length: float) -> Manifold:
    """Split long edges, so that the surface can bend."""
    return part.refine_to_length(length)


def _trimesh(part: Manifold) -> trimesh.Trimesh:
    mesh = part.to_mesh()
    faces = np.asarray(mesh.tri_verts, np.int64)
    vertices = np.asarray(mesh.vert_properties, np.float64)[:, :3]
    made = _optional.need("trimesh", "make meshes").Trimesh(vertices, faces, process=False)
    return cast("trimesh.Trimesh", made)
