"""The station: a calibrated camera and a projector above a dark table, and the part on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.data.sim3d.mesh import Floats, Mesh, length
from geoad.data.sim3d.render import Hits, cast
from geoad.geometry.camera import Camera

DISTANCE = 0.5  # metres from the camera to the table along the ray of the image's centre, unless a category says else
FOCUS, KAPPA = 0.0103431, -2205.03  # a real structured-light scanner's lens (MVTec 3D-AD, tire)
TABLE = (0.05, 0.055, 0.065)  # albedo of the background
BASELINE = 0.04  # metres between camera and projector, unless a category says else
FINER = 1.5  # pixels of the projector for each pixel of the camera


@dataclass(frozen=True)
class Pose:
    """Where the part lies on the table: turned by `yaw` degrees about z, then moved by x, y in mm.

    >>> Pose(yaw=90.0, x=10.0).place(np.array([[1.0, 0.0, 5.0]])).round(6).tolist()
    [[10.0, 1.0, 5.0]]
    """

    yaw: float = 0.0
    x: float = 0.0
    y: float = 0.0

    def place(self, points: Floats) -> Floats:
        """Return points (N, 3) of the part's frame in the table's frame, mm."""
        c, s = np.cos(np.radians(self.yaw)), np.sin(np.radians(self.yaw))
        shift = np.array([self.x, self.y, 0.0])
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        return np.asarray(turned(points, turn) + shift)


@dataclass(frozen=True, eq=False)
class View:
    """What the camera would see with perfect eyes.

    `depth` (H, W) metres; `normal` (H, W, 3) unit, sensor frame, towards the camera; `colour` (H, W, 3) and `gloss`
    (H, W) of the material; `part` (H, W) bool, False on the table; `hits` the triangles behind the pixels.

    >>> from geoad.data.sim3d import get_category
    >>> gland = get_category("cable_gland")
    >>> view = gland.station(64).look(gland.build(np.random.default_rng(0), 2.0), Pose())
    >>> bool(0.1 < view.part.mean() < 0.4)
    True
    """

    depth: Floats
    normal: Floats
    colour: Floats
    gloss: Floats
    part: NDArray[np.bool_]
    hits: Hits


@dataclass(frozen=True)
class Station:
    """A camera that looks down on the table, `tilt` degrees off the vertical.

    >>> station = Station.over(field=130.0, shape=(64, 64), tilt=5.0)
    >>> round(station.pitch, 2)
    2.03
    """

    camera: Camera
    tilt: float
    pitch: float
    distance: float = DISTANCE
    baseline: float = BASELINE

    @classmethod
    def over(
        cls,
        field: float,
        shape: tuple[int, int],
        tilt: float,
        centre: tuple[float, float] = (0.5, 0.5),
        distance: float = DISTANCE,
        baseline: float = BASELINE,
    ) -> Station:
        """Return the station whose image of `shape` (H, W) is `field` mm wide on the table, `distance` metres away.

        `centre` is the lens's axis in the image, as a share of its width and height: images are crops. The projector
        stands `baseline` metres to the right of the camera.
        """
        height, width = shape
        pitch = field / width
        size = FOCUS * pitch * 1e-3 / distance
        cx, cy = centre[0] * width - 0.5, centre[1] * height - 0.5
        return cls(Camera(FOCUS, KAPPA, size, size, cx, cy, width, height), tilt, pitch, distance, baseline)

    @property
    def rays(self) -> Floats:
        """(H, W, 3) directions of the pixels, z = 1."""
        return _rays(self.camera)

    @property
    def _frame(self) -> tuple[Floats, Floats]:
        """Rotation and shift from the table's frame to the sensor's, metres."""
        c, s = np.cos(np.radians(self.tilt)), np.sin(np.radians(self.tilt))
        turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.diag([1.0, -1.0, -1.0])
        middle = [(self.camera.image_width - 1) / 2, (self.camera.image_height - 1) / 2]
        return turn, self.distance * self.camera.rays(np.array([middle]))[0]

    def to_sensor(self, points: Floats, pose: Pose) -> Floats:
        """Return points (N, 3) of the part's frame (mm) in the sensor's frame (metres)."""
        turn, shift = self._frame
        return turned(pose.place(points), turn * 1e-3) + shift

    def turn_to_sensor(self, directions: Floats, pose: Pose) -> Floats:
        """Return directions (N, 3) of the part's frame in the sensor's frame."""
        return turned(Pose(pose.yaw).place(directions), self._frame[0])

    def look(self, mesh: Mesh, pose: Pose) -> View:
        """Return the noise-free view of the part on the table."""
        up, foot = self._frame[0][:, 2], self._frame[1]
        table = (up @ foot) / (self.rays @ up)
        hits = cast(self.to_sensor(mesh.vertices, pose), mesh.faces, self.camera)
        part = hits.depth < table
        values = np.column_stack([self.turn_to_sensor(mesh.normals, pose), mesh.colour, mesh.gloss])
        seen = hits.gather(mesh.faces, values)
        normal = np.where(part[..., None], seen[..., :3], up)
        towards = np.where(np.einsum("hwi,hwi->hw", normal, self.rays) > 0, -1.0, 1.0)
        normal *= (towards / np.maximum(length(normal), 1e-9))[..., None]
        colour = np.where(part[..., None], seen[..., 3:6], TABLE)
        return View(np.minimum(hits.depth, table), normal, colour, np.where(part, seen[..., 6], 0.0), part, hits)

    def shadow(self, mesh: Mesh, pose: Pose, depth: Floats) -> NDArray[np.bool_]:
        """Return (H, W) bool: the pixels whose point the projector cannot reach."""
        projector = self._projector()
        origin = np.array([self.baseline, 0.0, 0.0])
        lit = cast(self.to_sensor(mesh.vertices, pose) - origin, mesh.faces, projector).depth
        points = (self.rays * depth[..., None]).reshape(-1, 3) - origin
        column, row = np.floor(projector.project(points)).astype(np.int64).T
        inside = (column >= 0) & (row >= 0) & (column < lit.shape[1] - 1) & (row < lit.shape[0] - 1)
        column, row = np.where(inside, column, 0), np.where(inside, row, 0)
        # the farthest of the four texels around, so that a surface does not shade itself on its own steps
        reach = np.maximum(
            np.maximum(lit[row, column], lit[row + 1, column]),
            np.maximum(lit[row, column + 1], lit[row + 1, column + 1]),
        )
        shaded = inside & (points[:, 2] > reach + 3e-4)
        return np.asarray(shaded.reshape(depth.shape))

    def _projector(self) -> Camera:
        """A pinhole whose image covers the camera's on the table, with a margin of an eighth on each side."""
        camera = self.camera
        focal = FINER * camera.focus / camera.sx
        shape = int(FINER * 1.25 * camera.image_height), int(FINER * 1.25 * camera.image_width)
        cx = FINER * (camera.cx + camera.image_width / 8) + focal * self.baseline / self.distance
        return Camera.pinhole(focal, shape, (cx, FINER * (camera.cy + camera.image_height / 8)))


def turned(points: Floats, matrix: Floats) -> Floats:
    """Return matrix · point for points (N, 3); not by BLAS, whose sums depend on the machine and its threads.

    >>> turned(np.array([[1.0, 2.0, 3.0]]), np.diag([1.0, 1.0, -1.0])).tolist()
    [[1.0, 2.0, -3.0]]
    """
    return np.asarray(_turn(points, matrix))


@njit(cache=True, nogil=True)
def _turn(points, matrix):  # type: ignore[no-untyped-def]
    out = np.empty((len(points), 3))
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        for i in range(3):
            out[n, i] = matrix[i, 0] * x + matrix[i, 1] * y + matrix[i, 2] * z
    return out


@lru_cache(maxsize=4)
def _rays(camera: Camera) -> Floats:
    """The directions of all pixels, kept because every scan of a category uses the same."""
    row, column = np.mgrid[: camera.image_height, : camera.image_width]
    return camera.rays(np.stack([column, row], -1))
