"""One part as a cloud of points from all around, each labelled: for those who work on unorganised clouds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoad.data.sim3d.category import Category
from geoad.data.sim3d.mesh import Floats, Mesh
from geoad.data.sim3d.render import cast
from geoad.data.sim3d.scan import ATTEMPTS, DENSITY, moved, spoil
from geoad.data.sim3d.scene import turned
from geoad.data.surface import sample_surface
from geoad.geometry.camera import Camera

Bools = NDArray[np.bool_]

PIXELS = 300  # of the view that places the defect, and of those that say what can be seen from outside
NOISE = 0.06  # mm, along the normal: the scanner's at half a metre
REACH = 0.5  # mm: how far behind the foremost surface a point is still seen
AWAY = np.array([0.0, 0.0, 10.0])  # metres to the cameras all around
SPARE = 4  # points drawn for one kept: some lie inside
AROUND = np.array([*np.eye(3), *-np.eye(3), *((x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1))])


@dataclass(frozen=True, eq=False)
class Cloud:
    """What is written: points (N, 3) float32 in mm, z up, and labels (N,) bool, True on the defect.

    >>> Cloud(np.zeros((5, 3), np.float32), np.zeros(5, bool)).labels.shape
    (5,)
    """

    points: NDArray[np.float32]
    labels: Bools


def simulate_cloud(category: Category, kind: str, seed: np.random.SeedSequence, *, points: int) -> Cloud:
    """Return a new part of `category` as `points` points, uniform by area, of all that is seen from 14 sides.

    The part, its pose and its defect are those of `simulate` with the same seed at 300 pixels. What is missing has no
    points: there the labels are on the surface that came to light. Points have no colour, nor have stains a label.

    >>> from geoad.data.sim3d import get_category
    >>> cloud = simulate_cloud(get_category("dowel"), "cut", np.random.SeedSequence(0), points=2000)
    >>> cloud.points.shape, bool(0 < cloud.labels.mean() < 0.2)
    ((2000, 3), True)
    """
    shape, defect, measure = (np.random.default_rng(stream) for stream in seed.spawn(3))
    station = category.station(PIXELS)
    mesh, pose = category.build(shape, DENSITY * station.pitch), category.lay(shape)
    flags = np.zeros(len(mesh.vertices), bool)
    if kind != "good":
        bad, _, _ = spoil(category, kind, mesh, pose, station, station.look(mesh, pose), defect)
        mesh, flags = bad, moved(mesh, bad)
    mesh = mesh.moved(pose.place(mesh.vertices))
    for _ in range(ATTEMPTS):
        drawn, face = _draw(mesh, points, measure)
        labels = flags[mesh.faces[face]].sum(1) >= 2
        if labels.any() or kind == "good":
            return Cloud(drawn.astype(np.float32), labels)
    raise ValueError(f"none of {points} points lies on the {kind}: ask for more")


def _draw(mesh: Mesh, count: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Points with noise in random order, and the faces they lie on: as many as asked, all of them seen."""
    points, face = sample_surface(mesh.vertices[mesh.faces], SPARE * count, rng)
    seen = np.flatnonzero(_seen(mesh, points))
    if len(seen) < count:
        raise ValueError(f"only {len(seen)} of {len(points)} points are seen from outside: the surface is too folded")
    chosen = rng.permutation(seen)[:count]
    normal = mesh.normals[mesh.faces[face[chosen]]].mean(1)
    return points[chosen] + NOISE * rng.standard_normal((count, 1)) * normal, face[chosen]


def _seen(mesh: Mesh, points: Floats) -> Bools:
    """Which points (N, 3) of the surface no other piece of it hides from every side."""
    middle = (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2
    half = 1e-3 * np.sqrt(((mesh.vertices - middle) ** 2).sum(1).max())
    camera = Camera.pinhole(0.48 * PIXELS * AWAY[2] / half, (PIXELS, PIXELS))
    seen = np.zeros(len(points), bool)
    for way in AROUND:
        turn = _towards(way / np.sqrt((way * way).sum())) * 1e-3
        front = cast(turned(mesh.vertices - middle, turn) + AWAY, mesh.faces, camera).depth
        here = turned(points - middle, turn) + AWAY
        column, row = np.round(camera.project(here)).astype(np.int64).T.clip(0, PIXELS - 1)
        seen |= here[:, 2] < front[row, column] + 1e-3 * REACH
    return seen


def _towards(way: Floats) -> Floats:
    """A rotation whose third row looks along `way`."""
    aside = np.cross(way, [0.0, 0.0, 1.0] if abs(way[2]) < 0.9 else [1.0, 0.0, 0.0])
    aside /= np.sqrt((aside * aside).sum())
    return np.stack([aside, np.cross(way, aside), way])
