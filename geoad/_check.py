"""Argument checks for the border of the library: each names the argument, what was expected and what came."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def shape(name: str, array: Any, expected: tuple[int | str, ...]) -> None:
    """Raise ValueError unless `array.shape` matches `expected`; a string stands for any length.

    >>> import numpy as np
    >>> shape("points", np.zeros((4, 3)), ("N", 3))
    >>> shape("points", np.zeros((4, 100)), ("N", 3))
    Traceback (most recent call last):
    ValueError: points must have shape (N, 3), got (4, 100)
    """
    got = tuple(array.shape)
    if len(got) != len(expected) or any(isinstance(e, int) and e != g for e, g in zip(expected, got, strict=True)):
        wanted = ", ".join(map(str, expected)) + ("," if len(expected) == 1 else "")
        raise ValueError(f"{name} must have shape ({wanted}), got {got}")


def positive(name: str, value: float) -> None:
    """Raise ValueError unless `value` > 0.

    >>> positive("k", 0)
    Traceback (most recent call last):
    ValueError: k must be positive, got 0
    """
    if not value > 0:
        raise ValueError(f"{name} must be positive, got {value}")


def one_of(name: str, value: str, known: Iterable[str]) -> None:
    """Raise ValueError unless `value` is one of `known`; the error lists them and the nearest.

    >>> one_of("detector", "3d-ts", ["3d-st", "voxel-vm"])
    Traceback (most recent call last):
    ValueError: unknown detector '3d-ts' (did you mean '3d-st'?); known: 3d-st, voxel-vm
    """
    names = sorted(known)
    if value not in names:
        near = get_close_matches(value, names, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"unknown {name} {value!r}{hint}; known: {', '.join(names) or 'none'}")
