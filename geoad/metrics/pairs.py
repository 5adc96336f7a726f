"""Maps and masks as they come, checked one pair at a time: what every pixel metric reads through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pair = tuple[NDArray[Any], NDArray[np.bool_] | None]
END = object()


def check_reiterable(name: str, arrays: Iterable[Any]) -> None:
    """Raise TypeError for a generator or another iterator that can be read only once.

    >>> check_reiterable("maps", (m for m in []))
    Traceback (most recent call last):
    TypeError: maps are read twice: give a list or an object whose __iter__ starts anew, got a one-shot generator
    """
    if iter(arrays) is arrays:
        raise TypeError(
            f"{name} are read twice: give a list or an object whose __iter__ starts anew, "
            f"got a one-shot {type(arrays).__name__}"
        )


def read_pairs(
    maps: Iterable[ArrayLike], masks: Iterable[ArrayLike | None], names: Sequence[str] | None = None
) -> Iterator[Pair]:
    """Yield map (H, W), a float array, and mask (H, W) bool, `> 0` (class codes are masks), of one image after another.

    A mask may be None: a good image. `names` call the images in errors; None: their numbers. Raises ValueError for
    NaN, another shape, another size, more maps than masks or fewer; TypeError for what is no array of numbers.

    >>> [mask.tolist() for _, mask in read_pairs([[[0.5, 2.0]]], [[[0, 255]]])]
    [[[False, True]]]
    """
    for index, (pixels, mask) in enumerate(zip_longest(maps, masks, fillvalue=END)):
        if pixels is END or mask is END:
            more, fewer = ("masks", "maps") if pixels is END else ("maps", "masks")
            raise ValueError(f"every map needs its mask: there are more {more} than {fewer} ({index})")
        name = index if names is None else names[index]
        scores = read_map(pixels, name)
        yield scores, None if mask is None else _read_mask(mask, name, scores.shape)


def read_map(pixels: Any, name: int | str) -> NDArray[Any]:
    """Return a map as a float32 or float64 array (H, W): float16 becomes float32 and integers float64, both exactly.

    Infinite scores rank as the largest and smallest. Raises ValueError for NaN, which has no rank.

    >>> import numpy as np
    >>> read_map(np.ones((2, 3), np.float16), 0).dtype
    dtype('float32')
    """
    array = _numbers(f"map {name}", pixels)
    if array.size and np.isnan(array.max()):
        raise ValueError(f"map {name} holds {np.count_nonzero(np.isnan(array))} NaN: every pixel needs a score")
    return array.astype(np.float32 if array.dtype.kind == "f" and array.itemsize <= 4 else np.float64, copy=False)


def _read_mask(mask: Any, name: int | str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    array = _numbers(f"mask {name}", mask)
    if array.shape != shape:
        raise ValueError(f"mask {name} must have the size of its map, {shape}, got {array.shape}")
    return array if array.dtype == np.bool_ else array > 0


def _numbers(name: str, value: Any) -> NDArray[Any]:
    """Return `value` as a two-dimensional array of numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers, got {type(value).__name__} of {array.dtype}")
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (H, W), got {array.shape}")
    return array
