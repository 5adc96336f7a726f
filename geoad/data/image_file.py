"""Colour images on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoad.data.reading import reading

SUFFIXES = (".png", ".jpg", ".jpeg")


def read_rgb(path: str | Path, shape: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Read a colour or grey image as (H, W, 3) uint8; transparency is dropped.

    Raises ValueError that names the file if it cannot be decoded, has 16 bits, or is not of `shape` (H, W).

    >>> import tempfile, PIL.Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PIL.Image.new("RGB", (4, 2), (9, 8, 7)).save(f"{folder}/000.png")
    ...     read_rgb(f"{folder}/000.png")[0, 0].tolist()
    [9, 8, 7]
    """
    from PIL import Image

    with reading(path, "image"), Image.open(path) as image:
        image.load()
        mode = image.mode
        rgb = np.array(image.convert("RGB"))
    if mode.startswith(("I", "F")):
        raise ValueError(f"{path}: colours must have 8 bits a channel, got PIL mode {mode!r}: save it as 8-bit RGB")
    if shape is not None:
        check_size(path, "rgb", rgb.shape[:2], shape)
    return rgb


def check_size(path: str | Path, what: str, got: tuple[int, ...], expected: tuple[int, int]) -> None:
    """Raise ValueError unless `got` is the (H, W) of the scan that the image belongs to.

    >>> check_size("gt/000.png", "mask", (4, 5), (4, 6))
    Traceback (most recent call last):
    ValueError: gt/000.png: mask must be 4x6 (HxW) like its scan, got 4x5: pair each file with its own scan, unscaled
    """
    if tuple(got) != tuple(expected):
        sizes = ["x".join(map(str, size)) for size in (expected, got)]
        raise ValueError(
            f"{path}: {what} must be {sizes[0]} (HxW) like its scan, got {sizes[1]}: "
            "pair each file with its own scan, unscaled"
        )
