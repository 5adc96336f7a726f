"""Argument checks for the border of the library: each names the argument, what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from inspect import unwrap
from math import inf
from numbers import Real
from os import PathLike, fspath
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", NoneType: "None"}


def shape(name: str, array: Any, expected: tuple[int | str, ...]) -> None:
    """Raise ValueError unless `array.shape` matches `expected`; a string stands for any length.

    >>> import numpy as np
    >>> shape("points", np.zeros((4, 3)), ("N", 3))
    >>> shape("points", np.zeros((4, 100)), ("N", 3))
    Traceback (most recent call last):
    ValueError: points must have shape (N, 3), got (4, 100)
    """
    if not hasattr(array, "shape"):
        raise TypeError(f"{name} must be an array of shape {_wanted(expected)}, got {type(array).__name__}")
    got = tuple(array.shape)
    if len(got) != len(expected) or any(isinstance(e, int) and e != g for e, g in zip(expected, got, strict=True)):
        raise ValueError(f"{name} must have shape {_wanted(expected)}, got {got}")


def _wanted(expected: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, expected))}{',' if len(expected) == 1 else ''})"


def colours(name: str, rgb: Any, expected: tuple[int | str, ...]) -> Any:
    """Return `rgb` as a plain array; raise ValueError unless it is uint8 of this shape, and nothing in it masked.

    Shares of 1 would be taken for black, and what is computed of a masked array leaves masked colours as they are.

    >>> import numpy as np
    >>> colours("rgb", np.full((5, 3), 0.5), ("N", 3))
    Traceback (most recent call last):
    ValueError: rgb must be uint8 in 0..255, got float64: scale and convert it
    """
    shape(name, rgb, expected)
    if str(rgb.dtype) != "uint8":
        raise ValueError(f"{name} must be uint8 in 0..255, got {rgb.dtype}: scale and convert it")
    import numpy as np  # who holds an array has imported it

    if np.ma.is_masked(rgb):
        raise ValueError(f"{name} must not be masked: fill in the colours that are meant")
    return np.asarray(rgb)


def instance(name: str, value: Any, kind: type, how: str) -> None:
    """Raise TypeError unless `value` is of a class; `how` is an example of making one.

    >>> from pathlib import Path
    >>> instance("folder", "maps", Path, 'Path("maps")')
    Traceback (most recent call last):
    TypeError: folder must be a Path, such as Path("maps"), got str
    """
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOX" else "a"
        raise TypeError(f"{name} must be {article} {kind.__name__}, such as {how}, got {type(value).__name__}")


def plain(value: Any) -> Any:
    """Return numbers and arrays of numpy as Python's numbers and lists, a path as text, anything else as it is.

    >>> from pathlib import Path
    >>> plain(Path("a/b")), plain([1, Path("c")]), plain(None)
    ('a/b', [1, 'c'], None)
    """
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    return fspath(value) if isinstance(value, PathLike) else value


def positive(**numbers: float | None) -> None:
    """Raise ValueError that names the first number not in (0, ∞), TypeError for what is none; None passes.

    >>> positive(points=100, k=0)
    Traceback (most recent call last):
    ValueError: k must be positive, got 0
    """
    for name, value in numbers.items():
        if value is not None and not number(name, value) > 0:
            raise ValueError(f"{name} must be positive, got {value}")
        if value == inf:
            raise ValueError(f"{name} must be finite, got {value}")


def not_negative(**numbers: float | None) -> None:
    """Raise ValueError that names the first number which is not finite and 0 or more; None passes.

    >>> not_negative(copies=0, smooth=-1)
    Traceback (most recent call last):
    ValueError: smooth must be 0 or more, got -1
    """
    for name, value in numbers.items():
        if value is not None and not 0 <= number(name, value) < inf:
            raise ValueError(f"{name} must be 0 or more, got {value}")


def number(name: str, value: Any) -> Any:
    """Return what can be compared with numbers; raise TypeError for texts, lists and None.

    >>> number("k", "8")
    Traceback (most recent call last):
    TypeError: k must be a number, got '8'
    """
    if value is None or isinstance(value, str | bytes | list | tuple):
        raise TypeError(f"{name} must be a number, got {value!r}")
    return value


def one_of(name: str, value: str, known: Iterable[str]) -> None:
    """Raise ValueError unless `value` is one of `known`; the error lists them and the nearest.

    >>> one_of("detector", "3d-ts", ["3d-st", "voxel-vm"])
    Traceback (most recent call last):
    ValueError: unknown detector '3d-ts' (did you mean '3d-st'?); known: 3d-st, voxel-vm
    """
    if value not in (names := sorted(known)):
        raise ValueError(f"unknown {name} {value!r}{likely(value, names)}")


def likely(value: str, known: Iterable[str]) -> str:
    """Return what an error says of a name after naming it: which known one may be meant, and which are known.

    >>> likely("sauce", ["floor", "source"])
    " (did you mean 'source'?); known: floor, source"
    """
    names = sorted(known)
    near = get_close_matches(str(value), names, 1)  # whatever was given in place of a name
    return f"{f' (did you mean {near[0]!r}?)' if near else ''}; known: {', '.join(names) or 'none'}"


def kinds(function: Callable[..., Any], keywords: Mapping[str, Any]) -> None:
    """Raise TypeError unless each keyword is of the plain kind with which `function` annotates it.

    Looked at are those annotated with bool, int, float, str and None alone. A default is good, whatever it is.

    >>> def fit(*, points: int, smooth: bool = False): ...
    >>> kinds(fit, {"points": 100, "smooth": "no"})
    Traceback (most recent call last):
    TypeError: smooth must be True or False, got 'no'
    """
    function = unwrap(function)
    try:
        hints = get_type_hints(function)
    except NameError:  # names that only a type checker sees
        return
    defaults = getattr(function, "__kwdefaults__", None) or {}
    for name, value in keywords.items():
        if name not in hints or (name in defaults and value is defaults[name]):
            continue
        hint = hints[name]
        allowed = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        if all(kind in KINDS for kind in allowed) and not any(_is(value, kind) for kind in allowed):
            raise TypeError(f"{name} must be {' or '.join(KINDS[kind] for kind in allowed)}, got {value!r}")


def _is(value: Any, kind: type) -> bool:
    """Whether a value is of a plain kind: numpy's numbers are numbers, True and False are none."""
    if isinstance(value, bool):
        return kind is bool
    return hasattr(value, "__index__") if kind is int else isinstance(value, Real if kind is float else kind)
