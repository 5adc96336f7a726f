"""CPU kernels of the sum of two activated layers, LeakyReLU(a + α) + LeakyReLU(b + β): one pass, and one back.

Rows are taken as one array, whole vectors at a time; the biases are repeated until they fill whole vectors. What the
pass back needs of a and b is their signs, a bit each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from geoad.ops import _threads
from geoad.ops._lanes_numba import LANES
from geoad.ops._vector_numba import load, signs, splat, store, where_bits

SMALLEST = 4096  # vectors that are worth a thread


def forward(a: Tensor, b: Tensor, biases: tuple[Tensor, Tensor], slope: float) -> tuple[Tensor, NDArray[np.uint16]]:
    """Return the sum (n, d) and the signs (2, ⌈n·d / 16⌉); overwrites `a` (n, d), and `b` may be one row for all."""
    first, count, single = _whole(a), a.numel(), len(b) < len(a)
    alpha, beta = (_repeated(bias[None]) for bias in biases)
    second = _repeated(b) if single else _whole(b)
    bits = np.empty((2, len(first) // LANES), np.uint16)
    arrays = first, second, alpha, beta, first.dtype.type(slope), bits[0], bits[1]
    _threads.split(bits.shape[1], lambda i, j: _forward(*arrays, single, i, j), smallest=SMALLEST)
    return torch.from_numpy(first)[:count].view(a.shape), bits


def backward(gradient: Tensor, bits: NDArray[np.uint16], slope: float) -> tuple[Tensor, Tensor]:
    """Return the gradients of a and of b, one row for each of a."""
    flat, count = _whole(gradient), gradient.numel()
    sides = [torch.empty(len(flat), dtype=gradient.dtype) for _ in range(2)]
    arrays = flat, bits[0], bits[1], flat.dtype.type(slope), *(side.numpy() for side in sides)
    _threads.split(bits.shape[1], lambda i, j: _backward(*arrays, i, j), smallest=SMALLEST)  # type: ignore[call-arg]
    by_a, by_b = (side[:count].view(gradient.shape) for side in sides)
    return by_a, by_b


def _whole(rows: Tensor) -> Any:
    """Return the numbers in one dimension, zeros behind them up to whole vectors."""
    flat = rows.detach().contiguous().view(-1)
    more = -len(flat) % LANES
    return (torch.nn.functional.pad(flat, (0, more)) if more else flat).numpy()


def _repeated(row: Tensor) -> Any:
    """Return one row (1, d) so often that it fills whole vectors."""
    return row.detach().repeat(1, LANES // np.gcd(row.shape[1], LANES)).view(-1).numpy()


@njit(cache=True, nogil=True)
def _forward(a, b, alpha, beta, slope, of_a, of_b, single, start, stop):  # type: ignore[no-untyped-def]
    """Write the sum over `a`."""
    period, low = alpha.shape[0], splat(slope)
    for i in range(start, stop):
        place = i * LANES
        c = place % period
        x, y = load(a, place) + load(alpha, c), load(b, c if single else place) + load(beta, c)
        of_a[i], of_b[i] = signs(x), signs(y)
        store(a, place, where_bits(of_a[i], x, low * x) + where_bits(of_b[i], y, low * y))


@njit(cache=True, nogil=True)
def _backward(gradient, of_a, of_b, slope, by_a, by_b, start, stop):  # type: ignore[no-untyped-def]
    low = splat(slope)
    for i in range(start, stop):
        place = i * LANES
        g = load(gradient, place)
        store(by_a, place, where_bits(of_a[i], g, low * g))
        store(by_b, place, where_bits(of_b[i], g, low * g))
