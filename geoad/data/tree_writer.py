"""Scans written in the tree of MVTec 3D-AD."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad._whole_file import write_whole
from geoad.geometry.xyz_image import XYZImage
from geoad.ops._arrays import to_mask


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

    image = xyz if isinstance(xyz, XYZImage) else XYZImage(xyz)
    colours = image.rgb if rgb is None else rgb
    if colours is not None:
        colours = _check.colours("rgb", colours, (*image.shape, 3))
    if mask is not None:
        _check.shape("mask", mask, image.shape)
        mask = to_mask("mask", mask)
    write_whole(
        Path(folder) / "xyz" / f"{stem}.tiff", lambda file: tifffile.imwrite(file, image.xyz, photometric="rgb")
    )
    if colours is not None:
        picture = Image.fromarray(colours)
        write_whole(Path(folder) / "rgb" / f"{stem}.png", partial(picture.save, format="png"))
    if mask is not None:
        truth = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
        write_whole(Path(folder) / "gt" / f"{stem}.png", partial(truth.save, format="png"))
