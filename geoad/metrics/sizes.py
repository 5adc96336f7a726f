"""Maps and masks at another size than their own: only where it is asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad.metrics.pairs import check_reiterable, checked_map
from geoad.metrics.regions import is_cloud
from geoad.ops._arrays import to_numbers

COMMUNITY = "community-224"
MODES = ("exact", "official", COMMUNITY)
SIDE = 224


class Resized:
    """Arrays of a sequence or re-iterable, each put through `change(number, array)` when it is read.

    `beside` are as many arrays that `change` takes as well, None for none.

    >>> [array.tolist() for array in Resized([np.ones((1, 2))], lambda number, array: array.T + number)]
    [[[1.0], [1.0]]]
    """

    def __init__(self, arrays: Iterable[Any], change: Callable[..., Any], beside: Iterable[Any] | None = None) -> None:
        check_reiterable("arrays to resize", arrays)
        self.arrays, self.change, self.beside = arrays, change, beside

    def __len__(self) -> int:
        return len(self.arrays)  # type: ignore[arg-type]

    def __getitem__(self, i: int) -> Any:
        beside = () if self.beside is None else (self.beside[i],)  # type: ignore[index]
        return self.change(i, self.arrays[i], *beside)  # type: ignore[index]

    def __iter__(self) -> Iterator[Any]:
        columns = [self.arrays] if self.beside is None else [self.arrays, self.beside]
        return (self.change(i, *row) for i, row in enumerate(zip(*columns, strict=True)))


def community_maps(maps: Iterable[Any]) -> Resized:
    """Return maps as 224×224 ones: pixel ⌊i · H / 224⌋, the floor rule of the nearest neighbour in torch.

    The widespread scripts resize so what methods see and score, whatever its aspect; masks they resize by another rule
    (`community_masks`), which shifts one against the other by up to half a pixel of the small image. Raises
    ValueError for the map of a cloud, a single row: points lie in no order.

    >>> community_maps([np.arange(448.0 * 448).reshape(448, 448)])[0][0, :3].tolist()
    [0.0, 2.0, 4.0]
    """
    return Resized(maps, _shrink_map)


def community_masks(masks: Iterable[Any]) -> Resized:
    """Return masks as 224×224 ones: pixel ⌊(i + ½) · H / 224⌋, the centre rule of the nearest neighbour in Pillow.

    >>> community_masks([np.eye(448)])[0].shape
    (224, 224)
    """
    return Resized(masks, _shrink_mask)


def maps_at_mask_size(maps: Iterable[Any], masks: Iterable[Any]) -> Resized:
    """Return maps brought to the sizes of their masks by bilinear interpolation; without a mask they stay.

    Raises ValueError for a cloud's map, a single row, of another size.

    >>> maps_at_mask_size([[[0.0, 4.0]] * 2], [np.zeros((2, 4))])[0].tolist()
    [[0.0, 1.0, 3.0, 4.0], [0.0, 1.0, 3.0, 4.0]]
    """
    check_reiterable("masks", masks)
    if isinstance(maps, Sized) and isinstance(masks, Sized) and len(maps) != len(masks):
        raise ValueError(f"every map needs its mask: {len(maps)} maps, {len(masks)} masks")
    return Resized(maps, _fit, masks)


def resize_bilinear(pixels: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Return an array (H, W) at another shape; pixels are squares, their values in the centres, the border repeats.

    >>> resize_bilinear(np.array([[0.0, 4.0]]), (1, 4)).tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    if pixels.shape == shape:
        return pixels
    for axis in (0, 1):
        size = pixels.shape[axis]
        place = np.clip((np.arange(shape[axis]) + 0.5) * (size / shape[axis]) - 0.5, 0, size - 1)
        low = place.astype(np.intp)
        part = (place - low).astype(pixels.dtype)
        part = part[:, None] if axis == 0 else part
        first, second = pixels.take(low, axis), pixels.take(np.minimum(low + 1, size - 1), axis)
        # As a weighted mean: a difference of infinite or huge scores would not be finite.
        with np.errstate(invalid="ignore"):
            pixels = np.where(part > 0, first * (1 - part) + second * part, first)
    return pixels


def _fit(number: int, pixels: Any, mask: Any) -> Any:
    if mask is None:
        return pixels
    array, shape = checked_map(pixels, number), tuple(np.shape(mask))
    if array.shape != shape and (is_cloud(shape) or is_cloud(array.shape)):
        raise ValueError(f"map {number} must be {shape} as its mask, got {array.shape}: points lie in no order")
    return resize_bilinear(array, shape)


def _shrink_map(number: int, pixels: Any) -> NDArray[Any]:
    array = checked_map(pixels, number)
    if is_cloud(array.shape):
        told = f"{COMMUNITY} is of images, and points lie in no order"
        raise ValueError(f"map {number} must not be that of a cloud, got {array.shape}: {told}")
    return array[np.ix_(*(_floor_rule(size) for size in array.shape))]


def _shrink_mask(number: int, mask: Any) -> NDArray[Any] | None:
    if mask is None:
        return None
    array = to_numbers(f"mask {number}", mask)
    return array[np.ix_(*(_centre_rule(size) for size in array.shape))]


@cache
def _floor_rule(size: int) -> NDArray[np.intp]:
    """Return which of `size` pixels torch's nearest neighbour takes: it multiplies in single precision."""
    place = np.arange(SIDE, dtype=np.float32) * (np.float32(size) / np.float32(SIDE))
    return np.minimum(place.astype(np.intp), size - 1)


@cache
def _centre_rule(size: int) -> NDArray[np.intp]:
    """Return which of `size` pixels Pillow's nearest neighbour takes."""
    from PIL import Image

    row = Image.fromarray(np.arange(size, dtype=np.int32)[None])
    taken: NDArray[np.intp] = np.asarray(row.resize((SIDE, 1), Image.Resampling.NEAREST))[0].astype(np.intp)
    return taken
