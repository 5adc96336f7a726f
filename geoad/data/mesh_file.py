"""Meshes and .ply clouds on disk, as points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoad._optional import need
from geoad.data.surface import sample_surface

if TYPE_CHECKING:
    import trimesh

SUFFIXES = (".off", ".obj", ".stl")


def read_ply(path: str | Path, points: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None]:
    """Return the vertices (1, N, 3), invalid ones included, and their colours; with faces, points sampled on them.

    Raises ValueError (without the file's name) for a file that holds no points.

    >>> import tempfile
    >>> head = "ply\\nformat ascii 1.0\\nelement vertex 1\\n" + "".join(f"property float {axis}\\n" for axis in "xyz")
    >>> with tempfile.NamedTemporaryFile("w", suffix=".ply") as file:
    ...     _ = file.write(head + "end_header\\n0 0 1\\n"); file.flush()
    ...     read_ply(file.name, points=10, seed=0)[0].tolist()
    [[[0.0, 0.0, 1.0]]]
    """
    trimesh = need("trimesh", "read .ply files")
    with Path(path).open("rb") as file:
        loaded = trimesh.load(file, file_type="ply", process=False)
    _check_whole(loaded.metadata.get("_ply_raw", {}))
    if len(getattr(loaded, "faces", ())):
        return _sample(loaded, points, seed), None
    vertices = np.asarray(getattr(loaded, "vertices", ()), dtype=np.float64)
    if vertices.ndim != 2 or not len(vertices):
        raise ValueError("no vertices")
    colours = np.asarray(getattr(loaded, "colors", ()))
    if loaded.visual.kind is None or colours.shape[:1] != vertices.shape[:1]:
        return vertices[None], None
    _check_colours(loaded.metadata.get("_ply_raw", {}).get("vertex", {}).get("data", {}))
    return vertices[None], colours[None, :, :3].astype(np.uint8)


def sample_mesh(path: str | Path, points: int, seed: int) -> NDArray[np.float64]:
    """Return `points` points (1, N, 3) drawn evenly over the faces: the same file and seed give the same points.

    Raises ValueError (without the file's name) for a file without a face of positive area.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".off") as file:
    ...     _ = file.write("OFF\\n3 1 0\\n0 0 0\\n1 0 0\\n0 1 0\\n3 0 1 2\\n"); file.flush()
    ...     sample_mesh(file.name, points=5, seed=0).shape
    (1, 5, 3)
    """
    return _sample(load_mesh(path), points, seed)


def load_mesh(path: str | Path) -> trimesh.Trimesh:
    """Return the mesh of a file, of several the sum; raise ValueError (without the file's name) if it is truncated.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".off") as file:
    ...     _ = file.write("OFF\\n3 1 0\\n0 0 0\\n1 0 0\\n0 1 0\\n3 0 1 2\\n"); file.flush()
    ...     float(load_mesh(file.name).area)
    0.5
    """
    load = need("trimesh", "read meshes").load
    form = Path(path).suffix[1:].lower()
    with Path(path).open("rb") as file:
        mesh: trimesh.Trimesh = load(file, file_type=form, force="mesh", process=False, skip_materials=True)
        file.seek(0)
        expected = _off_faces(file.read(1000)) if form == "off" else 0
    if len(mesh.faces) < expected:  # trimesh reads what there is
        raise ValueError(f"truncated: {len(mesh.faces)} of {expected} faces")
    _check_whole(mesh.metadata.get("_ply_raw", {}))
    return mesh


def _check_whole(elements: Mapping[str, Any]) -> None:
    """Raise ValueError for fewer rows of an element than the header announces: trimesh reads what there is."""
    for name, element in elements.items():
        data = element.get("data", ())
        columns = list(data.values()) if isinstance(data, Mapping) else [data]
        if (found := min(map(len, columns), default=0)) < element["length"]:
            raise ValueError(f"truncated: {found} of {element['length']} rows of {name}")


def _check_colours(columns: Any) -> None:
    """Raise ValueError for whole numbers above 255, which trimesh takes modulo 256; fractions of 1 it scales."""
    names = columns if isinstance(columns, Mapping) else columns.dtype.names or ()
    for name in {"red", "green", "blue"}.intersection(names):
        column = np.asarray(columns[name])
        if column.dtype.kind in "iu" and not 0 <= column.min() <= column.max() <= 255:
            raise ValueError(f"colours must be in 0..255, got {column.dtype} up to {column.max()}: scale them")


def _off_faces(head: bytes) -> int:
    """The number of faces that an .off file announces after its number of vertices."""
    lines = [line.split(b"#")[0] for line in head.splitlines()]
    counts = re.findall(rb"\d+", b" ".join(lines))
    return int(counts[1]) if len(counts) > 1 else 0


def _sample(mesh: object, points: int, seed: int) -> NDArray[np.float64]:
    """Draw points (1, N, 3) on the faces; in float64, to be rounded once."""
    triangles = np.asarray(getattr(mesh, "triangles", np.zeros((0, 3, 3))), np.float64)
    return sample_surface(triangles, points, np.random.default_rng(seed))[0][None]
