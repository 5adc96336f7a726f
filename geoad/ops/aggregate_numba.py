"""CPU kernels of `aggregate`.

Σ_j LeakyReLU(z_j) = slope·Σ z_j + (1 − slope)·Σ max(z_j, 0), and Σ z_j = W·Σ g_j + k·b: the branch is gone and only
max(z, 0) is summed per edge. The backward pass recomputes z and masks sums of g by z > 0, so that the incoming
gradient is touched once a point, not once an edge. The inner loops run over the channels, four
neighbours at a time: whole vector registers, and one load and store of a sum instead of four.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from geoad.ops import _arrays, _threads

# Sums may be reordered and fused (the result is defined to a tolerance), but NaN and infinities keep their meaning.
RELAXED = {"contract", "nsz", "reassoc"}
BLOCK = 4096  # rows whose gradients are summed in the input's precision before they are added in float64
COLUMNS = 16  # of float32: a cache line, which two threads must not share


def forward(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor, slope: float) -> Tensor:
    """Return (m, d_w + d_f)."""
    cloud, table, *others = (_numpy(t) for t in (points, index, weight.T, bias, features))
    _arrays.check_range("index", table, len(cloud))
    out = torch.empty(
        len(table), len(weight) + features.shape[1], dtype=points.dtype
    )  # on a cache line, unlike numpy's
    result, scale = out.numpy(), cloud.dtype.type(slope)
    _threads.split(len(table), lambda a, b: _forward(cloud, table, *others, scale, result, a, b))  # type: ignore[call-arg]
    return out


def backward_weight(
    points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor, slope: float
) -> tuple[Tensor, Tensor]:
    """Return the gradients (d_w, 4) and (d_w,), summed in a fixed order whatever the number of threads."""
    cloud, table, *others = (_numpy(t) for t in (points, index, weight.T, bias, gradient))
    blocks = max(1, -(-len(table) // BLOCK))
    partial = np.zeros((blocks, 5, len(weight)), cloud.dtype)
    scale = partial.dtype.type(slope)

    def run(start: int, stop: int) -> None:
        for b in range(start, stop):
            rows = b * BLOCK, min((b + 1) * BLOCK, len(table))
            _backward_weight(cloud, table, *others, scale, partial[b], *rows)  # type: ignore[call-arg]

    _threads.split(blocks, run)
    total = partial.sum(0, dtype=np.float64).astype(cloud.dtype)
    return torch.from_numpy(total[:4].T.copy()), torch.from_numpy(total[4].copy())


def backward_features(n: int, index: Tensor, gradient: Tensor, width: int) -> Tensor:
    """Return the gradient (n, d_f): each row's share goes to its neighbours, in row order (deterministic).

    Threads take columns, so that no two write to one place and every column is summed in the same order.
    """
    table, share = _numpy(index), _numpy(gradient)
    out = torch.zeros(n, share.shape[1] - width, dtype=gradient.dtype)
    result = out.numpy()
    _threads.split(out.shape[1], lambda a, b: _scatter(table, share, width, result, a, b), smallest=COLUMNS)
    return out


def _numpy(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy()


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _forward(points, index, weight, bias, features, slope, out, start, stop):  # type: ignore[no-untyped-def]
    k, width, rest = index.shape[1], weight.shape[1], features.shape[1]
    number = points.dtype.type  # a bare literal would widen float32 to float64
    zero, count = number(0), number(k)
    share, extra = number(1) / count, number(1) - slope
    g = np.empty((k, 4), points.dtype)
    positive = np.empty(width, points.dtype)
    gathered = np.empty(rest, points.dtype)
    whole = k - k % 4
    for i in range(start, stop):
        sx, sy, sz, sd = _offsets(points, index, i, g, zero)
        positive[:] = zero
        gathered[:] = zero
        for j in range(0, whole, 4):
            q0, q1, q2, q3 = index[i, j], index[i, j + 1], index[i, j + 2], index[i, j + 3]
            for c in range(width):
                a0, a1 = _embed(weight, bias, c, g[j]), _embed(weight, bias, c, g[j + 1])
                a2, a3 = _embed(weight, bias, c, g[j + 2]), _embed(weight, bias, c, g[j + 3])
                positive[c] += (max(a0, zero) + max(a1, zero)) + (max(a2, zero) + max(a3, zero))
            for c in range(rest):
                gathered[c] += (features[q0, c] + features[q1, c]) + (features[q2, c] + features[q3, c])
        for j in range(whole, k):
            for c in range(width):
                positive[c] += max(_embed(weight, bias, c, g[j]), zero)
            for c in range(rest):
                gathered[c] += features[index[i, j], c]
        for c in range(width):
            total = bias[c] * count + weight[0, c] * sx + weight[1, c] * sy + weight[2, c] * sz + weight[3, c] * sd
            out[i, c] = (slope * total + extra * positive[c]) * share
        for c in range(rest):
            out[i, width + c] = gathered[c] * share


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _backward_weight(points, index, weight, bias, gradient, slope, out, start, stop):  # type: ignore[no-untyped-def]
    k, width = index.shape[1], weight.shape[1]
    number = points.dtype.type  # a bare literal would widen float32 to float64
    zero, one, count = number(0), number(1), number(k)
    share, extra = one / count, one - slope
    g = np.empty((k, 4), points.dtype)
    m = np.empty((5, width), points.dtype)  # sums of g and of 1 over the neighbours with z > 0
    m0, m1, m2, m3, m4 = m[0], m[1], m[2], m[3], m[4]
    whole = k - k % 4
    for i in range(start, stop):
        sx, sy, sz, sd = _offsets(points, index, i, g, zero)
        m[:] = zero
        for j in range(0, whole, 4):
            ga, gb, gc, gd = g[j], g[j + 1], g[j + 2], g[j + 3]
            for c in range(width):
                a = one if _embed(weight, bias, c, ga) > zero else zero
                b = one if _embed(weight, bias, c, gb) > zero else zero
                e = one if _embed(weight, bias, c, gc) > zero else zero
                f = one if _embed(weight, bias, c, gd) > zero else zero
                m0[c] += (a * ga[0] + b * gb[0]) + (e * gc[0] + f * gd[0])
                m1[c] += (a * ga[1] + b * gb[1]) + (e * gc[1] + f * gd[1])
                m2[c] += (a * ga[2] + b * gb[2]) + (e * gc[2] + f * gd[2])
                m3[c] += (a * ga[3] + b * gb[3]) + (e * gc[3] + f * gd[3])
                m4[c] += (a + b) + (e + f)
        for j in range(whole, k):
            ga = g[j]
            for c in range(width):
                a = one if _embed(weight, bias, c, ga) > zero else zero
                m0[c] += a * ga[0]
                m1[c] += a * ga[1]
                m2[c] += a * ga[2]
                m3[c] += a * ga[3]
                m4[c] += a
        for c in range(width):
            by = gradient[i, c] * share
            out[0, c] += by * (extra * m0[c] + slope * sx)
            out[1, c] += by * (extra * m1[c] + slope * sy)
            out[2, c] += by * (extra * m2[c] + slope * sz)
            out[3, c] += by * (extra * m3[c] + slope * sd)
            out[4, c] += by * (extra * m4[c] + slope * count)


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _scatter(index, gradient, width, out, start, stop):  # type: ignore[no-untyped-def]
    """Add to columns start … stop - 1."""
    k, some = index.shape[1], stop - start
    row = np.empty(some, out.dtype)
    share = out.dtype.type(1) / out.dtype.type(k)
    for i in range(index.shape[0]):
        for c in range(some):
            row[c] = gradient[i, width + start + c] * share
        for j in range(k):
            q = index[i, j]
            for c in range(some):
                out[q, np.uintp(start + c)] += row[c]  # an unsigned index is not tested for its sign


@njit(cache=True, nogil=True, fastmath=RELAXED, inline="always")
def _embed(weight, bias, c, g):  # type: ignore[no-untyped-def]
    """Return channel c of W·g + b."""
    return bias[c] + weight[0, c] * g[0] + weight[1, c] * g[1] + weight[2, c] * g[2] + weight[3, c] * g[3]


@njit(cache=True, nogil=True, fastmath=RELAXED, inline="always")
def _offsets(points, index, i, g, zero):  # type: ignore[no-untyped-def]
    """Fill x_i − x_j and its length for each neighbour, and return the four sums."""
    px, py, pz = points[i, 0], points[i, 1], points[i, 2]
    sx = sy = sz = sd = zero
    for j in range(index.shape[1]):
        q = index[i, j]
        x, y, z = px - points[q, 0], py - points[q, 1], pz - points[q, 2]
        length = math.sqrt(x * x + y * y + z * z)
        g[j, 0], g[j, 1], g[j, 2], g[j, 3] = x, y, z, length
        sx += x
        sy += y
        sz += z
        sd += length
    return sx, sy, sz, sd
