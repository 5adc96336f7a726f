"""Maps and masks as they come, checked one at a time: what every pixel metric reads through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.ops._arrays import to_mask, to_numbers

END = object()


def check_iterable(name: str, arrays: Any) -> None:
    """Raise TypeError unless there is an entry for each image: of a good one None may stand for the mask.

    >>> check_iterable("masks", None)
    Traceback (most recent call last):
    TypeError: masks must be a list, one entry an image, got None
    """
    if not isinstance(arrays, Iterable) and not hasattr(arrays, "__getitem__"):
        raise TypeError(f"{name} must be a list, one entry an image, got {arrays!r}")


def check_reiterable(name: str, arrays: Iterable[Any]) -> None:
    """Raise TypeError for a generator or another iterator that can be read only once.

    >>> check_reiterable("maps", (m for m in []))
    Traceback (most recent call last):
    TypeError: maps are read more than once: give a list, or what can be iterated anew, got a one-shot generator
    """
    check_iterable(name, arrays)
    if iter(arrays) is arrays:
        raise TypeError(
            f"{name} are read more than once: give a list, or what can be iterated anew, "
            f"got a one-shot {type(arrays).__name__}"
        )


def checked_map(pixels: Any, name: int | str) -> NDArray[Any]:
    """Return a map as a float32 or float64 array (H, W): halves become float32, integers float64.

    Nothing is rounded. A torch tensor may be on any device and is evaluated on the CPU. Infinite scores rank as the
    largest and smallest. Raises ValueError for NaN, which has no rank, and without a pixel.

    >>> import numpy as np
    >>> checked_map(np.ones((2, 3), np.float16), 0).dtype
    dtype('float32')
    """
    array = to_numbers(f"map {name}", pixels)
    _check.shape(f"map {name}", array, ("H", "W"))
    if not array.size:
        raise ValueError(f"map {name} must hold a pixel, got shape {array.shape}")
    if np.isnan(array.max()):
        raise ValueError(f"map {name} holds {np.count_nonzero(np.isnan(array))} NaN: every pixel needs a score")
    return array.astype(np.float32 if array.dtype.kind == "f" and array.itemsize <= 4 else np.float64, copy=False)


def checked_mask(mask: Any, name: int | str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask as bool (H, W): `> 0`, so that class codes are masks.

    Raises ValueError for another size, negative numbers and NaN.

    >>> checked_mask([[0, 253]], 0, (1, 2)).tolist()
    [[False, True]]
    """
    array = to_numbers(f"mask {name}", mask)
    _check.shape(f"mask {name}", array, ("H", "W"))
    if array.shape != shape:
        raise ValueError(
            f"mask {name} must have the size of its map, {shape}, got {array.shape}: "
            "write maps at native size, or have them resized (geoad evaluate --resize)"
        )
    return to_mask(f"mask {name}", array)
