"""The state of a module: parameters and persistent buffers, some of whose sizes depend on the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

FreeShapes = Mapping[str, tuple[int, ...]]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Have a module in evaluation mode and without gradients for a while, also one that is being trained.

    >>> net = nn.BatchNorm1d(2).train()
    >>> with evaluating(net):
    ...     net.training
    False
    >>> net.training
    True
    """
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)


def free_shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what is still empty: lengths of 0 are for the data to fill in, of parameters too.

    >>> module = nn.Module()
    >>> module.register_buffer("bank", torch.empty(0, 8))
    >>> free_shapes(module)
    {'bank': (0, 8)}
    """
    own = (*module.named_parameters(), *module.named_buffers())
    return {name: tuple(tensor.shape) for name, tensor in own if tensor.numel() == 0}


def copy_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the module's state on the CPU.

    >>> sorted(copy_state(nn.Linear(2, 1)))
    ['bias', 'weight']
    """
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in module.state_dict().items()}


def state_mismatch(module: nn.Module, state: Mapping[str, Tensor], free: FreeShapes) -> str | None:
    """Return why `state` does not fit `module`, or None if it does; lengths of 0 in `free` match any length.

    >>> state_mismatch(nn.Linear(2, 1), nn.Linear(3, 1).state_dict(), {})
    'weight must have shape (1, 2), got (1, 3)'
    """
    own = {name: free.get(name, tuple(tensor.shape)) for name, tensor in module.state_dict().items()}
    if missing := sorted(own.keys() - state.keys()):
        return f"it lacks {missing[0]}"
    if unknown := sorted(state.keys() - own.keys()):
        return f"it has an unknown {unknown[0]}"
    for name, shape in own.items():
        got = tuple(state[name].shape)
        if got != shape and not (name in free and _fits(got, shape)):
            return f"{name} must have shape {shape}, got {got}"
    return None


def resize_buffers(module: nn.Module, state: Mapping[str, Tensor], free: FreeShapes) -> None:
    """Give each parameter or buffer named in `free` the shape that it has in `state`, if that fits.

    >>> module = nn.Module()
    >>> module.register_buffer("bank", torch.empty(0, 8))
    >>> resize_buffers(module, {"bank": torch.zeros(5, 8)}, free_shapes(module))
    >>> module.bank.shape
    torch.Size([5, 8])
    """
    for name in free.keys() & state.keys():
        owner, _, leaf = name.rpartition(".")
        parent = module.get_submodule(owner)
        own = getattr(parent, leaf)
        if own.shape != state[name].shape and _fits(tuple(state[name].shape), free[name]):
            empty = torch.empty(state[name].shape, dtype=own.dtype, device=own.device)
            setattr(parent, leaf, nn.Parameter(empty) if isinstance(own, nn.Parameter) else empty)


def load_state(module: nn.Module, state: Mapping[str, Tensor], free: FreeShapes) -> None:
    """Load a state that fits; `state_mismatch` says whether it does.

    >>> module = nn.Linear(2, 1)
    >>> load_state(module, {"weight": torch.zeros(1, 2), "bias": torch.ones(1)}, {})
    >>> float(module(torch.ones(2)).detach())
    1.0
    """
    resize_buffers(module, state, free)
    module.load_state_dict(state)


def _fits(shape: tuple[int, ...], free: tuple[int, ...]) -> bool:
    """Return whether `shape` is `free` with its lengths of 0 filled in."""
    return len(shape) == len(free) and all(f in (0, n) for n, f in zip(shape, free, strict=True))
