"""CPU kernels of `aggregate`.

Σ_j LeakyReLU(z_j) = slope·Σ z_j + (1 − slope)·Σ max(z_j, 0), and Σ z_j = W·Σ g_j + k·b: the branch is gone and only
max(z, 0) is summed per edge. The backward pass recomputes z and sums g where z > 0, so that the incoming gradient is
touched once a point, not once an edge. Channels are taken `LANES` at a time: their sums over a point's neighbours stay
in registers, and channels that are missing to whole vectors are zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from geoad.ops import _arrays, _threads
from geoad.ops._lanes_numba import LANES
from geoad.ops._vector_numba import add_where, at, gather, load, positive, root, splat, store, total

BLOCK = 4096  # rows whose gradients are summed in the input's precision before they are added in float64


def forward(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor, slope: float) -> Tensor:
    """Return (m, d_w + d_f)."""
    table, width, rest = _numpy(index), len(weight), features.shape[1]
    _arrays.check_range("index", table, len(points))
    out = torch.empty(len(table), width + rest, dtype=points.dtype)  # on a cache line, unlike numpy's
    inputs = _numpy(points).reshape(-1), _whole(table), _layer(weight, bias), _padded(_numpy(features))
    result, scale, shape = out.numpy().reshape(-1), inputs[0].dtype.type(slope), (table.shape[1], width, rest)
    _threads.split(len(table), lambda a, b: _forward(*inputs, scale, result, shape, a, b))
    return out


def backward_weight(
    points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor, slope: float
) -> tuple[Tensor, Tensor]:
    """Return the gradients (d_w, 4) and (d_w,), summed in a fixed order whatever the number of threads."""
    table, layer, share = _numpy(index), _layer(weight, bias), _numpy(gradient)
    _arrays.check_range("index", table, len(points))
    inputs = _numpy(points).reshape(-1), _whole(table), layer, share.reshape(-1), layer.dtype.type(slope)
    shape = table.shape[1], len(weight), share.shape[1]
    blocks = max(1, -(-len(table) // BLOCK))
    partial = np.zeros((blocks, len(layer)), layer.dtype)

    def run(start: int, stop: int) -> None:
        for b in range(start, stop):
            rows = b * BLOCK, min((b + 1) * BLOCK, len(table))
            _backward_weight(*inputs, partial[b], shape, *rows)

    _threads.split(blocks, run)
    sums = partial.sum(0, dtype=np.float64).astype(layer.dtype).reshape(5, -1)[:, : len(weight)]
    return torch.from_numpy(sums[:4].T.copy()), torch.from_numpy(sums[4].copy())


def backward_features(n: int, index: Tensor, gradient: Tensor, width: int) -> Tensor:
    """Return the gradient (n, d_f): each row's share goes to its neighbours, in row order (deterministic).

    Threads take columns, so that no two write to one place and every column is summed in the same order.
    """
    table, share, rest = _numpy(index), _numpy(gradient), gradient.shape[1] - width
    _arrays.check_range("index", table, n)
    tiles = -(-rest // LANES)
    out = torch.zeros(n, tiles * LANES, dtype=gradient.dtype)
    inputs, result, shape = (
        (table.reshape(-1), share.reshape(-1)),
        out.numpy().reshape(-1),
        (table.shape[1], width, rest),
    )
    _threads.split(tiles, lambda a, b: _scatter(*inputs, result, shape, len(table), a, b))
    return out[:, :rest].contiguous()


def _numpy(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy()


def _padded(rows: Any) -> Any:
    """Return rows (n, d) in one dimension, each with zeros behind it up to whole vectors."""
    more = -rows.shape[1] % LANES
    return (np.pad(rows, ((0, 0), (0, more))) if more else rows).reshape(-1)


def _whole(table: Any) -> Any:
    """Return the table in one dimension, each row made up to whole vectors with its own number: no offset."""
    more = -table.shape[1] % LANES
    own = np.arange(len(table), dtype=table.dtype)[:, None]
    return (np.concatenate([table, own.repeat(more, 1)], 1) if more else table).reshape(-1)


def _layer(weight: Tensor, bias: Tensor) -> Any:
    """Return the columns of W and then b, padded, in one dimension."""
    return _padded(_numpy(torch.cat([weight.detach().T, bias.detach()[None]])))


@njit(cache=True, nogil=True)
def _forward(points, index, layer, features, slope, out, shape, start, stop):  # type: ignore[no-untyped-def]
    k, width, rest = shape
    wide, broad, whole = layer.shape[0] // 5, -(-rest // LANES) * LANES, -(-k // LANES) * LANES
    number = points.dtype.type  # a bare literal would widen float32 to float64
    share, count, none = splat(number(1) / number(k)), splat(number(k)), splat(number(0))
    low, high = splat(slope), splat(number(1) - slope)
    g, row = np.empty(4 * whole, points.dtype), np.empty(wide + broad, points.dtype)
    for i in range(start, stop):
        sx, sy, sz, sd = _offsets(points, index, i, whole, g)
        for c in range(0, wide, LANES):
            w0, w1, w2 = load(layer, c), load(layer, wide + c), load(layer, 2 * wide + c)
            w3, b = load(layer, 3 * wide + c), load(layer, 4 * wide + c)
            even, odd = none, none
            for j in range(0, k - 1, 2):
                even = even + positive(_embed(w0, w1, w2, w3, b, g, whole, j))
                odd = odd + positive(_embed(w0, w1, w2, w3, b, g, whole, j + 1))
            if k % 2:
                even = even + positive(_embed(w0, w1, w2, w3, b, g, whole, k - 1))
            z = b * count + w0 * splat(sx) + w1 * splat(sy) + w2 * splat(sz) + w3 * splat(sd)
            store(row, c, (low * z + high * (even + odd)) * share)
        for c in range(0, broad, LANES):
            even, odd = none, none
            for j in range(i * whole, i * whole + k - 1, 2):
                even = even + load(features, at(index, j) * broad + c)
                odd = odd + load(features, at(index, j + 1) * broad + c)
            if k % 2:
                even = even + load(features, at(index, i * whole + k - 1) * broad + c)
            store(row, wide + c, (even + odd) * share)
        _copy(row, 0, out, i * (width + rest), width)
        _copy(row, wide, out, i * (width + rest) + width, rest)


@njit(cache=True, nogil=True)
def _backward_weight(points, index, layer, gradient, slope, out, shape, start, stop):  # type: ignore[no-untyped-def]
    k, width, stride = shape
    wide, whole = layer.shape[0] // 5, -(-k // LANES) * LANES
    number = points.dtype.type  # a bare literal would widen float32 to float64
    share, one, none = splat(number(1) / number(k)), splat(number(1)), splat(number(0))
    high, count = splat(number(1) - slope), number(k)
    g, row = np.empty(4 * whole, points.dtype), np.zeros(wide, points.dtype)
    for i in range(start, stop):
        sx, sy, sz, sd = _offsets(points, index, i, whole, g)
        _copy(gradient, i * stride, row, 0, width)
        for c in range(0, wide, LANES):
            w0, w1, w2 = load(layer, c), load(layer, wide + c), load(layer, 2 * wide + c)
            w3, b = load(layer, 3 * wide + c), load(layer, 4 * wide + c)
            m0, m1, m2, m3, m4 = none, none, none, none, none  # sums of g and of 1 over the neighbours with z > 0
            for j in range(k):
                z = _embed(w0, w1, w2, w3, b, g, whole, j)
                m0 = add_where(m0, splat(at(g, j)), z)
                m1 = add_where(m1, splat(at(g, whole + j)), z)
                m2 = add_where(m2, splat(at(g, 2 * whole + j)), z)
                m3 = add_where(m3, splat(at(g, 3 * whole + j)), z)
                m4 = add_where(m4, one, z)
            by = load(row, c) * share
            _add(out, c, by * (high * m0 + splat(slope * sx)))
            _add(out, wide + c, by * (high * m1 + splat(slope * sy)))
            _add(out, 2 * wide + c, by * (high * m2 + splat(slope * sz)))
            _add(out, 3 * wide + c, by * (high * m3 + splat(slope * sd)))
            _add(out, 4 * wide + c, by * (high * m4 + splat(slope * count)))


@njit(cache=True, nogil=True)
def _scatter(index, gradient, out, shape, rows, start, stop):  # type: ignore[no-untyped-def]
    """Add to vectors start … stop - 1 of the rows."""
    k, width, rest = shape
    broad = -(-rest // LANES) * LANES
    share, row = splat(out.dtype.type(1) / out.dtype.type(k)), np.zeros(broad, out.dtype)
    for i in range(rows):
        _copy(gradient, i * (width + rest) + width, row, 0, rest)
        for c in range(start * LANES, stop * LANES, LANES):
            more = load(row, c) * share
            for j in range(i * k, i * k + k):
                _add(out, at(index, j) * broad + c, more)


@njit(cache=True, nogil=True, inline="always")
def _copy(source, start, target, place, count):  # type: ignore[no-untyped-def]
    """Copy `count` numbers."""
    for c in range(count):
        target[np.uintp(place + c)] = at(source, start + c)  # an unsigned index is not tested for its sign


@njit(cache=True, nogil=True, inline="always")
def _add(out, place, more):  # type: ignore[no-untyped-def]
    store(out, place, load(out, place) + more)


@njit(cache=True, nogil=True, inline="always")
def _embed(w0, w1, w2, w3, b, g, whole, j):  # type: ignore[no-untyped-def]
    """Return W·g_j + b."""
    x, y, z, d = at(g, j), at(g, whole + j), at(g, 2 * whole + j), at(g, 3 * whole + j)
    return b + w0 * splat(x) + w1 * splat(y) + w2 * splat(z) + w3 * splat(d)


@njit(cache=True, nogil=True, inline="always")
def _offsets(points, index, i, whole, g):  # type: ignore[no-untyped-def]
    """Fill x_i − x_j and its length for each neighbour, coordinate by coordinate, and return the four sums."""
    px, py, pz = splat(at(points, 3 * i)), splat(at(points, 3 * i + 1)), splat(at(points, 3 * i + 2))
    sx = sy = sz = sd = splat(points.dtype.type(0))
    for j in range(0, whole, LANES):
        row = i * whole + j
        x, y = px - gather(points, index, row, 3, 0), py - gather(points, index, row, 3, 1)
        z = pz - gather(points, index, row, 3, 2)
        length = root(x * x + y * y + z * z)
        store(g, j, x)
        store(g, whole + j, y)
        store(g, 2 * whole + j, z)
        store(g, 3 * whole + j, length)
        sx, sy, sz, sd = sx + x, sy + y, sz + z, sd + length
    return total(sx), total(sy), total(sz), total(sd)
