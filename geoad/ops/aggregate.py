"""The local feature aggregation of 3D-ST, fused: no (n, k, d) tensor forward or backward."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

from geoad import _check
from geoad.ops import _aggregate_op, _cuda, aggregate_torch
from geoad.ops._aggregate_op import KERNELS

BACKENDS = (*KERNELS.values(), "torch")


def aggregate(
    points: Tensor,
    index: Tensor,
    weight: Tensor,
    bias: Tensor,
    features: Tensor,
    *,
    slope: float = 0.2,
    backend: str | None = None,
) -> Tensor:
    """Average, over the neighbours of each point, an embedding of the offsets beside the neighbours' features.

    Row i of the result (m, d_w + d_f) is concat(mean_j LeakyReLU(W·g_ij + b), mean_j f_j) over the neighbours j in
    `index[i]`, with g_ij = (x_i − x_j, ‖x_i − x_j‖) (thesis eq. 10.1 and fig. 10.4b). `points` (n, 3), `features`
    (n, d_f), `weight` (d_w, 4), `bias` (d_w,), all float32 or all float64; `index` (m, k) int32 or int64 in [0, n)
    with m ≤ n: the first m points are the centres. Under `torch.autocast`, halves are cast to float32 first.

    `backend`: "numba" (CPU) or "cuda", differentiable once in weight, bias and features; or "torch" (any device;
    materialises (m, k, d_w)), which also differentiates the coordinates, and forwards. None takes the first of them
    that serves the device and gives the derivatives asked for: where the points require a gradient, or a tangent comes
    along, that is "torch". "cuda" waits for the device when it first sees an index, and keeps what it derives from it
    as long as the index lives: who writes to one behind torch's back (`.data`, other libraries) gets the neighbours of
    before.

    >>> import torch
    >>> points = torch.tensor([[0.0, 0, 0], [1, 0, 0]])
    >>> aggregate(points, torch.tensor([[1], [0]]), torch.ones(1, 4), torch.zeros(1), torch.tensor([[5.0], [7]]))
    tensor([[0., 7.],
            [2., 5.]])
    """
    given = {"points": points, "index": index, "weight": weight, "bias": bias, "features": features}
    for name, value in given.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch tensor, got {type(value).__name__}")
    device = points.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            wide = [_widen(tensor) for tensor in (points, weight, bias, features)]
            return aggregate(wide[0], index, *wide[1:], slope=slope, backend=backend)
    _check_shapes(points, index, weight, bias, features)
    _check_kinds(points, index, {"weight": weight, "bias": bias, "features": features})
    forwards = _has_tangent(points, weight, bias, features)
    run = aggregate_torch.forward if _choose(backend, points, forwards) == "torch" else _aggregate_op.forward
    return run(points, index, weight, bias, features, slope)


def _widen(tensor: Tensor) -> Tensor:
    """Return halves as float32."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _check_shapes(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor) -> None:
    _check.shape("points", points, ("n", 3))
    _check.shape("index", index, ("m", "k"))
    _check.shape("weight", weight, ("d_w", 4))
    _check.shape("bias", bias, (len(weight),))
    _check.shape("features", features, (len(points), "d_f"))
    if len(index) > len(points):
        raise ValueError(f"index must have at most one row a point ({len(points)}), got {len(index)}")
    if index.shape[1] == 0:
        raise ValueError(f"index must name a neighbour or more a row, got shape {tuple(index.shape)}")


def _check_kinds(points: Tensor, index: Tensor, others: dict[str, Tensor]) -> None:
    """Raise TypeError for a dtype, ValueError for a device."""
    if points.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"points must be float32 or float64, got {points.dtype}")
    if index.dtype not in (torch.int32, torch.int64):
        raise TypeError(f"index must be int32 or int64, got {index.dtype}")
    for name, tensor in others.items():
        if tensor.dtype != points.dtype:
            raise TypeError(f"{name} must have the dtype of points, {points.dtype}, got {tensor.dtype}")
    for name, tensor in {"index": index, **others}.items():
        if tensor.device != points.device:
            raise ValueError(f"{name} must be where points are, on {points.device}, got {name} on {tensor.device}")


def _has_tangent(*tensors: Tensor) -> bool:
    """Tell whether derivatives are carried forwards, of which operators of torch would lose those that they lack."""
    if torch.compiler.is_compiling():
        return False
    pairs = (forward_ad.unpack_dual(tensor) for tensor in tensors)  # type: ignore[no-untyped-call]
    return any(pair.tangent is not None for pair in pairs)


def _choose(backend: str | None, points: Tensor, forwards: bool) -> str:
    """Return the backend to use; raise ValueError if the one asked for cannot do it."""
    device = points.device.type
    differentiated = points.requires_grad and torch.is_grad_enabled()
    if backend is None:
        # A compiler cannot look for the library: a program that it makes says so when it is run.
        here = device != "cuda" or torch.compiler.is_compiling() or _cuda.is_live()
        served = device in KERNELS and here
        return KERNELS[device] if served and not (differentiated or forwards) else "torch"
    _check.one_of("backend", backend, BACKENDS)
    if backend != "torch" and KERNELS.get(device) != backend:
        home = next(name for name, kernels in KERNELS.items() if kernels == backend)
        raise ValueError(f'backend "{backend}" needs points on {home}, got points on {points.device}')
    if backend != "torch" and forwards:
        raise ValueError(f'backend "{backend}" has no derivatives forwards: use backend="torch"')
    if backend != "torch" and differentiated:
        raise ValueError(f'backend "{backend}" has no gradient for points: pass points.detach() or backend="torch"')
    return backend
