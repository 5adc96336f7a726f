"""Ground truth on disk: a mask image, or a label for each point of a cloud."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad.data.image_file import check_size
from geoad.data.reading import reading

SUFFIXES = (".png", ".npy", ".txt")
MAX_CODES = 8
"""Without a list of codes, more values than this cannot be classes: the mask was scaled or compressed with loss."""


def read_mask(
    path: str | Path, shape: tuple[int, int] | None, codes: Collection[int] | None = None
) -> NDArray[np.bool_]:
    """Read ground truth as (H, W) bool: True where the value is above zero, whatever class it codes.

    .png holds one 8-bit channel; .npy an array (H, W), or (N,) for a cloud of one row; .txt N labels. `shape` is the
    scan's (None: not compared), `codes` the classes that may occur beside 0 and 255 (None: up to 8 of any value). A
    defect may lie on invalid pixels.

    Raises ValueError that names the file for another size, several channels, negative, fractional or foreign values.

    >>> import tempfile, PIL.Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PIL.Image.new("L", (2, 1), 253).save(f"{folder}/000.png")
    ...     read_mask(f"{folder}/000.png", (1, 2))
    array([[ True,  True]])
    """
    path = Path(path)
    with reading(path, "mask"):
        values = _READERS[path.suffix.lower()](path)
    if values.ndim == 1:
        values = values[None]
    if values.ndim != 2:
        raise ValueError(f"{path}: a mask has one channel, got shape {values.shape}: save it as 8-bit grey")
    if shape is not None:
        check_size(path, "mask", values.shape, shape)
    _check_values(path, values, codes)
    mask: NDArray[np.bool_] = values > 0
    return mask


def read_codes(path: Path) -> frozenset[int]:
    """Read the codes of a `class_ids.json`, which says what each value of a mask means.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     _ = file.write('{"253": "hole", "0": "good"}'); file.flush()
    ...     sorted(read_codes(Path(file.name)))
    [0, 253]
    """
    with reading(path, "list of classes"):
        return frozenset(int(code) for code in json.loads(path.read_text(encoding="utf-8")))


def _check_values(path: Path, values: NDArray[Any], codes: Collection[int] | None) -> None:
    """Raise unless the values are classes."""
    found = np.unique(values)
    if values.dtype.kind == "b":
        return
    if not np.isfinite(found).all() or (found < 0).any() or (found % 1 != 0).any():
        raise ValueError(f"{path}: a mask holds 0 and 255 or class codes, got negative or fractional values")
    foreign = [int(value) for value in found if codes is not None and value not in {0, 255, *codes}]
    if foreign:
        known = ", ".join(map(str, sorted({0, 255, *(codes or ())})))
        raise ValueError(f"{path}: mask value {foreign[0]} is no class (known: {known}): mend it or class_ids.json")
    if codes is None and np.count_nonzero(found) > MAX_CODES:
        raise ValueError(
            f"{path}: a mask holds 0 and 255 (or a code per class), got {len(found)} grey levels: "
            "scale masks with nearest neighbour and save them as png"
        )


def _read_png(path: Path) -> NDArray[Any]:
    """Pixels as stored: grey levels, bits, or the palette's indices."""
    from PIL import Image

    with Image.open(path) as image:
        image.load()
        return np.array(image)


def _read_npy(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array


def _read_txt(path: Path) -> NDArray[Any]:
    return np.loadtxt(path, ndmin=1)


_READERS = {".png": _read_png, ".npy": _read_npy, ".txt": _read_txt}
