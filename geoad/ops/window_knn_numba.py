"""Windowed neighbours on the CPU: sixteen pixels of a row at a time, their candidates sorted in one network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops import _threads
from geoad.ops._leaves_numba import NEVER, sort_lanes

WIDE = 64  # pixels at a time
BLOCK = 64  # candidates a pixel that are sorted at a time, at least


def search(
    xyz: NDArray[np.float32], k: int, window: int, include_self: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return index and sq_dist (H, W, k) of xyz (H, W, 3)."""
    height, width, _ = xyz.shape
    half = min(window // 2, max(height, width))
    planes = np.full((3, height + 2 * half, -(-width // WIDE) * WIDE + 2 * half), np.nan, np.float32)
    inner = planes[:, half : half + height, half : half + width]
    inner[...] = xyz.transpose(2, 0, 1)
    inner[:, ~(np.isfinite(inner).all(0) & (inner != 0).any(0))] = np.nan
    index, sq_dist = np.empty((height, width, k), np.int64), np.empty((height, width, k), np.float32)
    bits: NDArray[Any] = sq_dist.view(np.int32)

    def run(start: int, stop: int) -> None:
        search_rows(planes, half, start, stop, include_self, index, bits)

    _threads.split(height, run, smallest=16)
    return index, sq_dist


@njit(cache=True, nogil=True)
def search_rows(planes, half, start, stop, include_self, index, bits):  # type: ignore[no-untyped-def]
    """Answer the pixels of rows start … stop - 1; `planes` are padded by `half` with NaN, which is never near."""
    width, k, side = index.shape[1], index.shape[2], 2 * half + 1
    block = min(max(2 * k, BLOCK), k + side * side)
    keys, distance = np.empty(block * WIDE, np.int64), np.empty(WIDE, np.float32)
    bits_of_distance = distance.view(np.int32)
    shift = np.empty(side * side, np.int64)
    for step in range(side * side):
        shift[step] = (step // side - half) * width + step % side - half
    for row in range(start, stop):
        for column in range(0, width, WIDE):
            held = step = 0
            here = planes[:, row + half, column + half : column + half + WIDE]
            for v in range(row, row + side):
                for u in range(column, column + side):
                    if include_self or step != side * side // 2:
                        if held == block:
                            sort_lanes(keys, held, WIDE)
                            held = k
                        near, slots = planes[:, v, u : u + WIDE], keys[held * WIDE : (held + 1) * WIDE]
                        _put(here, near, step, distance, bits_of_distance, slots)
                        held += 1
                    step += 1
            sort_lanes(keys, held, WIDE)
            for lane in range(min(WIDE, width - column)):
                _write(keys, min(held, k), lane, shift, row, column + lane, index, bits)


@njit(cache=True, nogil=True)
def _put(here, near, step, distance, bits, keys):  # type: ignore[no-untyped-def]
    """Write the keys of pixels `near` (3, WIDE) for as many pixels `here`.

    A key is the bits of the distance above the step in the window, whose order is that of addresses.
    """
    for lane in range(WIDE):
        dx, dy, dz = near[0, lane] - here[0, lane], near[1, lane] - here[1, lane], near[2, lane] - here[2, lane]
        distance[lane] = dx * dx + dy * dy + dz * dz
    for lane in range(WIDE):
        key = np.int64(bits[lane]) << 32 | step
        keys[lane] = key if distance[lane] == distance[lane] else NEVER


@njit(cache=True, nogil=True)
def _write(keys, held, lane, shift, row, column, index, bits):  # type: ignore[no-untyped-def]
    """Write one pixel's neighbours."""
    address = row * index.shape[1] + column
    for slot in range(index.shape[2]):
        key = keys[slot * WIDE + lane] if slot < held else NEVER
        near = key != NEVER
        index[row, column, slot] = address + shift[key & 0xFFFFFFFF] if near else -1
        bits[row, column, slot] = key >> 32 if near else 0x7F800000
