"""One anomaly map on disk: a float32 .tiff of the scan's native size, as MVTec's evaluation reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad._whole_file import write_whole
from geoad.data.reading import reading
from geoad.ops._arrays import to_mask
from geoad.sample import AnomalyMap

SUFFIXES = (".tiff", ".tif", ".npy")


def write_map(path: str | Path, anomaly_map: AnomalyMap) -> None:
    """Write the pixels of a map as an uncompressed float32 .tiff, whole or not at all.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_map(f"{folder}/000.tiff", AnomalyMap(np.array([[0.0, 2.5]])))
    ...     read_map(f"{folder}/000.tiff").tolist()
    [[0.0, 2.5]]
    """
    import tifffile

    _check.instance("anomaly_map", anomaly_map, AnomalyMap, "AnomalyMap(array)")
    path = Path(path)
    if path.suffix.lower() not in (".tiff", ".tif"):
        raise ValueError(f"{path}: maps are written as .tiff, got {path.suffix!r}: change the name")
    write_whole(path, lambda file: tifffile.imwrite(file, anomaly_map.pixels, photometric="minisblack"))


def write_mask(path: str | Path, mask: NDArray[np.bool_]) -> None:
    """Write which pixels are called defective as an 8-bit grey .png, 255 where they are, whole or not at all.

    >>> import tempfile
    >>> from geoad.data.mask_file import read_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_mask(f"{folder}/000.mask.png", np.array([[True, False]]))
    ...     read_mask(f"{folder}/000.mask.png", None).tolist()
    [[True, False]]
    """
    from PIL import Image

    image = Image.fromarray(np.where(to_mask("mask", mask), 255, 0).astype(np.uint8))
    write_whole(path, lambda file: image.save(file, format="png"))


def read_map(path: str | Path) -> NDArray[Any]:
    """Read a map (H, W) of anybody's method from .tiff, .tif or .npy; float64 and float32 stay what they are.

    The scores of a cloud's points may be (N,), and become (1, N).

    Infinite scores are allowed. Raises ValueError that names the file if it is damaged, has another shape than (H, W),
    holds no numbers or NaN.

    >>> read_map("000.jpg")
    Traceback (most recent call last):
    ValueError: 000.jpg: no map format is called '.jpg': convert it to one of .tiff, .tif, .npy
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: no map format is called {suffix!r}: convert it to one of {', '.join(SUFFIXES)}")
    with reading(path, "map"):
        pixels = _READERS[suffix](path)
    pixels = pixels[None] if pixels.ndim == 1 else pixels  # a cloud's
    if pixels.ndim != 2 or not pixels.size:
        raise ValueError(f"{path}: a map has shape (H, W), one score a pixel, got {pixels.shape}: write it again")
    if pixels.dtype.kind not in "biuf":
        raise ValueError(f"{path}: a map holds real numbers, got {pixels.dtype}: write it as float32")
    if np.isnan(pixels.max()):
        raise ValueError(f"{path}: holds {np.count_nonzero(np.isnan(pixels))} NaN: every pixel needs a score")
    return pixels if pixels.dtype.kind == "f" else pixels.astype(np.float64)


def _read_tiff(path: Path) -> NDArray[Any]:
    import tifffile

    pixels: NDArray[Any] = tifffile.imread(path)
    return pixels


def _read_npy(path: Path) -> NDArray[Any]:
    pixels: NDArray[Any] = np.load(path, allow_pickle=False)
    return pixels


_READERS = {".tiff": _read_tiff, ".tif": _read_tiff, ".npy": _read_npy}
