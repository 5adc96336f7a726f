"""What a camera sees of a mesh, without noise: every pixel's ray cast onto the nearest triangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.data.sim3d.mesh import Floats
from geoad.geometry.camera import Camera


@dataclass(frozen=True, eq=False)
class Hits:
    """The nearest triangle on every pixel's ray.

    `depth` (H, W) metres along the optical axis, inf where nothing is hit; `face` (H, W) int32, −1 there;
    `weights` (H, W, 3) barycentric weights of the face's corners at the point that was hit.

    >>> hits = Hits(np.ones((1, 1)), np.zeros((1, 1), np.int32), np.full((1, 1, 3), 1 / 3))
    >>> hits.gather(np.array([[0, 1, 2]], np.int32), np.array([[0.0], [3.0], [6.0]])).round(6).tolist()
    [[[3.0]]]
    """

    depth: Floats
    face: NDArray[np.int32]
    weights: Floats

    def gather(self, faces: NDArray[np.int32], values: Floats) -> Floats:
        """Return vertex values (V, C) at the hit points as (H, W, C), 0 where nothing was hit."""
        return np.asarray(_gather(self.face, self.weights, faces, values))


def cast(vertices: Floats, faces: NDArray[np.int32], camera: Camera) -> Hits:
    """Cast the ray of every pixel of `camera` onto triangles over vertices (V, 3): metres, camera frame, z > 0.

    Triangles should measure a few pixels at most: the lens bends their edges only at the corners.

    >>> import numpy as np
    >>> camera = Camera.pinhole(focal=10.0, shape=(8, 8))
    >>> corners = np.array([[-9.0, -9, 2], [9, -9, 2], [0, 9, 2]])
    >>> cast(corners, np.array([[0, 1, 2]], np.int32), camera).depth[4, 4].item()
    2.0
    """
    shape = camera.image_height, camera.image_width
    depth = np.full(shape, np.inf)
    face = np.full(shape, -1, np.int32)
    weights = np.zeros((*shape, 3))
    _rasterise(camera.project(vertices), vertices[:, 2], faces, depth, face, weights)
    return Hits(depth, face, weights)


@njit(cache=True, nogil=True)
def _gather(face, weights, faces, values):  # type: ignore[no-untyped-def]
    out = np.zeros((face.shape[0], face.shape[1], values.shape[1]))
    for row in range(face.shape[0]):
        for column in range(face.shape[1]):
            f = face[row, column]
            if f < 0:
                continue
            for k in range(3):
                for c in range(values.shape[1]):
                    out[row, column, c] += weights[row, column, k] * values[faces[f, k], c]
    return out


@njit(cache=True, nogil=True)
def _rasterise(screen, z, faces, depth, face, weights):  # type: ignore[no-untyped-def]
    height, width = depth.shape
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        left, right = max(np.ceil(min(ax, bx, cx)), 0.0), min(np.floor(max(ax, bx, cx)), width - 1.0)
        top, bottom = max(np.ceil(min(ay, by, cy)), 0.0), min(np.floor(max(ay, by, cy)), height - 1.0)
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if left > right or top > bottom or area == 0:
            continue
        for row in range(int(top), int(bottom) + 1):
            for column in range(int(left), int(right) + 1):
                u = ((bx - column) * (cy - row) - (cx - column) * (by - row)) / area
                v = ((cx - column) * (ay - row) - (ax - column) * (cy - row)) / area
                w = ((ax - column) * (by - row) - (bx - column) * (ay - row)) / area
                if u < 0 or v < 0 or w < 0:
                    continue
                u, v, w = u / z[a], v / z[b], w / z[c]  # linear on the screen is 1/z, not z
                distance = 1 / (u + v + w)
                if distance < depth[row, column]:
                    depth[row, column] = distance
                    face[row, column] = f
                    weights[row, column, 0] = u * distance
                    weights[row, column, 1] = v * distance
                    weights[row, column, 2] = w * distance
