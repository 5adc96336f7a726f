"""CPU kernels of `aggregate`.

Σ_j LeakyReLU(z_j) = slope·Σ z_j + (1 − slope)·Σ max(z_j, 0), and Σ z_j = W·Σ g_j + k·b: the branch is gone and only
max(z, 0) is summed per edge. The backward pass recomputes z and masks sums of g by z > 0, so that the incoming
gradient is touched once a point, not once an edge. The inner loops run over the neighbours, whose offsets fill whole
vector registers, with sums in registers; a loop over channels inside would load and store its sums for every edge.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from geoad.ops import _threads

# Sums may be reordered and fused (the result is defined to a tolerance), but NaN and infinities keep their meaning.
RELAXED = {"contract", "nsz", "reassoc"}
BLOCK = 4096  # rows whose gradients are summed in the input's precision before they are added in float64


def forward(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor, slope: float) -> Tensor:
    """Return (m, d_w + d_f)."""
    width, rest = len(weight), features.shape[1]
    out = torch.empty(len(index), width + rest, dtype=points.dtype)
    arrays = [_numpy(t, points.dtype) for t in (points, weight.T, bias, features)]
    table, result = index.numpy(), out.numpy()
    scale = result.dtype.type(slope)
    _threads.split(len(index), lambda a, b: _forward(arrays[0], table, *arrays[1:], scale, result, a, b))  # type: ignore[call-arg]
    return out


def backward_weight(
    points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor, slope: float
) -> tuple[Tensor, Tensor]:
    """Return the gradients (d_w, 4) and (d_w,), summed in a fixed order whatever the number of threads."""
    width = len(weight)
    blocks = max(1, -(-len(index) // BLOCK))
    partial = np.zeros((blocks, 5, width), _numpy(points, points.dtype).dtype)
    arrays = [_numpy(t.detach(), points.dtype) for t in (points, weight.T, bias, gradient)]
    table, scale = index.numpy(), partial.dtype.type(slope)

    def run(start: int, stop: int) -> None:
        for b in range(start, stop):
            rows = b * BLOCK, min((b + 1) * BLOCK, len(table))
            _backward_weight(arrays[0], table, *arrays[1:], scale, partial[b], *rows)  # type: ignore[call-arg]

    _threads.split(blocks, run)
    total = torch.from_numpy(partial.sum(0, dtype=np.float64)).to(points.dtype)
    return total[:4].T.contiguous(), total[4].contiguous()


def backward_features(n: int, index: Tensor, gradient: Tensor, width: int) -> Tensor:
    """Return the gradient (n, d_f): each row's share goes to its neighbours, in row order (deterministic)."""
    rest = gradient.shape[1] - width
    out = torch.zeros(n, rest, dtype=gradient.dtype)
    if rest:
        _scatter(index.numpy(), gradient.numpy(), width, out.numpy())
    return out


def _numpy(tensor: Tensor, dtype: torch.dtype) -> Any:
    return tensor.to(dtype).contiguous().numpy()


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _forward(points, index, weight, bias, features, slope, out, start, stop):  # type: ignore[no-untyped-def]
    k, width, rest = index.shape[1], weight.shape[1], features.shape[1]
    number = points.dtype.type  # a bare literal would widen float32 to float64
    zero, count = number(0), number(k)
    share, extra = number(1) / max(count, number(1)), number(1) - slope
    offset = np.empty((4, k), points.dtype)
    x, y, z, d = offset[0], offset[1], offset[2], offset[3]
    gathered = np.empty(rest, points.dtype)
    for i in range(start, stop):
        sx, sy, sz, sd = _offsets(points, index, i, x, y, z, d, zero)
        for c in range(width):
            w0, w1, w2, w3, b = weight[0, c], weight[1, c], weight[2, c], weight[3, c], bias[c]
            positive = zero
            for j in range(k):
                value = b + w0 * x[j] + w1 * y[j] + w2 * z[j] + w3 * d[j]
                positive += value if value > zero else zero
            total = b * count + w0 * sx + w1 * sy + w2 * sz + w3 * sd
            out[i, c] = (slope * total + extra * positive) * share
        gathered[:] = zero
        whole = k - k % 4
        for j in range(0, whole, 4):  # four rows at a time: one load and store of the sum instead of four
            q0, q1, q2, q3 = index[i, j], index[i, j + 1], index[i, j + 2], index[i, j + 3]
            for c in range(rest):
                gathered[c] += (features[q0, c] + features[q1, c]) + (features[q2, c] + features[q3, c])
        for j in range(whole, k):
            for c in range(rest):
                gathered[c] += features[index[i, j], c]
        for c in range(rest):
            out[i, width + c] = gathered[c] * share


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _backward_weight(points, index, weight, bias, gradient, slope, out, start, stop):  # type: ignore[no-untyped-def]
    k, width = index.shape[1], weight.shape[1]
    number = points.dtype.type  # a bare literal would widen float32 to float64
    zero, one, count = number(0), number(1), number(k)
    share, extra = one / max(count, one), one - slope
    offset = np.empty((4, k), points.dtype)
    x, y, z, d = offset[0], offset[1], offset[2], offset[3]
    for i in range(start, stop):
        sx, sy, sz, sd = _offsets(points, index, i, x, y, z, d, zero)
        for c in range(width):
            w0, w1, w2, w3, b = weight[0, c], weight[1, c], weight[2, c], weight[3, c], bias[c]
            mx = my = mz = md = m = zero
            for j in range(k):
                value = b + w0 * x[j] + w1 * y[j] + w2 * z[j] + w3 * d[j]
                on = one if value > zero else zero
                mx += on * x[j]
                my += on * y[j]
                mz += on * z[j]
                md += on * d[j]
                m += on
            g = gradient[i, c] * share
            out[0, c] += g * (extra * mx + slope * sx)
            out[1, c] += g * (extra * my + slope * sy)
            out[2, c] += g * (extra * mz + slope * sz)
            out[3, c] += g * (extra * md + slope * sd)
            out[4, c] += g * (extra * m + slope * count)


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _scatter(index, gradient, width, out):  # type: ignore[no-untyped-def]
    k, rest = index.shape[1], out.shape[1]
    row = np.empty(rest, out.dtype)
    share = out.dtype.type(1) / out.dtype.type(max(k, 1))
    for i in range(index.shape[0]):
        for c in range(rest):
            row[c] = gradient[i, width + c] * share
        for j in range(k):
            q = index[i, j]
            for c in range(rest):
                out[q, c] += row[c]


@njit(cache=True, nogil=True, fastmath=RELAXED, inline="always")
def _offsets(points, index, i, x, y, z, d, zero):  # type: ignore[no-untyped-def]
    """Fill x_i − x_j and its length, structure of arrays, and return the four sums."""
    k = index.shape[1]
    px, py, pz = points[i, 0], points[i, 1], points[i, 2]
    for j in range(k):
        q = index[i, j]
        x[j] = px - points[q, 0]
        y[j] = py - points[q, 1]
        z[j] = pz - points[q, 2]
    sx = sy = sz = sd = zero
    for j in range(k):
        length = math.sqrt(x[j] * x[j] + y[j] * y[j] + z[j] * z[j])
        d[j] = length
        sx += x[j]
        sy += y[j]
        sz += z[j]
        sd += length
    return sx, sy, sz, sd
