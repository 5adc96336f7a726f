"""A GPU that is not there: tensors that say they lie on one, are computed on the CPU, and mix with no others.

What a real one refuses is refused: operations on tensors of both places, numpy's view of one, a generator of the other
place. So what a detector does on a GPU is tested without any, up to the order of sums: which tensors lie where, and,
with the kernels of cuda_ext over the shim, every step from a scan to its map.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map_only

from geoad.ops import _cuda, aggregate_cuda
from geoad.training import job
from geoad.training.device import fabric_package

GPU = torch.device("cuda", 0)
MOVE = {"aten::_to_copy", "aten::copy_"}
INDEX = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}  # by indices of either place


class There(Tensor):
    """A tensor that says it lies on the GPU; `held` has its numbers. Torch itself sees one on its device "meta"."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> There:
        with _disable_current_modes():
            shell = torch.empty_strided(held.shape, held.stride(), dtype=held.dtype, device="meta")
        made = Tensor._make_subclass(cls, shell, held.requires_grad)
        made.held = held
        return made

    device = property(lambda self: GPU)
    is_cuda = property(lambda self: True)
    is_meta = property(lambda self: False)

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, **_: Any) -> NoReturn:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def __array__(self, *_: Any) -> NoReturn:
        self.numpy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.held.__reduce_ex__(protocol)

    def __repr__(self, **_: Any) -> str:
        return f"There({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        return _run(function, args, kwargs or {})


class _Operations(TorchDispatchMode):
    """Sees operations that make tensors of nothing, on the device they name."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        return _run(function, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """Sees what is made of Python's numbers, which never is an operation."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = dict(kwargs or {})
        if function in (torch.tensor, torch.as_tensor) and (device := kwargs.pop("device", None)) is not None:
            return function(*args, **kwargs).to(device)
        if function is Tensor.new_tensor and isinstance(args[0], There):
            return function(args[0].held, *args[1:], **kwargs).to(GPU)
        return function(*args, **kwargs)


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on what its tensors hold."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, There)]
    name, made_there = function._schema.name, bool(there)
    _refuse_mixed(name, args, tensors)
    if there and function.namespace == "geoad":
        kernel = getattr(aggregate_cuda, name.removeprefix("geoad::aggregate_"))
        with _Operations(), _Functions():  # which are not in force while they are asked
            return kernel(*args, **kwargs)
    if kwargs.get("device") is not None:
        made_there = torch.device(kwargs["device"]).type != "cpu"  # Torch's own code asks for "meta"
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if made_there and kwargs.get("generator") is not None:
        raise RuntimeError(f"{name}: expected a 'cuda' device type for generator but found 'cpu'")
    known = {id(tensor.held): tensor for tensor in there}  # what changes in place is returned itself
    result = function(*tree_map_only(There, lambda t: t.held, args), **tree_map_only(There, lambda t: t.held, kwargs))
    if name == "aten::copy_":
        return args[0]
    if not made_there:
        return result
    return tree_map_only(Tensor, lambda t: known[id(t)] if id(t) in known else There(t), result)


def _refuse_mixed(name: str, args: Any, tensors: list[Tensor]) -> None:
    """Raise RuntimeError for tensors of both places, where torch does."""
    if name in INDEX and isinstance(args[0], There):
        tensors = [args[0], *(leaf for leaf in args[2:] if isinstance(leaf, Tensor))]
    places = {isinstance(tensor, There) for tensor in tensors if tensor.dim()}
    if len(places) > 1 and name not in MOVE:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device, but found cuda:0 and cpu")


class _Fabric:
    """Fabric of the CPU, but for where it says it is."""

    device = GPU

    def __init__(self, precision: str) -> None:
        self._fabric = fabric_package().Fabric(accelerator="cpu", devices=1, precision=precision)

    def to_device(self, what: Any) -> Any:
        return what.to(GPU) if isinstance(what, nn.Module) else tree_map_only(Tensor, lambda t: t.to(GPU), what)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fabric, name)


@contextlib.contextmanager
def pretended_gpu(monkeypatch: pytest.MonkeyPatch, library: Any) -> Iterator[torch.device]:
    """Have torch find one GPU, and geoad the `library` with its kernels."""
    fork = torch.random.fork_rng
    for place, name, stand_in in (
        (torch.cuda, "_lazy_init", lambda: None),
        (torch.cuda, "is_available", lambda: True),
        (torch.cuda, "device_count", lambda: 1),
        (torch.cuda, "device", lambda _: contextlib.nullcontext()),
        (torch.cuda, "manual_seed", lambda _: None),  # what is drawn there comes from the generator here
        (torch.cuda, "current_stream", lambda _=None: SimpleNamespace(cuda_stream=0)),
        (torch.cuda, "is_current_stream_capturing", lambda: False),
        (torch.random, "fork_rng", lambda *_, **__: fork([])),
        (torch, "inference_mode", lambda mode=True: torch.no_grad() if mode else contextlib.nullcontext()),
        (job, "open_fabric", lambda _, precision: _Fabric(precision)),
        (_cuda, "library", lambda: library),
    ):
        monkeypatch.setattr(place, name, stand_in)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with _Operations(), _Functions():
            yield GPU
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
        monkeypatch.undo()
