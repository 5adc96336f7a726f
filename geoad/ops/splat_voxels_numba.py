"""CPU kernel of `splat_voxels`: voxels in descending order of value, so that every pixel is written once.

A bit a pixel says that it is written, a word a block of rows which of its columns are: most voxels are found hidden
behind those before them without a look at their hull. They are drawn in rounds, as voxels in the order of memory are
looked at many times faster than in that of their values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops._lanes_numba import lowest
from geoad.ops.hull_numba import REACH, STEP, UNIT, sort_corners, trace

FAR = np.int32(1 << 30)
WORD, LAST = np.uint64(6), np.uint64(63)  # bits of a column within a word, the last column of a word
ONE, FULL = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
DIGIT, DIGITS = 11, 3  # bits a pass of the sort, passes
SIGN = np.uint32(0x80000000)
SHARE, FEW = 8, 4096  # a round draws an eighth of the voxels left, or all of a few


def draw(
    values: NDArray[np.float32], columns: NDArray[np.int32], rows: NDArray[np.int32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the image (H, W) of values (X, Y, Z) whose corners (X + 1, Y + 1, Z + 1) have those places, in steps."""
    image: NDArray[Any] = np.full(shape, np.nan, np.float32)
    _fill(values.reshape(-1), _boxes(columns, rows, *shape), columns, rows, image)
    return image


@njit(cache=True, nogil=True)
def quantise(place, depth, columns, rows):  # type: ignore[no-untyped-def]
    """Write places (N, 2) in whole steps; a corner that is not in front of the camera or too far away is `FAR`."""
    for i in range(place.shape[0]):
        u, v = np.rint(place[i, 0] * UNIT), np.rint(place[i, 1] * UNIT)
        near = depth[i] > 0 and abs(u) <= REACH and abs(v) <= REACH  # nothing else is a number
        columns[i], rows[i] = np.int32(u) if near else FAR, np.int32(v) if near else FAR


@njit(cache=True, nogil=True)
def _boxes(columns, rows, height, width):  # type: ignore[no-untyped-def]
    """Return (V, 4) int32: first and last column and row of the pixels in each voxel's box; the last is below none."""
    nx, ny, nz = columns.shape[0] - 1, columns.shape[1] - 1, columns.shape[2] - 1
    boxes = np.empty((nx * ny * nz, 4), np.int32)
    low, high = np.empty(nz, np.int32), np.empty(nz, np.int32)
    for i in range(nx):
        for j in range(ny):
            start = (i * ny + j) * nz
            for side in range(2):
                grid, most = (rows, height - 1) if side else (columns, width - 1)
                _extremes(grid[i, j], grid[i, j + 1], grid[i + 1, j], grid[i + 1, j + 1], low, high)
                for k in range(nz):
                    boxes[start + k, 2 * side] = max((low[k] + (UNIT - 1)) >> STEP, 0)
                    boxes[start + k, 2 * side + 1] = min(high[k] >> STEP, most) if high[k] < FAR else -1
    return boxes


@njit(cache=True, nogil=True)
def _extremes(a, b, c, d, low, high):  # type: ignore[no-untyped-def]
    """Write the least and the greatest of eight corners along a column of voxels."""
    for k in range(low.shape[0]):
        low[k] = min(min(min(a[k], b[k]), min(c[k], d[k])), min(min(a[k + 1], b[k + 1]), min(c[k + 1], d[k + 1])))
        high[k] = max(max(max(a[k], b[k]), max(c[k], d[k])), max(max(a[k + 1], b[k + 1]), max(c[k + 1], d[k + 1])))


@njit(cache=True, nogil=True)
def _candidates(values, boxes):  # type: ignore[no-untyped-def]
    """Return the voxels that have a value and a pixel in their box, and keys that descend as the values ascend."""
    bits = values.view(np.uint32)
    voxel, key = np.empty(len(values), np.int32), np.empty(len(values), np.uint32)
    count = 0
    for v in range(values.shape[0]):
        voxel[count], key[count] = v, bits[v] if bits[v] & SIGN else ~bits[v] & ~SIGN
        count += values[v] > -np.inf and boxes[v, 0] <= boxes[v, 1] and boxes[v, 2] <= boxes[v, 3]
    return voxel[:count], key[:count]


@njit(cache=True, nogil=True)
def _sort(voxel, key):  # type: ignore[no-untyped-def]
    """Return the voxels in ascending order of their keys: a radix sort."""
    other, spare = np.empty_like(voxel), np.empty_like(key)
    mask = np.uint32((1 << DIGIT) - 1)
    for p in range(DIGITS):
        shift = np.uint32(p * DIGIT)
        start = np.zeros((1 << DIGIT) + 1, np.int64)
        for i in range(key.shape[0]):
            start[((key[i] >> shift) & mask) + 1] += 1
        start = np.cumsum(start)
        for i in range(key.shape[0]):
            digit = (key[i] >> shift) & mask
            other[start[digit]], spare[start[digit]] = voxel[i], key[i]
            start[digit] += 1
        voxel, other, key, spare = other, voxel, spare, key
    return voxel


@njit(cache=True, nogil=True)
def _fill(values, boxes, columns, rows, image):  # type: ignore[no-untyped-def]
    """Draw the voxels in rounds, the largest values first, and forget between rounds those that are hidden."""
    height, width = image.shape
    voxel, key = _candidates(values, boxes)
    shift = _group(voxel, boxes)
    groups, words = ((height - 1) >> np.int64(shift)) + 1, (width + 63) // 64
    done, whole = np.zeros((groups << np.int64(shift), words), np.uint64), np.zeros((groups, words), np.uint64)
    done[height:] = FULL
    while voxel.shape[0]:
        limit = np.uint32(0xFFFFFFFF)
        if voxel.shape[0] > FEW:
            sample = np.sort(key[:: voxel.shape[0] // 1024])
            limit = sample[sample.shape[0] // SHARE]
        now = key <= limit
        _fill_round(_sort(voxel[now], key[now]), values, boxes, columns, rows, shift, done, whole, image)
        left = 0
        for i in range(voxel.shape[0]):
            voxel[left], key[left] = voxel[i], key[i]
            left += not now[i] and not _is_covered(done, whole, boxes, voxel[i], shift)
        voxel, key = voxel[:left], key[:left]


@njit(cache=True, nogil=True)
def _group(voxel, boxes):  # type: ignore[no-untyped-def]
    """Return how many bits of a row are within a block, so that most boxes meet no more than three of them."""
    height = np.int64(0)
    for v in voxel:
        height += boxes[v, 3] - boxes[v, 2]
    shift = 3
    while 3 * voxel.shape[0] << shift < 2 * height:
        shift += 1
    return np.uint64(shift)


@njit(cache=True, nogil=True)
def _fill_round(order, values, boxes, columns, rows, shift, done, whole, image):  # type: ignore[no-untyped-def]
    """Draw voxels in turn on the pixels that none before has."""
    height, width = image.shape
    corners, chain = np.empty(8, np.int64), np.empty((8, 2), np.int64)
    first, last = np.empty(height, np.int64), np.empty(height, np.int64)
    for v in order:
        if _is_covered(done, whole, boxes, v, shift):
            continue
        top, bottom = boxes[v, 2], boxes[v, 3]
        sort_corners(columns, rows, v, corners)
        trace(corners, 1, chain, top, bottom, first)
        trace(corners, -1, chain, top, bottom, last)
        for row in range(top, bottom + 1):
            _fill_row(done, image, row, max(first[row], 0), min(last[row], width - 1), values[v])
        _sum_up(done, whole, boxes, v, shift)


@njit(cache=True, nogil=True)
def _sum_up(done, whole, boxes, v, shift):  # type: ignore[no-untyped-def]
    """Write which columns of the blocks that a box meets are written in all rows."""
    left, right, top, bottom = _sides(boxes, v)
    for group in range(top >> shift, (bottom >> shift) + ONE):
        for word in range(left >> WORD, (right >> WORD) + ONE):
            full = FULL
            for row in range(group << shift, (group + ONE) << shift):
                full &= done[row, word]
            whole[group, word] = full


@njit(cache=True, nogil=True)
def _sides(boxes, v):  # type: ignore[no-untyped-def]
    """Return a box as numbers without a sign: the compiler need not allow for places that count from an array's end."""
    return np.uint64(boxes[v, 0]), np.uint64(boxes[v, 1]), np.uint64(boxes[v, 2]), np.uint64(boxes[v, 3])


@njit(cache=True, nogil=True)
def _is_covered(done, whole, boxes, v, shift):  # type: ignore[no-untyped-def]
    """Tell whether every pixel of a box is written: by blocks where it meets at most three by two, else by rows."""
    left, right, top, bottom = _sides(boxes, v)
    start, end, upper, lower = left >> WORD, right >> WORD, top >> shift, bottom >> shift
    first, last = FULL << (left & LAST), FULL >> (LAST - (right & LAST))
    if start == end:
        first &= last
        last = first
    middle = (upper + lower) >> ONE
    absent = first & ~(whole[upper, start] & whole[middle, start] & whole[lower, start])
    absent |= last & ~(whole[upper, end] & whole[middle, end] & whole[lower, end])
    if absent == 0 and end - start < 2 and lower - upper < 3:
        return True
    for row in range(top, bottom + ONE):
        if first & ~done[row, start] or last & ~done[row, end]:
            return False
        for word in range(start + ONE, end):
            if ~done[row, word]:
                return False
    return True


@njit(cache=True, nogil=True)
def _fill_row(done, image, row, left, right, value):  # type: ignore[no-untyped-def]
    """Write a value on the pixels from `left` to `right` that have none."""
    if left > right:
        return
    low, high = np.uint64(left), np.uint64(right)
    for word in range(low >> WORD, (high >> WORD) + ONE):
        bits = FULL
        if word == low >> WORD:
            bits <<= low & LAST
        if word == high >> WORD:
            bits &= FULL >> (LAST - (high & LAST))
        fresh = bits & ~done[row, word]
        done[row, word] |= fresh
        while fresh:
            image[row, (word << WORD) + np.uint64(lowest(fresh))] = value
            fresh &= fresh - ONE
