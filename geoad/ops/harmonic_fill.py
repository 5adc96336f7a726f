"""Fill the pixels without a value by the harmonic interpolation of those that have one."""

from __future__ import annotations

from typing import Any

import numpy as np

from geoad import _check
from geoad.ops import _arrays

BACKENDS = ("cuda", "numba")
TAIL = 100  # one of so many known values at either end is not among most
FINEST = 1e-12  # of the whole range: what is left of double precision


def harmonic_fill(values: Any, known: Any, *, backend: str | None = None) -> Any:
    """Return values (H, W) float32 in which every pixel that is not `known` (H, W) bool is the mean of its neighbours.

    That is Laplace's equation on the 4-neighbourhood with the known pixels as boundary and no flux through the border
    of the image (thesis 10.4.1). Known pixels stay as they are, bit for bit; filled ones stay within the range of the
    known. Their error is below 1e-4 of the range of most known values, or 2e-6 of the value where that is more, as
    float32 rounds: a stray pixel with a score of a million blurs no other. Most are all but the hundredth part at
    either end: of fewer than 100, and where these are equal, all of them. Beyond 1e12 times that range double precision
    ends too. What `values` holds at unknown pixels is not read.

    `backend`: "numba" (CPU) or "cuda" (CUDA tensors; waits for the device to check the input and to see that it has
    converged; equal bits on every run, but not those of the CPU); None takes that of the device. Arrays are numpy or
    torch and the result is of the same kind on the same device; no gradient flows. Raises ValueError where no pixel is
    known or a known one is not finite.

    >>> import numpy as np
    >>> values = np.array([[0.0, np.nan, np.nan, 3.0]])
    >>> harmonic_fill(values, np.isfinite(values)).round(4).tolist()
    [[0.0, 1.0, 2.0, 3.0]]
    """
    if backend is None:
        backend = "cuda" if _arrays.on_live_cuda(values) else "numba"
    _check.one_of("backend", backend, BACKENDS)
    return _fill_cuda(values, known) if backend == "cuda" else _fill_cpu(values, known)


def _fill_cpu(values: Any, known: Any) -> Any:
    numbers = _arrays.to_floats("values", values, ("H", "W"))
    given = np.ascontiguousarray(_arrays.to_numpy("known", known, kinds="b"))
    _check.shape("known", given, numbers.shape)
    anchors = numbers[given]
    _check_anchors(anchors.size, int(np.count_nonzero(~np.isfinite(anchors))), given.size)
    low, high = float(anchors.min()), float(anchors.max())
    if low == high or given.all():
        return _arrays.like(np.where(given, numbers, np.float32(low)), values)
    from geoad.ops.harmonic_fill_numba import fill

    tail = len(anchors) // TAIL
    below, above = np.partition(anchors, (tail, len(anchors) - 1 - tail))[[tail, len(anchors) - 1 - tail]].tolist()
    return _arrays.like(fill(numbers, given, (low, high), _unit(low, below, above, high)), values)


def _fill_cuda(values: Any, known: Any) -> Any:
    import torch

    from geoad.ops.harmonic_fill_cuda import fill

    numbers = _arrays.to_cuda("values", values).float().contiguous()
    given = _arrays.to_cuda("known", known, kinds="b").contiguous()
    _check.shape("values", numbers, ("H", "W"))
    _check.shape("known", given, numbers.shape)
    if given.device != numbers.device:
        raise ValueError(f"known must be where values are, on {numbers.device}, got known on {given.device}")
    if given.numel() == 0:
        _check_anchors(0, 0, 0)
    counts = torch.stack([given.sum(), (given & ~numbers.isfinite()).sum()])
    first, last = torch.zeros_like(counts[0]), counts[0] - 1
    tail = counts[0] // TAIL
    anchors = torch.where(given, numbers, torch.inf).flatten().sort().values
    chosen = anchors[torch.stack([first, tail, last - tail, last]).clamp_min(0)]
    count, odd, low, below, above, high = torch.cat([counts.double(), chosen.double()]).tolist()  # waits here, once
    _check_anchors(int(count), int(odd), given.numel())
    if low == high or count == given.numel():
        return torch.where(given, numbers, low)
    return fill(numbers, given, (low, high), _unit(low, below, above, high))


def _unit(low: float, below: float, above: float, high: float) -> tuple[float, float]:
    """Return the ends of the range beside which errors are to be small; most values are from `below` to `above`."""
    if below == above:
        return low, high
    return below, max(above, below + FINEST * (high - low))


def _check_anchors(count: int, strange: int, pixels: int) -> None:
    """Raise ValueError unless a pixel is known and none of the known is `strange`."""
    if count == 0:
        raise ValueError(f"known must hold at least one true pixel, got none of {pixels}")
    if strange:
        raise ValueError(f"values must be finite where known, in float32, got {strange} that are not")
