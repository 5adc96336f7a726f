"""One scan: a part built, spoiled where asked, looked at and measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geoad.data.sim3d.category import Category
from geoad.data.sim3d.defects import Anchor, Defect
from geoad.data.sim3d.mesh import Floats, Mesh, length
from geoad.data.sim3d.scene import Pose, Station, View
from geoad.data.sim3d.sensor import Sensor, photograph, sense

Bools = NDArray[np.bool_]

CHANGE = 3e-4  # metres: a surface that moves by less, along the ray or aside, is not called changed
TINT = 0.1  # albedo: a colour that differs by less is not called changed
SPECK = 4  # pixels: smaller regions are dropped from the ground truth
AREA = (4e-4, 3e-2)  # share of the image that a defect may cover
ATTEMPTS = 50
DENSITY = 1.25  # distance of the vertices, in pixels


@dataclass(frozen=True, eq=False)
class Scan:
    """What is written: xyz (H, W, 3) float32 metres, rgb (H, W, 3) uint8, mask (H, W) bool, True on the defect.

    >>> Scan(np.zeros((4, 5, 3), np.float32), np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), bool)).mask.shape
    (4, 5)
    """

    xyz: NDArray[np.float32]
    rgb: NDArray[np.uint8]
    mask: Bools


def simulate(
    category: Category,
    kind: str,
    seed: np.random.SeedSequence,
    *,
    pixels: int | None = None,
    sensor: Sensor | None = None,
) -> Scan:
    """Return a scan of a new part of `category`; `kind` is "good" or one of its defects.

    The shape, the defect and the sensor draw from streams of their own: a part is the same with and without defect.

    >>> import numpy as np
    >>> from geoad.data.sim3d import get_category
    >>> scan = simulate(get_category("bagel"), "hole", np.random.SeedSequence(0), pixels=64)
    >>> scan.xyz.shape, bool(scan.mask.any())
    ((64, 64, 3), True)
    """
    sensor = sensor or Sensor()
    shape, defect, measure = (np.random.default_rng(stream) for stream in seed.spawn(3))
    station = category.station(pixels)
    mesh, pose = category.build(shape, DENSITY * station.pitch), category.lay(shape)
    view = station.look(mesh, pose)
    mask = np.zeros(view.depth.shape, bool)
    if kind != "good":
        mesh, view, mask = spoil(category, kind, mesh, pose, station, view, defect)
    shadow = station.shadow(mesh, pose, view.depth)
    xyz = sense(view, station, shadow, sensor, measure)
    return Scan(xyz, photograph(view, station, shadow, sensor, measure), mask)


def spoil(
    category: Category, kind: str, mesh: Mesh, pose: Pose, station: Station, good: View, rng: np.random.Generator
) -> tuple[Mesh, View, Bools]:
    """Return the part with a defect of a kind, its view and the ground truth, of a size that the originals have.

    >>> from geoad.data.sim3d import get_category
    >>> foam, rng = get_category("foam"), np.random.default_rng(0)
    >>> station, mesh = foam.station(64), foam.build(rng, 2.0)
    >>> bool(spoil(foam, "cut", mesh, Pose(), station, station.look(mesh, Pose()), rng)[2].any())
    True
    """
    places: dict[Defect, NDArray[np.int64]] = {}
    for _ in range(ATTEMPTS):
        bad = mesh
        for defect in category.choose(kind, rng):
            if defect not in places:
                places[defect] = _places(defect, mesh, good, station)
            where = places[defect]
            bad = defect.change(bad, _anchor(mesh, good, where[rng.integers(len(where))], station), rng)
        view = station.look(bad, pose)
        mask = changed(mesh, good, bad, view)
        if AREA[0] <= mask.mean() <= AREA[1]:
            return bad, view, mask
    raise ValueError(
        f"no defect of {AREA[0]:.2%} to {AREA[1]:.2%} of the image in {ATTEMPTS} attempts: sizes do not fit"
    )


def moved(mesh: Mesh, bad: Mesh) -> Bools:
    """Return which vertices (V,) of a defective part are new or elsewhere; `mesh` is the part before.

    >>> from geoad.data.sim3d import get_category
    >>> mesh = get_category("foam").build(np.random.default_rng(0), 2.0)
    >>> bool(moved(mesh, mesh).any()), bool(moved(mesh, mesh.moved(mesh.vertices + 1.0)).all())
    (False, True)
    """
    out = np.ones(len(bad.vertices), bool)
    out[: len(mesh.vertices)] = length(bad.vertices[: len(mesh.vertices)] - mesh.vertices) > 1e3 * CHANGE
    return out


def changed(mesh: Mesh, good: View, bad: Mesh, view: View) -> Bools:
    """Return (H, W) bool: where a perfect camera sees the change, or would see what is no longer there.

    A pixel is marked if its depth changed, if it shows a piece of the defective part that moved or changed its colour,
    or if it showed, before, a piece that did: the deformed part and the place where it is expected. Specks are dropped.

    >>> from geoad.data.sim3d import get_category
    >>> foam = get_category("foam")
    >>> station, mesh = foam.station(64), foam.build(np.random.default_rng(0), 2.0)
    >>> view = station.look(mesh, Pose())
    >>> int(changed(mesh, view, mesh, view).sum())
    0
    """
    differs = np.abs(good.depth - view.depth) > CHANGE
    now = moved(mesh, bad)
    now[: len(mesh.vertices)] |= np.abs(bad.colour[: len(mesh.vertices)] - mesh.colour).max(1) > TINT
    touched = now.astype(np.float64)[:, None]
    for seen, solid in ((good, mesh), (view, bad)):
        differs |= seen.part & (seen.hits.gather(solid.faces, touched[: len(solid.vertices)])[..., 0] > 0.5)
    region, count = ndimage.label(differs, np.ones((3, 3)))
    size = np.bincount(region.ravel(), minlength=count + 1)
    return np.asarray(differs & (size >= SPECK)[region])


def _places(defect: Defect, mesh: Mesh, view: View, station: Station) -> NDArray[np.int64]:
    """Flat addresses of the pixels where the defect may be anchored: 3 mm inside the outline and seen well."""
    inner = ndimage.distance_transform_edt(np.pad(view.part, 1))[1:-1, 1:-1] > 3.0 / station.pitch
    seen = -np.einsum("hwi,hwi->hw", view.normal, station.rays) > 0.5 * length(station.rays)
    candidates = np.flatnonzero(inner & seen)
    points = _at(mesh, view, candidates, mesh.vertices)
    places = candidates[defect.fits(points, _at(mesh, view, candidates, mesh.normals))]
    if not len(places):
        raise ValueError("the defect fits nowhere on the part: its `fits` admits no visible pixel")
    return places


def _anchor(mesh: Mesh, view: View, pixel: int, station: Station) -> Anchor:
    """The surface under a pixel, its normal averaged over 2 mm around."""
    point = _at(mesh, view, np.array([pixel]), mesh.vertices)[0]
    near = length(mesh.vertices - point) < max(2.0, 2 * station.pitch)
    normal = mesh.normals[near].mean(0)
    return Anchor(point, normal / np.linalg.norm(normal))


def _at(mesh: Mesh, view: View, pixels: NDArray[np.int64], values: Floats) -> Floats:
    """Vertex values (V, C) at flat pixel addresses (N,) that lie on the part."""
    corners = mesh.faces[view.hits.face.ravel()[pixels]]
    weights = view.hits.weights.reshape(-1, 3)[pixels]
    return np.asarray((values[corners] * weights[..., None]).sum(1))
