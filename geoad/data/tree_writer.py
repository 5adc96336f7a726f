"""Scans written in the tree of MVTec 3D-AD."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.geometry.xyz_image import XYZImage


def write_scan(
    folder: str | Path,
    stem: str,
    xyz: XYZImage | NDArray[np.floating],
    rgb: NDArray[np.uint8] | None = None,
    mask: NDArray[np.generic] | None = None,
) -> None:
    """Write a scan into the folder of its kind: xyz/STEM.tiff and, if given, rgb/STEM.png and gt/STEM.png.

    The .tiff is float32 (H, W, 3), uncompressed; a mask is 0 and 255. Each file appears whole or not at all.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     write_scan(f"{root}/train/good", "000", np.ones((4, 5, 3)))
    ...     (Path(root) / "train/good/xyz/000.tiff").stat().st_size
    528
    """
    import tifffile
    from PIL import Image

    image = xyz if isinstance(xyz, XYZImage) else XYZImage(np.asarray(xyz))
    colours = image.rgb if rgb is None else rgb
    for name, array, shape in (("rgb", colours, (*image.shape, 3)), ("mask", mask, image.shape)):
        if array is not None:
            _check.shape(name, array, shape)
    _write(Path(folder) / "xyz" / f"{stem}.tiff", lambda file: tifffile.imwrite(file, image.xyz, photometric="rgb"))
    if colours is not None:
        picture = Image.fromarray(np.asarray(colours, dtype=np.uint8))
        _write(Path(folder) / "rgb" / f"{stem}.png", lambda file: picture.save(file, format="png"))
    if mask is not None:
        truth = Image.fromarray((np.asarray(mask) > 0).astype(np.uint8) * np.uint8(255))
        _write(Path(folder) / "gt" / f"{stem}.png", lambda file: truth.save(file, format="png"))


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write under another name in the same folder, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=".", suffix=path.suffix, delete=False) as file:
        try:
            write(file)
        except BaseException:
            os.unlink(file.name)
            raise
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
