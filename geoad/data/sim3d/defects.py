"""Defects as changes of a solid's surface: dents, holes, cuts, broken edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.data.sim3d.mesh import Floats, Mesh
from geoad.data.sim3d.noise import bumps, noise_table

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


def either(*changes: Change) -> Change:
    """Return a change that is one of several, each as likely.

    >>> callable(either(dent((1.0, 2.0), (1.0, 2.0)), hole((1.0, 2.0), (2.0, 4.0))))
    True
    """

    def change(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
        return changes[rng.integers(len(changes))](mesh, anchor, rng)

    return change


def dent(radius: Range, depth: Range) -> Change:
    """Press a smooth hollow of a radius and depth in mm into the surface.

    >>> from geoad.data.sim3d.mesh import grid
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
        near = near * _facing(mesh, anchor)
        return mesh.moved(mesh.vertices - (deep * near**1.5)[:, None] * anchor.normal)

    return change


def hole(radius: Range, depth: Range) -> Change:
    """Drill a steep hole of a radius and depth in mm, a little ragged.

    >>> from geoad.data.sim3d.mesh import grid
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
        near = np.clip((r + ragged - np.hypot(x, y)) / wall, 0, 1) * (np.abs(z) < 1.5 * r) * _facing(mesh, anchor)
        floor = deep * (1 + 0.15 * bumps(mesh.vertices, noise_table(rng), 1.5))
        return mesh.moved(mesh.vertices - (floor * near)[:, None] * anchor.normal, torn=0.5)

    return change


def cut(length: Range, width: Range, depth: Range, wander: float = 0.0) -> Change:
    """Open a V-shaped slit, sizes in mm; `wander` mm of meander make it a crack.

    >>> from geoad.data.sim3d.mesh import grid
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
        near = near**0.6 * _facing(mesh, anchor)
        return mesh.moved(mesh.vertices - (deep * taper * near)[:, None] * anchor.normal, torn=0.4)

    return change


def chip(depth: Range, rough: float = 0.6) -> Change:
    """Take off all that lies above a plane `depth` mm below the anchor, square to its normal: sliced or broken.

    `rough` is the relief of the new face in mm.

    >>> from geoad.data.sim3d.mesh import grid
    >>> x, y = np.meshgrid(np.arange(-9.0, 10.0), np.arange(-9.0, 10.0), indexing="ij")
    >>> flat = grid(np.stack([x, y, 0 * x], -1), colour=(0.5, 0.5, 0.5))
    >>> anchor = Anchor(np.zeros(3), np.array([0.0, 0.0, 1.0]))
    >>> bool(chip((3.0, 3.0))(flat, anchor, np.random.default_rng(0)).vertices[:, 2].max() < -2)
    True
    """

    def change(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
        _, _, z = anchor.local(mesh.vertices)
        relief = rough * bumps(mesh.vertices, noise_table(rng), 4.0, octaves=3)
        above = np.clip(z + rng.uniform(*depth) + relief, 0, None)
        return mesh.moved(mesh.vertices - above[:, None] * anchor.normal, torn=0.3)

    return change


def _facing(mesh: Mesh, anchor: Anchor) -> NDArray[np.bool_]:
    """Which vertices (V,) belong to the anchor's side of the part, not to its back."""
    return np.asarray(np.einsum("ni,i->n", mesh.normals, anchor.normal) > 0.05)
