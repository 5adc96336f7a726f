"""CUDA kernels of `aggregate`, with the signatures of its CPU kernels.

Nothing of size (m, k, d) is made, no sum is left to the order in which threads arrive: equal bits on every run. The
features' gradient is gathered over the transposed graph. A network aggregates many times over one graph: what is
derived from an index, its range (the only thing that waits for the device) included, is kept as long as the index.
"""

from __future__ import annotations

import ctypes
from collections.abc import MutableMapping

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from geoad.ops import _arrays, _cuda


def forward(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor, slope: float) -> Tensor:
    """Return (m, d_w + d_f)."""
    graph = _graph(index, len(points))
    width, rest = len(weight), features.shape[1]
    out = points.new_empty(len(index), width + rest)
    cloud, *others = _contiguous(points, weight, bias, features)
    _run(
        "geoad_aggregate_forward",
        *(cloud, graph.table, *index.shape, *others[:2], width, others[2], rest, ctypes.c_double(slope), out),
    )
    return out


def backward_weight(
    points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor, slope: float
) -> tuple[Tensor, Tensor]:
    """Return the gradients (d_w, 4) and (d_w,)."""
    graph = _graph(index, len(points))
    width, stride = len(weight), gradient.shape[1]
    size = _cuda.measure("geoad_aggregate_partials", len(index), width)
    results = [points.new_empty(shape) for shape in (size, (width, 4), width)]
    cloud, *others = _contiguous(points, weight, bias, gradient)
    _run(
        "geoad_aggregate_backward_weight",
        *(cloud, graph.table, *index.shape, *others[:2], width, others[2], stride, ctypes.c_double(slope), *results),
    )
    return results[1], results[2]


def backward_features(n: int, index: Tensor, gradient: Tensor, width: int) -> Tensor:
    """Return the gradient (n, d_f): each point gathers from the rows that it is a neighbour of, in their order."""
    graph = _graph(index, n)
    rest = gradient.shape[1] - width
    out = gradient.new_empty(n, rest)
    starts, rows = graph.transposed(n)
    _run(
        "geoad_aggregate_backward_features",
        *(gradient.detach().contiguous(), starts, rows, index.shape[1], n, width, rest, out),
    )
    return out


class _Graph:
    """What the kernels need of one index (m, k)."""

    def __init__(self, index: Tensor, state: tuple[int, int] | None) -> None:
        self.state, self.stream = state, _cuda.stream(index.device)
        # A copy: were it the caller's own, it could be written after its range was checked.
        self.table = index.detach().to(torch.int32, copy=True, memory_format=torch.contiguous_format)
        low, high = torch.stack(index.aminmax()).tolist() if index.numel() else (0, -1)
        self.span = low, high
        self._transposed: tuple[int, Tensor, Tensor] | None = None

    def transposed(self, n: int) -> tuple[Tensor, Tensor]:
        """Return where the rows of each neighbour start (n + 1,), and the rows, sorted by the neighbour they have."""
        if self._transposed is not None and self._transposed[0] == n:
            return self._transposed[1:]
        keys, order = torch.sort(self.table.reshape(-1), stable=True)
        starts = torch.empty(n + 1, dtype=torch.int64, device=keys.device)
        _cuda.call("geoad_aggregate_starts", keys.device, keys, len(keys), n, starts)
        rows = (order // max(self.table.shape[1], 1)).int()
        if not _cuda.is_capturing(keys.device):  # what is recorded is not there before it is replayed
            self._transposed = n, starts, rows
        return starts, rows


_graphs: MutableMapping[Tensor, _Graph] = WeakTensorKeyDictionary()


def _graph(index: Tensor, n: int) -> _Graph:
    """Return the graph of `index`, kept from the last call if nothing has changed; raise ValueError out of [0, n)."""
    graph = _graphs.get(index)
    # Inference tensors count no changes: nothing is kept.
    state = None if index.is_inference() else (index._version, index.data_ptr())
    if graph is None or state is None or graph.state != state or not _in_order(graph, index.device):
        graph = _Graph(index, state)
        if state is not None:
            _graphs[index] = graph
    _arrays.check_span("index", graph.span, n)
    return graph


def _in_order(graph: _Graph, device: torch.device) -> bool:
    """Tell whether the current stream comes after what made the graph: so it does when it is captured, which waits."""
    return graph.stream == _cuda.stream(device) or _cuda.is_capturing(device)


def _contiguous(*tensors: Tensor) -> list[Tensor]:
    return [tensor.detach().contiguous() for tensor in tensors]


def _run(name: str, first: Tensor, *others: object) -> None:
    """Call an exported function in the precision of its first tensor."""
    _cuda.call(name, first.device, first.dtype == torch.float64, first, *others)
