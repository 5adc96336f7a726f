"""Maps and masks as they come, checked one at a time: what every pixel metric reads through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

END = object()


def check_reiterable(name: str, arrays: Iterable[Any]) -> None:
    """Raise TypeError for a generator or another iterator that can be read only once.

    >>> check_reiterable("maps", (m for m in []))
    Traceback (most recent call last):
    TypeError: maps are read more than once: give a list, or what can be iterated anew, got a one-shot generator
    """
    if iter(arrays) is arrays:
        raise TypeError(
            f"{name} are read more than once: give a list, or what can be iterated anew, "
            f"got a one-shot {type(arrays).__name__}"
        )


def checked_map(pixels: Any, name: int | str) -> NDArray[Any]:
    """Return a map as a float32 or float64 array (H, W): halves become float32, integers float64.

    Nothing is rounded. A torch tensor may be on any device and is evaluated on the CPU. Infinite scores rank as the
    largest and smallest. Raises ValueError for NaN, which has no rank.

    >>> import numpy as np
    >>> checked_map(np.ones((2, 3), np.float16), 0).dtype
    dtype('float32')
    """
    array = _numbers(f"map {name}", pixels)
    if array.size and np.isnan(array.max()):
        raise ValueError(f"map {name} holds {np.count_nonzero(np.isnan(array))} NaN: every pixel needs a score")
    return array.astype(np.float32 if array.dtype.kind == "f" and array.itemsize <= 4 else np.float64, copy=False)


def checked_mask(mask: Any, name: int | str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask as bool (H, W): `> 0`, so that class codes are masks.

    Raises ValueError for another size, negative numbers and NaN.

    >>> checked_mask([[0, 253]], 0, (1, 2)).tolist()
    [[False, True]]
    """
    array = _numbers(f"mask {name}", mask)
    if array.shape != shape:
        raise ValueError(
            f"mask {name} must have the size of its map, {shape}, got {array.shape}: "
            "write maps at native size, or have them resized (geoad evaluate --resize)"
        )
    if array.dtype.kind in "if" and not (array >= 0).all():
        raise ValueError(f"mask {name} must be 0 where good and above 0 where defective, got negative numbers or NaN")
    return array if array.dtype == np.bool_ else array > 0


def to_array(value: Any) -> NDArray[Any]:
    """Return an array or a tensor of any device as numpy, gradients cut.

    >>> to_array([0, 1]).tolist()
    [0, 1]
    """
    if hasattr(value, "detach"):  # a torch tensor; numpy has no bfloat16
        value = value.detach().cpu()
        value = value.float() if "bfloat16" in str(value.dtype) else value
    return np.asarray(value)


def _numbers(name: str, value: Any) -> NDArray[Any]:
    """Return `value` as a two-dimensional array of numbers."""
    array = to_array(value)
    if np.ma.is_masked(value):
        raise ValueError(f"{name} must not be masked: fill in the numbers that are meant")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers, got {type(value).__name__} of {array.dtype}")
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (H, W), got {array.shape}")
    return array
