"""One threshold from maps of good parts: fitted, kept as an editable file, applied."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoad import _check
from geoad._whole_file import write_whole
from geoad.metrics.pairs import check_reiterable, checked_map
from geoad.metrics.threshold_rules import above_k_sigma, below_area, maximum, quantile
from geoad.ops._arrays import to_numbers

SIGMAS = 2.3263478740408408
"""The k of a normal distribution's 0.99-quantile."""
RULES: dict[str, Callable[..., float]] = {
    "maximum": maximum,
    "quantile": quantile,
    "k-sigma": above_k_sigma,
    "max-area": below_area,
}


@dataclass(frozen=True)
class Threshold:
    """Scores above `value` mark a pixel, a score above `part_value` a part; `kind` and `options` say how they came.

    `fit` takes them from good parts, never from defects. The file is JSON that a person may edit; "value" and
    "part_value" are what counts.

    >>> good = [np.array([[0.1, 0.2], [0.3, 0.4]], np.float32), np.array([[0.0, 0.1], [0.1, 0.5]], np.float32)]
    >>> threshold = Threshold.fit(good, "maximum")
    >>> threshold.value, threshold.apply(np.array([[0.4, 0.6]])).tolist(), threshold.flags(0.6)
    (0.5, [[False, True]], True)
    """

    kind: str
    value: float
    part_value: float
    options: dict[str, float] = field(default_factory=dict)
    images: int = 0

    def __post_init__(self) -> None:
        for name in ("value", "part_value"):
            number = float(_check.number(name, getattr(self, name)))  # also what JSON would not write
            if not math.isfinite(number):
                raise ValueError(f"{name} of a threshold must be finite, got {number}")
            object.__setattr__(self, name, number)

    @classmethod
    def fit(
        cls,
        maps: Iterable[ArrayLike],
        kind: str = "maximum",
        *,
        p: float = 0.99,
        k: float = SIGMAS,
        area: float = 0.001,
        connectivity: int = 4,
        scores: ArrayLike | None = None,
    ) -> Self:
        """Fit to maps (H, W) of good parts; `scores` are the parts' own (None: the maxima of their maps).

        "maximum" of all pixels. "quantile": the smallest score that at least the share `p` of all pixels does not
        exceed. "k-sigma": mean + `k` standard deviations of all pixels. "max-area": the smallest at which no component
        of the pixels above it has `area` of its image or more. Parts are thresholded by the same rule on their scores,
        for "max-area" by the maximum.

        Maps are read one at a time; "quantile" reads them three or four times. Raises ValueError for NaN and without
        any map. Source: thesis section 4.5, where p = 0.99, k = 2.326, area = 0.001.
        """
        options: dict[str, dict[str, Any]] = {
            "maximum": {},
            "quantile": {"p": p},
            "k-sigma": {"k": k},
            "max-area": {"area": area, "connectivity": connectivity},
        }
        _check.one_of("kind", kind, options)
        if kind == "quantile":
            check_reiterable("maps", maps)
        seen = _Maxima(maps)
        value = RULES[kind](seen, **options[kind])
        if not seen.maxima:
            raise ValueError("a threshold needs at least one map of a good part, got none")
        parts = to_numbers("scores", seen.maxima if scores is None else scores).astype(np.float64)
        _check.shape("scores", parts, (len(seen.maxima),))
        part_scores = [checked_map(parts[None], "of scores")]
        part_value = maximum(part_scores) if kind == "max-area" else RULES[kind](part_scores, **options[kind])
        kept = {name: _check.plain(number) for name, number in options[kind].items()}
        return cls(kind, _finite(value), _finite(part_value), kept, len(seen.maxima))

    def apply(self, pixels: ArrayLike) -> NDArray[np.bool_]:
        """Return the mask (H, W) of a map: scores strictly above `value`."""
        # A Python number would be rounded to a float32 map's precision, and no longer be what parts are held against.
        above: NDArray[np.bool_] = checked_map(pixels, "to threshold") > np.float64(self.value)
        return above

    def flags(self, score: float) -> bool:
        """Return whether a part of this score is called defective: strictly above `part_value`; ValueError for NaN."""
        if math.isnan(score):
            raise ValueError("the score of a part must be a number, got NaN")
        return float(score) > self.part_value  # a float32 would be compared in its own precision

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        write_whole(path, (json.dumps(asdict(self), indent=2) + "\n").encode())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that `save` wrote and a person may have edited; raise ValueError that names it and the key."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: not readable as JSON ({error}): mend it or fit again") from error
        if not isinstance(content, dict):
            raise ValueError(f"{path}: a threshold is a JSON object, got {type(content).__name__}: fit again")
        for key in ("value", "part_value"):
            number = content[key] = _number(content.get(key))
            if not isinstance(number, float) or not math.isfinite(number):
                raise ValueError(f"{path}: {key!r} must be a number, got {json.dumps(number)}: mend it or fit again")
        unknown = sorted(content.keys() - cls.__dataclass_fields__.keys())
        if unknown:
            raise ValueError(f"{path}: unknown key {unknown[0]!r}; known: {', '.join(cls.__dataclass_fields__)}")
        return cls(**{"kind": "by hand", **content})


def _number(value: Any) -> Any:
    """Return a number as a float, infinite if none is as large; what is none as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf


class _Maxima:
    """Checked maps, as often as they are read; `maxima` of the last reading."""

    def __init__(self, maps: Iterable[ArrayLike]) -> None:
        self.maps = maps
        self.maxima: list[float] = []

    def __iter__(self) -> Any:
        self.maxima = []
        for i, pixels in enumerate(self.maps):
            checked = checked_map(pixels, i)
            self.maxima.append(float(checked.max()))
            yield checked


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"the threshold would be {value}: maps of good parts must be finite")
    return value
