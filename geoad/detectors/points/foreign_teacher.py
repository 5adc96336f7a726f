"""Descriptors of others in the teacher's place: any function of points (thesis 10.4.3, "Feature Extractor")."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoad.ops._arrays import without_mask

Describe: TypeAlias = Callable[[NDArray[np.float32]], NDArray[Any] | Tensor]


class ForeignTeacher:
    """A function from points (n, 3) float32, in the scan's own unit and frame, to descriptors (n, d).

    It is given itself or as the text "package.module:function"; its name there may have dots. A point whose descriptor
    is not finite has none. The same points must always get the same descriptors.

    Raises ImportError or ValueError for a text that leads to no function, TypeError for anything else.

    >>> found = ForeignTeacher("numpy:sqrt").describe(np.float32([[1, 4, 9], [1, -1, 1]]), "a/b.tiff")
    >>> found["features"].tolist(), found["described"].tolist()
    ([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], [True, False])
    """

    def __init__(self, function: str | Describe) -> None:
        self.function = _imported(function) if isinstance(function, str) else function
        if not callable(self.function):
            raise TypeError(f"teacher must be a name, a path or a function, got {function!r}")
        named = getattr(function, "__qualname__", type(function).__name__)
        self.name = function if isinstance(function, str) else named

    def describe(self, points: NDArray[np.float32], where: str) -> dict[str, Tensor]:
        """Return {"features": (n, d) float32, "described": (n,) bool, whether a point has a descriptor; else it is 0}.

        Raises ValueError that begins with `where` for another shape, if no point has a descriptor, and for whatever
        the function raises.
        """
        try:
            with np.errstate(invalid="ignore", divide="ignore"):  # no descriptor is an answer
                found = self.function(points.copy())
            features = found.detach() if isinstance(found, Tensor) else torch.from_numpy(_plain(found))
        except Exception as error:  # it is somebody else's code
            raise ValueError(f"{where}: teacher {self.name} raised {type(error).__name__}: {error}") from error
        if features.ndim != 2 or len(features) != len(points) or not features.shape[1]:
            got = tuple(features.shape)
            raise ValueError(f"{where}: teacher {self.name} must return shape ({len(points)}, d), got {got}")
        features = features.to("cpu", torch.float32)
        described = features.isfinite().all(1)
        if not described.any():
            raise ValueError(f"{where}: teacher {self.name} has no finite descriptor for any of {len(points)} points")
        return {"features": torch.where(described[:, None], features, 0.0), "described": described}


def is_foreign(teacher: str | Describe) -> bool:
    """Return whether `teacher` is a function, or names one, and not the name or path of a network.

    >>> [is_foreign(teacher) for teacher in ("3d-st-64", "C:/mine.safetensors", "my.features:fcgf", np.negative)]
    [False, False, True, True]
    """
    return not isinstance(teacher, str) or (":" in teacher and not teacher.endswith(".safetensors"))


def _plain(found: Any) -> NDArray[Any]:
    """Return an array of its own: masked numbers are NaN, no descriptor."""
    return np.array(without_mask("descriptors", np.asanyarray(found)))


def _imported(text: str) -> Describe:
    """Return what "package.module:function" names."""
    module, _, name = text.partition(":")
    try:
        found = attrgetter(name)(import_module(module))
    except ImportError as error:
        raise ImportError(f"teacher {text!r}: {error}: install it, or put its folder on PYTHONPATH") from error
    except (AttributeError, ValueError) as error:  # ValueError: no module or function between the colon and the ends
        raise ValueError(f"teacher must be 'package.module:function', got {text!r} ({error})") from error
    function: Describe = found
    return function
