"""One scan on disk: whatever a sensor or a modeller wrote, read as an XYZ image."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from geoad.data import mesh_file
from geoad.data.image_file import read_rgb
from geoad.data.pcd_file import read_pcd, read_pcd_header
from geoad.data.reading import reading
from geoad.geometry.xyz_image import XYZImage
from geoad.ops._arrays import whole

SUFFIXES = (".tiff", ".tif", ".npy", ".pcd", ".ply", *mesh_file.SUFFIXES)
_QUIET = logging.NullHandler()  # tifffile warns of what it then raises
_Read = tuple[NDArray[np.generic], NDArray[np.uint8] | None]


def read_scan(path: str | Path, *, rgb: str | Path | None = None, points: int = 100_000, seed: int = 0) -> XYZImage:
    """Read a scan; `rgb` is the colour image of the same size that belongs to it.

    .tiff: (H, W, 3) float. .npy: (H, W, 3), (N, 3), or (N, 6) with colours 0..255 behind. .pcd: organised or not.
    .ply: a cloud, or a mesh if it has faces. .off, .obj, .stl: meshes; `points` are drawn evenly over the faces by
    `seed`. Coordinates keep the file's frame and unit (metres by convention); float64 is rounded to float32.

    Raises ValueError that names the file if it is damaged, has other channels or dtype, lies too far from the origin
    for float32, or holds no valid point.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/part.npy", np.ones((5, 3), np.float32))
    ...     read_scan(f"{folder}/part.npy").shape
    (1, 5)
    """
    path, points, seed = Path(path), whole("points", points), whole("seed", seed, zero=True)
    suffix = _suffix(path)
    with reading(path, suffix[1:]):
        xyz, colours = _read(path, suffix, points, seed)
    _check_xyz(path, xyz)
    if rgb is not None:
        colours = read_rgb(rgb, (xyz.shape[0], xyz.shape[1]))
    try:
        image = XYZImage(cast(NDArray[np.float32], xyz), colours)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not image.valid.any():
        raise ValueError(f"{path}: no valid pixel (all zero, NaN or inf): record it again or remove it")
    return image


def scan_shape(path: str | Path, *, points: int = 100_000) -> tuple[int, int]:
    """Return (H, W) of a scan, from its header where the format has one.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/part.npy", np.ones((4, 5, 3), np.float32))
    ...     scan_shape(f"{folder}/part.npy")
    (4, 5)
    """
    path, points = Path(path), whole("points", points)
    suffix = _suffix(path)
    with reading(path, suffix[1:]):
        if suffix in mesh_file.SUFFIXES:
            return 1, points
        if suffix == ".pcd":
            return read_pcd_header(path.read_bytes()).shape
        if suffix in (".tif", ".tiff"):
            import tifffile

            with tifffile.TiffFile(path) as file:
                height, width = file.pages[0].shape[:2]
                return int(height), int(width)
    return read_scan(path, points=points).shape


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: no scan format is called {suffix!r}: convert it to one of {', '.join(SUFFIXES)}")
    return suffix


def _read(path: Path, suffix: str, points: int, seed: int) -> _Read:
    """Dispatch on the suffix."""
    if suffix in (".tiff", ".tif"):
        return _read_tiff(path), None
    if suffix == ".npy":
        return _read_npy(path)
    if suffix == ".pcd":
        return read_pcd(path)
    if suffix == ".ply":
        return mesh_file.read_ply(path, points, seed)
    return mesh_file.sample_mesh(path, points, seed), None


def _read_tiff(path: Path) -> NDArray[np.generic]:
    import tifffile

    logging.getLogger("tifffile").addHandler(_QUIET)
    try:
        xyz: NDArray[np.generic] = tifffile.imread(path)
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise ImportError("this compression is read by imagecodecs: pip install imagecodecs") from error
        raise
    if not xyz.size:
        raise ValueError("no image in it")
    return xyz


def _read_npy(path: Path) -> _Read:
    """Points in rows become an image of one row."""
    with path.open("rb") as file:
        array: NDArray[np.generic] = np.load(file, allow_pickle=False)
    if array.ndim == 2 and array.shape[1] in (3, 6):
        array = array[None]
        if array.shape[-1] == 6:
            return np.ascontiguousarray(array[..., :3]), _colours(array[..., 3:])
    return array, None


def _colours(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    numbers = values.astype(np.float64)
    if not ((numbers >= 0) & (numbers <= 255) & (numbers % 1 == 0)).all():
        raise ValueError("columns 4 to 6 must be colours 0..255, not normals or other attributes")
    return numbers.astype(np.uint8)


def _check_xyz(path: Path, xyz: NDArray[np.generic]) -> None:
    """Raise for anything but three float channels."""
    if xyz.ndim != 3 or xyz.shape[-1] != 3:
        mend = "save x, y, z as the last axis, points alone as (N, 3)"
        raise ValueError(f"{path}: xyz must have shape (H, W, 3), got {xyz.shape}: {mend}")
    if xyz.dtype.kind != "f":
        raise ValueError(f"{path}: xyz must be float32 in metres, got {xyz.dtype}: save coordinates, not a picture")
