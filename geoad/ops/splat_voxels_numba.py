"""CPU kernel of `splat_voxels`: voxels in descending order of value, so that every pixel is written once.

A bit a pixel says that it is written, and a word a block of pixels that they all are: most voxels are found hidden
behind those before them without a look at their hull. From the rounded corners on all numbers are whole and all
comparisons exact, so that the order of the corners or the form of the hull cannot matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops._lanes_numba import lowest

STEP = 8  # bits of a corner's place behind the point: 256 steps a pixel
UNIT = 1 << STEP
REACH = 1 << 25  # the farthest place, in steps: products of three of them divide exactly in double precision
FAR = np.int32(1 << 30)
WORD = 6  # bits of a column within a word of 64
FULL = np.uint64(0xFFFFFFFFFFFFFFFF)
DIGIT, DIGITS = 11, 3  # bits a pass of the sort, passes
SIGN = np.uint32(0x80000000)
SHARE, FEW = 8, 4096  # a round draws an eighth of the voxels left, or all of a few


def draw(
    values: NDArray[np.float32], columns: NDArray[np.int32], rows: NDArray[np.int32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the image (H, W) of values (X, Y, Z) whose corners (X + 1, Y + 1, Z + 1) have those places, in steps."""
    image: NDArray[Any] = np.full(shape, np.nan, np.float32)
    boxes = _boxes(columns, rows, *shape)
    _fill(values.reshape(-1), boxes, columns, rows, image)
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
    groups, words = ((height - 1) >> shift) + 1, ((width - 1) >> WORD) + 1
    done, whole = np.zeros((groups << shift, words), np.uint64), np.zeros((groups, words), np.uint64)
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
    return image


@njit(cache=True, nogil=True)
def _group(voxel, boxes):  # type: ignore[no-untyped-def]
    """Return how many bits of a row are within a block, so that a box of mean height meets two of them."""
    height = np.int64(0)
    for v in voxel:
        height += boxes[v, 3] - boxes[v, 2]
    shift = 3
    while voxel.shape[0] << shift < height:
        shift += 1
    return shift


@njit(cache=True, nogil=True)
def _fill_round(order, values, boxes, columns, rows, shift, done, whole, image):  # type: ignore[no-untyped-def]
    """Draw voxels in turn on the pixels that none before has."""
    height, width = image.shape
    corners, chain = np.empty(8, np.int64), np.empty((8, 2), np.int64)
    first, last = np.empty(height, np.int64), np.empty(height, np.int64)
    for v in order:
        if _is_covered(done, whole, boxes, v, shift):
            continue
        left, right, top, bottom = boxes[v, 0], boxes[v, 1], boxes[v, 2], boxes[v, 3]
        _sort_corners(columns, rows, v, corners)
        for side in (1, -1):
            _trace(corners, side, chain, top, bottom, first if side > 0 else last)
        for row in range(top, bottom + 1):
            _fill_row(done, image, row, max(first[row], 0), min(last[row], width - 1), values[v])
        for group in range(top >> shift, (bottom >> shift) + 1):
            for word in range(left >> WORD, (right >> WORD) + 1):
                full = FULL
                for row in range(group << shift, (group + 1) << shift):
                    full &= done[row, word]
                whole[group, word] = full


@njit(cache=True, nogil=True)
def _bits(word, left, right):  # type: ignore[no-untyped-def]
    """Return the bits of columns `left` to `right`, some of which are in it, in a word."""
    low, high = max(left - (word << WORD), 0), min(right - (word << WORD), (1 << WORD) - 1)
    return (FULL << np.uint64(low)) & (FULL >> np.uint64((1 << WORD) - 1 - high))


@njit(cache=True, nogil=True)
def _is_covered(done, whole, boxes, v, shift):  # type: ignore[no-untyped-def]
    """Tell whether every pixel of a box is written: by blocks where it meets no more than two by two, else by rows."""
    left, right, top, bottom = np.int64(boxes[v, 0]), np.int64(boxes[v, 1]), np.int64(boxes[v, 2]), np.int64(boxes[v, 3])
    start, end = left >> WORD, right >> WORD
    upper, lower = top >> shift, bottom >> shift
    if end - start < 2 and lower - upper < 2:
        absent = _bits(start, left, right) & ~(whole[upper, start] & whole[lower, start])
        absent |= _bits(end, left, right) & ~(whole[upper, end] & whole[lower, end])
        if not absent:
            return True
    for word in range(start, end + 1):
        bits = _bits(word, left, right)
        for row in range(top, bottom + 1):
            if bits & ~done[row, word]:
                return False
    return True


@njit(cache=True, nogil=True)
def _sort_corners(columns, rows, v, corners):  # type: ignore[no-untyped-def]
    """Write the corners of voxel v as row · 2³² + column, ascending."""
    ny, nz = columns.shape[1] - 1, columns.shape[2] - 1
    i, j, k = v // (ny * nz), v // nz % ny, v % nz
    for c in range(8):
        x, y, z = i + c // 4, j + c // 2 % 2, k + c % 2
        place = np.int64(rows[x, y, z]) * (1 << 32) + columns[x, y, z]
        at = c
        while at > 0 and corners[at - 1] > place:
            corners[at] = corners[at - 1]
            at -= 1
        corners[at] = place


@njit(cache=True, nogil=True)
def _trace(corners, side, chain, top, bottom, limit):  # type: ignore[no-untyped-def]
    """Write the first (side 1) or the last (-1) column of each row of the hull of ascending corners."""
    size = 0
    for c in range(8):
        y = (corners[c] + (1 << 31)) >> 32
        x = corners[c] - y * (1 << 32)
        while size > 1:
            ax, ay, bx, by = chain[size - 2, 0], chain[size - 2, 1], chain[size - 1, 0], chain[size - 1, 1]
            if side * ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) < 0:
                break
            size -= 1  # not before the line from the last but one to this corner
        chain[size, 0], chain[size, 1] = x, y
        size += 1
    limit[top : bottom + 1] = np.int64(side) << 40
    for e in range(size - 1):
        _trace_edge(chain[e, 0], chain[e, 1], chain[e + 1, 0], chain[e + 1, 1], side, top, bottom, limit)


@njit(cache=True, nogil=True)
def _trace_edge(ax, ay, bx, by, side, top, bottom, limit):  # type: ignore[no-untyped-def]
    """Extend the hull by an edge from a up to b, on the rows that it meets."""
    if ay == by:  # from left to right
        ax, bx, by = (ax, ax, ay + 1) if side > 0 else (bx, bx, ay + 1)
        bottom = min(bottom, ay >> STEP)
    scale = np.float64((by - ay) * UNIT)
    for row in range(max((ay + (UNIT - 1)) >> STEP, top), min(by >> STEP, bottom) + 1):
        place = np.float64(ax * (by - ay) + (row * UNIT - ay) * (bx - ax)) / scale
        if side > 0:
            limit[row] = min(limit[row], np.int64(np.ceil(place)))
        else:
            limit[row] = max(limit[row], np.int64(np.floor(place)))


@njit(cache=True, nogil=True)
def _fill_row(done, image, row, left, right, value):  # type: ignore[no-untyped-def]
    """Write a value on the pixels from `left` to `right` that have none."""
    for word in range(left >> WORD, (right >> WORD) + 1):
        fresh = _bits(word, left, right) & ~done[row, word]
        done[row, word] |= fresh
        while fresh:
            image[row, (word << WORD) + lowest(fresh)] = value
            fresh &= fresh - np.uint64(1)
