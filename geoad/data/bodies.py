"""Random simple bodies, each one closed surface: round, turned, extruded, swept and uneven ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geoad import _optional
from geoad.data.polygons import Polygon, make_polygon, polar

if TYPE_CHECKING:
    import manifold3d as m3d
else:
    m3d = _optional.need("manifold3d", "make solids")

Rng = np.random.Generator
Array = NDArray[np.float64]


def _closed(vertices: Array, faces: NDArray[np.int64]) -> m3d.Manifold:
    """Return the body bounded by vertices (V, 3) and counter-clockwise triangles (F, 3)."""
    mesh = m3d.Mesh(np.asarray(vertices, np.float32), np.asarray(faces, np.uint32))
    body = m3d.Manifold(mesh)
    assert body.status() == m3d.Error.NoError, body.status()
    return body


def _extrude(outline: Polygon, height: float, divisions: int = 0, twist: float = 0.0, top: float = 1.0) -> m3d.Manifold:
    section = m3d.CrossSection([outline])
    return section.extrude(height, divisions, twist, (top, top))


def _revolve(profile: Polygon, segments: int = 64, degrees: float = 360.0) -> m3d.Manifold:
    """Turn a profile (radius >= 0, height) about the z axis."""
    return m3d.CrossSection([profile]).revolve(segments, degrees)


def _ball(segments: int = 96) -> tuple[Array, NDArray[np.int64]]:
    mesh = m3d.Manifold.sphere(1.0, segments).to_mesh()
    vertices = np.asarray(mesh.vert_properties, np.float64)[:, :3]
    return vertices / np.linalg.norm(vertices, axis=1, keepdims=True), np.asarray(mesh.tri_verts, np.int64)


def _box(rng: Rng) -> m3d.Manifold:
    """A cuboid, at most ten times as long as it is thick."""
    return m3d.Manifold.cube(np.exp(rng.uniform(-2.3, 0, 3)), True)


def _plate(rng: Rng) -> m3d.Manifold:
    """A thin cuboid."""
    return m3d.Manifold.cube([1.0, rng.uniform(0.3, 1.0), rng.uniform(0.015, 0.06)], True)


def _cylinder(rng: Rng) -> m3d.Manifold:
    """A rod, disc, cone or frustum."""
    radius, taper = np.exp(rng.uniform(-2.3, 0)), rng.choice([0.0, 1.0, rng.random()], p=[0.25, 0.5, 0.25])
    return m3d.Manifold.cylinder(rng.uniform(0.1, 2.0), radius, radius * taper, 96, True)


def _torus(rng: Rng) -> m3d.Manifold:
    """A torus of elliptic section, whole or an arc of it."""
    thick = rng.uniform(0.05, 0.45)
    section = polar(np.full(40, thick)) * [1.0, rng.uniform(0.5, 2.0)] + [1.0, 0.0]
    return _revolve(section, 96, 360.0 if rng.random() < 0.7 else rng.uniform(90, 320))


def _ring(rng: Rng) -> m3d.Manifold:
    """A turned ring whose section is any outline: washers, pulleys, seals."""
    section = make_polygon(rng)
    section = (section - section.min(axis=0)) / np.ptp(section, axis=0).max()
    return _revolve(section * rng.uniform(0.15, 0.7) + [rng.uniform(0.1, 0.9), 0.0])


def _capsule(rng: Rng) -> m3d.Manifold:
    """A rod with round ends."""
    radius, length = rng.uniform(0.05, 0.4), rng.uniform(0.2, 1.0)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 33)
    height = np.sin(angle) * radius + np.where(angle < 0, 0, length)
    return _revolve(np.stack([np.cos(angle) * radius, height], axis=1))


def _lathe(rng: Rng) -> m3d.Manifold:
    """A turned part: a stepped shaft or a smooth vase, solid or hollow with a thin wall."""
    if rng.random() < 0.5:
        steps = int(rng.integers(3, 8))
        height = np.repeat(np.r_[0, np.cumsum(rng.uniform(0.05, 0.5, steps))], 2)[1:-1]
        radius = np.repeat(rng.uniform(0.1, 0.5, steps), 2)
    else:
        height = np.linspace(0, 1.5, 64)
        knots = rng.uniform(0.12, 0.6, int(rng.integers(4, 9)))
        radius = _smooth(knots[:, None], 64)[:, 0]
    profile = np.concatenate([[[0, height[0]]], np.stack([radius, height], axis=1), [[0, height[-1]]]])
    body = _revolve(profile)
    if rng.random() < 0.5:
        wall = rng.uniform(0.03, 0.08)
        inner = np.stack([np.maximum(radius - wall, 0.01), height + wall], axis=1)
        body -= _revolve(np.concatenate([[[0, inner[0, 1]]], inner, [[0, inner[-1, 1]]]]))
    return body


def _extrusion(rng: Rng) -> m3d.Manifold:
    """An outline extruded, straight or to a smaller top: gears, stars, bars, fins, sheets."""
    top = 1.0 if rng.random() < 0.75 else rng.uniform(0.3, 0.9)
    return _extrude(make_polygon(rng), np.exp(rng.uniform(-2.8, 0.7)), top=top)


def _screw(rng: Rng) -> m3d.Manifold:
    """A twisted extrusion of two to nine lobes: ropes, drills, helical gears."""
    angle = 2 * np.pi * np.arange(96) / 96
    count, sharp = rng.integers(2, 10), rng.uniform(0.6, 2.0)
    radius = 1 - rng.uniform(0.1, 0.5) * np.abs(np.sin(count * angle / 2)) ** sharp
    return _extrude(polar(radius), rng.uniform(1.0, 6.0), 64, rng.uniform(60, 360))


def _polyhedron(rng: Rng) -> m3d.Manifold:
    """The convex hull of a few random points."""
    points = rng.normal(size=(int(rng.integers(5, 40)), 3))
    return m3d.Manifold.hull_points(points * rng.uniform(0.3, 1.0, 3))


def _ellipsoid(rng: Rng) -> m3d.Manifold:
    """A sphere stretched along the axes."""
    return m3d.Manifold.sphere(1.0, 96).scale(rng.uniform(0.25, 1.0, 3))


def _superquadric(rng: Rng) -> m3d.Manifold:
    """A superellipsoid (Barr 1981), from rounded boxes to pinched stars."""
    direction, faces = _ball(96)
    e1, e2 = np.exp(rng.uniform(np.log(0.15), np.log(2.5), 2))
    x, y, z = np.abs(direction.T) + 1e-9
    radius = ((x ** (2 / e2) + y ** (2 / e2)) ** (e2 / e1) + z ** (2 / e1)) ** (-e1 / 2)
    return _closed(direction * radius[:, None] * rng.uniform(0.3, 1.0, 3), faces)


def _bumpy(rng: Rng) -> m3d.Manifold:
    """A stretched sphere with waves or with separate bumps and dents."""
    direction, faces = _ball(144)
    if rng.random() < 0.5:
        wave = rng.normal(size=(12, 3)) * rng.uniform(2.0, 9.0)
        height = np.cos(direction @ wave.T + rng.uniform(0, 2 * np.pi, 12)).sum(axis=1) / np.sqrt(12)
        radius = 1 + height * rng.uniform(0.02, 0.12)
    else:
        centre = rng.normal(size=(int(rng.integers(5, 40)), 3))
        centre /= np.linalg.norm(centre, axis=1, keepdims=True)
        width = rng.uniform(0.08, 0.35, len(centre))
        depth = rng.uniform(-0.8, 0.8, len(centre)) * width
        radius = 1 + (np.exp((direction @ centre.T - 1) / width**2) * depth).sum(axis=1)
    return _closed(direction * np.clip(radius, 0.2, 2.0)[:, None] * rng.uniform(0.4, 1.0, 3), faces)


def _tube(rng: Rng) -> m3d.Manifold:
    """A rope or wire along a random smooth curve."""
    path = _smooth(np.cumsum(rng.normal(size=(int(rng.integers(4, 9)), 3)), axis=0), 140)
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    return _sweep(path, length * rng.uniform(0.015, 0.05))


def _spring(rng: Rng) -> m3d.Manifold:
    """A helical spring, cylindrical or conical."""
    turns, wire = rng.uniform(2.0, 8.0), rng.uniform(0.04, 0.15)
    angle = np.linspace(0, 2 * np.pi * turns, int(36 * turns))
    radius = np.linspace(1.0, rng.uniform(0.4, 1.0), len(angle))
    climb = wire * rng.uniform(2.3, 5.0) / (2 * np.pi)
    return _sweep(np.stack([radius * np.cos(angle), radius * np.sin(angle), climb * angle], axis=1), wire)


def _smooth(knots: Array, n: int) -> Array:
    """Catmull-Rom through `knots` (K, D), at n parameters."""
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    at = np.linspace(0, len(knots) - 1, n)
    i = np.minimum(at.astype(int), len(knots) - 2)
    u = (at - i)[:, None]
    a, b, c, d = (padded[i + j] for j in range(4))
    curve: Array = b + u / 2 * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a)))
    return curve


def _sweep(path: Array, radius: float) -> m3d.Manifold:
    """Sweep a circle along `path` (N, 3) with a frame that is carried without twist."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.empty_like(path)
    side[0] = np.cross(along[0], np.eye(3)[np.abs(along[0]).argmin()])
    for i in range(1, len(path)):
        side[i] = side[i - 1] - along[i] * (side[i - 1] @ along[i])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    around = 20
    circle = polar(np.full(around, radius))
    rings = path[:, None] + circle[:, :1] * side[:, None] + circle[:, 1:] * np.cross(along, side)[:, None]
    vertices = np.concatenate([rings.reshape(-1, 3), path[:1], path[-1:]])
    here = np.arange(len(path) * around).reshape(len(path), around)
    turn = np.roll(here, -1, axis=1)
    quads = [(here[:-1], turn[:-1], turn[1:]), (here[:-1], turn[1:], here[1:])]
    walls = [np.stack(q, axis=-1).reshape(-1, 3) for q in quads]
    ends = [
        np.stack([turn[0], here[0], np.full(around, len(vertices) - 2)], axis=1),
        np.stack([here[-1], turn[-1], np.full(around, len(vertices) - 1)], axis=1),
    ]
    return _closed(vertices, np.concatenate([*walls, *ends]))


BODIES: dict[str, Callable[[Rng], m3d.Manifold]] = {
    "box": _box,
    "plate": _plate,
    "cylinder": _cylinder,
    "torus": _torus,
    "ring": _ring,
    "capsule": _capsule,
    "lathe": _lathe,
    "extrusion": _extrusion,
    "screw": _screw,
    "polyhedron": _polyhedron,
    "ellipsoid": _ellipsoid,
    "superquadric": _superquadric,
    "bumpy": _bumpy,
    "tube": _tube,
    "spring": _spring,
}
