"""What new tensors are, whatever a notebook has made torch's default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

_LOCK = Lock()
_FOUND: list[torch.dtype] = []
"""The default that was found, once for each that is inside: the last to leave puts it back."""


@contextmanager
def float32_by_default() -> Iterator[None]:
    """Let networks and tensors that name no dtype be float32, as scans are; what torch's default was comes back.

    It is one for all threads: others see it change, too.

    >>> torch.set_default_dtype(torch.float64)
    >>> with float32_by_default():
    ...     torch.zeros(1).dtype, torch.nn.Linear(1, 1).weight.dtype
    (torch.float32, torch.float32)
    >>> torch.get_default_dtype()
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    with _LOCK:
        _FOUND.append(_FOUND[0] if _FOUND else torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        with _LOCK:
            found = _FOUND.pop()
            if not _FOUND:
                torch.set_default_dtype(found)
