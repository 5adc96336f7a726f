"""The solid: a triangle mesh whose vertices lie as densely as the pixels that will see them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface in the part's frame: millimetres, z up, the table at z = 0 (once the part is placed).

    `vertices` (V, 3), `faces` (F, 3) int32, `colour` (V, 3) albedo in 0..1, `gloss` (V,) 0 matt to 1 mirror,
    `inside` the colour (3,) of the material below the skin.

    >>> import numpy as np
    >>> flat = np.stack(np.meshgrid([0.0, 1.0], [0.0, 1.0], [0.0], indexing="ij"), -1)[:, :, 0]
    >>> grid(flat, colour=(0.5, 0.5, 0.5)).normals[0].tolist()
    [0.0, 0.0, 1.0]
    """

    vertices: Floats
    faces: NDArray[np.int32]
    colour: Floats
    gloss: Floats
    inside: tuple[float, float, float] = (0.5, 0.5, 0.5)

    @cached_property
    def normals(self) -> Floats:
        """(V, 3) unit normals, outwards, weighted by the area of the faces around."""
        return np.asarray(_normals(self.vertices, self.faces))

    def moved(self, vertices: Floats, *, torn: float | None = None) -> Mesh:
        """Return the mesh with other vertices; what moved by more than `torn` mm shows its inside."""
        mesh = replace(self, vertices=vertices)
        if torn is None:
            return mesh
        bare = length(vertices - self.vertices) > torn
        return replace(
            mesh,
            colour=np.where(bare[:, None], self.inside, self.colour),
            gloss=np.where(bare, 0.0, self.gloss),
        )

    def displaced(self, height: Floats) -> Mesh:
        """Return the mesh with every vertex moved by height (V,) along its normal."""
        return self.moved(self.vertices + height[:, None] * self.normals)

    def joined(self, other: Mesh) -> Mesh:
        """Return both surfaces as one mesh; where they overlap, the outer one is seen."""
        return replace(
            self,
            vertices=np.concatenate([self.vertices, other.vertices]),
            faces=np.concatenate([self.faces, other.faces + np.int32(len(self.vertices))]),
            colour=np.concatenate([self.colour, other.colour]),
            gloss=np.concatenate([self.gloss, other.gloss]),
        )


def length(vectors: Floats) -> Floats:
    """Return the Euclidean lengths of vectors (..., 3).

    >>> length(np.array([[3.0, 4.0, 0.0]])).tolist()
    [5.0]
    """
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def grid(
    points: Floats,
    *,
    colour: tuple[float, float, float] | Floats,
    gloss: float | Floats = 0.0,
    inside: tuple[float, float, float] = (0.5, 0.5, 0.5),
    closed: tuple[bool, bool] = (False, False),
) -> Mesh:
    """Return the mesh of a grid of points (N, M, 3), rows and columns closed to rings where asked.

    Normals point along d/drow × d/dcolumn.

    >>> import numpy as np
    >>> len(grid(np.zeros((3, 4, 3)), colour=(1, 1, 1), closed=(True, False)).faces)
    18
    """
    count = points.shape[0] * points.shape[1]
    return Mesh(
        points.reshape(count, 3),
        _faces(points.shape[0], points.shape[1], *closed),
        np.broadcast_to(np.asarray(colour, np.float64), (count, 3)),
        np.broadcast_to(np.asarray(gloss, np.float64), (count,)),
        inside,
    )


def ball(rows: int, columns: int) -> Floats:
    """Return the unit sphere as a grid (rows, columns, 3) from pole to pole of the x axis; close its columns.

    >>> ball(3, 4)[:, 0].round(6).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]
    """
    theta = np.linspace(0, np.pi, rows)[:, None]
    phi = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    return np.stack([np.cos(theta) + 0 * phi, np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi)], -1)


@lru_cache(maxsize=8)
def _faces(rows: int, columns: int, closed_rows: bool, closed_columns: bool) -> NDArray[np.int32]:
    """Two triangles for every cell of a grid."""
    i = np.arange(rows if closed_rows else rows - 1)[:, None]
    j = np.arange(columns if closed_columns else columns - 1)[None]
    down, right = (i + 1) % rows, (j + 1) % columns
    a, b, c, d = i * columns + j, down * columns + j, down * columns + right, i * columns + right
    faces: NDArray[np.int32] = np.stack([a, b, c, a, c, d], -1).reshape(-1, 3).astype(np.int32)
    return faces


@njit(cache=True, nogil=True)
def _normals(vertices, faces):  # type: ignore[no-untyped-def]
    out = np.zeros_like(vertices)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for v in (a, b, c):
            out[v, 0] += nx
            out[v, 1] += ny
            out[v, 2] += nz
    for v in range(len(out)):
        length = np.sqrt(out[v, 0] ** 2 + out[v, 1] ** 2 + out[v, 2] ** 2)
        if length > 0:
            out[v] /= length
    return out
