"""Defects as changes of a solid's surface: dents, holes, cuts, broken edges, foreign bodies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.data.sim3d.mesh import Mesh, grid
from geoad.data.sim3d.noise import bumps, noise_table

Floats = NDArray[np.float64]
Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Anchor:
    """A place on the part that the camera sees: `point` (3,) in mm, `normal` (3,) of unit length, smoothed.

    >>> anchor = Anchor(np.array([1.0, 0.0, 5.0]), np.array([0.0, 0.0, 1.0]))
    >>> [value.tolist() for value in anchor.local(np.array([[1.0, 0.0, 7.0]]))]
    [[0.0], [0.0], [2.0]]
    """

    point: Floats
    normal: Floats

    def frame(self, angle: float) -> tuple[Floats, Floats]:
        """Return two unit tangents (3,), the first turned by `angle` radians about the normal."""
        side = np.cross(self.normal, [0.0, 1.0, 0.0] if abs(self.normal[0]) > 0.7 else [1.0, 0.0, 0.0])
        side /= np.linalg.norm(side)
        along = np.cos(angle) * side + np.sin(angle) * np.cross(self.normal, side)
        return along, np.cross(self.normal, along)

    def local(self, points: Floats, angle: float = 0.0) -> tuple[Floats, Floats, Floats]:
        """Return points (N, 3) as coordinates along both tangents and the normal, each (N,)."""
        along, across = self.frame(angle)
        offset = points - self.point
        x, y, z = np.einsum("ij,nj->in", np.stack([along, across, self.normal]), offset)
        return x, y, z


Change = Callable[[Mesh, Anchor, np.random.Generator], Mesh]


def upwards(points: Floats, normals: Floats) -> NDArray[np.bool_]:
    """Return where (N,) a surface faces up: points (N, 3) and normals (N, 3) in the part's frame.

    >>> upwards(np.zeros((2, 3)), np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])).tolist()
    [True, False]
    """
    _check.shape("normals", normals, (len(points), 3))
    return np.asarray(normals[:, 2] > 0.6)


@dataclass(frozen=True)
class Defect:
    """A change of the surface and where it may sit.

    `change(mesh, anchor, rng)` returns the defective mesh; `fits(points, normals)` says for points (N, 3) of the part's
    frame, mm, and normals (N, 3), whether the defect may be anchored there.

    >>> Defect(hole(radius=(1.0, 2.0), depth=(2.0, 4.0))).fits(np.zeros((1, 3)), np.array([[0.0, 0.0, -1.0]])).tolist()
    [False]
    """

    change: Change
    fits: Callable[[Floats, Floats], NDArray[np.bool_]] = upwards


def dent(radius: Range, depth: Range) -> Change:
    """Press a smooth hollow of a radius and depth in mm into the surface.

    >>> x, y = np.meshgrid(np.arange(-9.0, 10.0), np.arange(-9.0, 10.0), indexing="ij")
    >>> flat = grid(np.stack([x, y, 0 * x], -1), colour=(0.5, 0.5, 0.5))
    >>> anchor = Anchor(np.zeros(3), np.array([0.0, 0.0, 1.0]))
    >>> round(float(dent((4.0, 4.0), (2.0, 2.0))(flat, anchor, np.random.default_rng(0)).vertices[:, 2].min()), 6)
    -2.0
    """

    def change(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
        r, deep, stretch = rng.uniform(*radius), rng.uniform(*depth), rng.uniform(0.75, 1.3)
        x, y, z = anchor.local(mesh.vertices, rng.uniform(0, np.pi))
        near = np.clip(1 - (x * x * stretch + y * y / stretch) / r**2, 0, 1) * (np.abs(z) < 1.5 * r)
        return mesh.moved(mesh.vertices - (deep * near**1.5)[:, None] * anchor.normal)

    return change


def hole(radius: Range, depth: Range) -> Change:
    """Drill a steep hole of a radius and depth in mm, a little ragged.

    >>> x, y = np.meshgrid(np.arange(-9.0, 10.0), np.arange(-9.0, 10.0), indexing="ij")
    >>> flat = grid(np.stack([x, y, 0 * x], -1), colour=(0.5, 0.5, 0.5))
    >>> anchor = Anchor(np.zeros(3), np.array([0.0, 0.0, 1.0]))
    >>> bool(hole((4.0, 4.0), (3.0, 3.0))(flat, anchor, np.random.default_rng(0)).vertices[:, 2].min() < -2.5)
    True
    """

    def change(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
        r, deep, wall = rng.uniform(*radius), rng.uniform(*depth), 0.35
        x, y, z = anchor.local(mesh.vertices)
        ragged = 0.12 * r * bumps(mesh.vertices, noise_table(rng), 0.8 * r)
        near = np.clip((r + ragged - np.hypot(x, y)) / wall, 0, 1) * (np.abs(z) < 1.5 * r)
        floor = deep * (1 + 0.15 * bumps(mesh.vertices, noise_table(rng), 1.5))
        return mesh.moved(mesh.vertices - (floor * near)[:, None] * anchor.normal, torn=0.5)

    return change


def cut(length: Range, width: Range, depth: Range, wander: float = 0.0) -> Change:
    """Open a V-shaped slit, sizes in mm; `wander` mm of meander make it a crack.

    >>> x, y = np.meshgrid(np.arange(-9.0, 10.0), np.arange(-9.0, 10.0), indexing="ij")
    >>> flat = grid(np.stack([x, y, 0 * x], -1), colour=(0.5, 0.5, 0.5))
    >>> anchor = Anchor(np.zeros(3), np.array([0.0, 0.0, 1.0]))
    >>> open_slit = cut(length=(9.0, 9.0), width=(2.0, 2.0), depth=(3.0, 3.0))
    >>> round(float(open_slit(flat, anchor, np.random.default_rng(0)).vertices[:, 2].min()), 6)
    -3.0
    """

    def change(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
        half, wide, deep = rng.uniform(*length) / 2, rng.uniform(*width) / 2, rng.uniform(*depth)
        x, y, z = anchor.local(mesh.vertices, rng.uniform(0, np.pi))
        table, still = noise_table(rng), np.zeros_like(x)
        path = wander * bumps(np.column_stack([x, still, still]), table, 7.0, octaves=3)
        taper = np.sqrt(np.clip(1 - (x / half) ** 2, 0, 1))
        near = np.clip(1 - np.abs(y - path) / np.maximum(wide * taper, 1e-6), 0, 1) * (np.abs(z) < half)
        inwards = np.einsum("ni,i->n", mesh.normals, anchor.normal) > 0.05
        return mesh.moved(mesh.vertices - (deep * taper * near**0.6 * inwards)[:, None] * anchor.normal, torn=0.4)

    return change


def foreign(radius: Range, height: Range, colours: tuple[tuple[float, float, float], ...]) -> Change:
    """Lay a lump on the surface: radius and height above it in mm.

    >>> x, y = np.meshgrid(np.arange(-9.0, 10.0), np.arange(-9.0, 10.0), indexing="ij")
    >>> flat = grid(np.stack([x, y, 0 * x], -1), colour=(0.5, 0.5, 0.5))
    >>> anchor = Anchor(np.zeros(3), np.array([0.0, 0.0, 1.0]))
    >>> add = foreign(radius=(2.0, 2.0), height=(2.0, 2.0), colours=((0.1, 0.1, 0.1),))
    >>> bool(add(flat, anchor, np.random.default_rng(0)).vertices[:, 2].max() > 1)
    True
    """

    def change(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
        r, high, stretch = rng.uniform(*radius), rng.uniform(*height), rng.uniform(0.7, 1.4)
        theta = np.linspace(0.02, np.pi - 0.02, 40)[:, None]
        phi = np.linspace(0, 2 * np.pi, 64, endpoint=False)[None]
        ball = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi], -1)
        rough = bumps(ball.reshape(-1, 3), noise_table(rng), 0.9, octaves=3).reshape(40, 64, 1)
        along, across = anchor.frame(rng.uniform(0, np.pi))
        size = np.stack([along * r * stretch, across * r / stretch, anchor.normal * high])
        lump = anchor.point + (ball * (1 + 0.45 * rough)) @ size
        return mesh.joined(grid(lump, colour=colours[rng.integers(len(colours))]))

    return change


def chip(depth: Range) -> Change:
    """Break off all that lies above a rough plane `depth` mm below the anchor, square to its normal.

    >>> x, y = np.meshgrid(np.arange(-9.0, 10.0), np.arange(-9.0, 10.0), indexing="ij")
    >>> flat = grid(np.stack([x, y, 0 * x], -1), colour=(0.5, 0.5, 0.5))
    >>> anchor = Anchor(np.zeros(3), np.array([0.0, 0.0, 1.0]))
    >>> bool(chip((3.0, 3.0))(flat, anchor, np.random.default_rng(0)).vertices[:, 2].max() < -2)
    True
    """

    def change(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
        _, _, z = anchor.local(mesh.vertices)
        rough = 0.6 * bumps(mesh.vertices, noise_table(rng), 4.0, octaves=3)
        above = np.clip(z + rng.uniform(*depth) + rough, 0, None)
        return mesh.moved(mesh.vertices - above[:, None] * anchor.normal, torn=0.3)

    return change
