"""The scores of whole parts, in one file beside their maps: a method's own, which need not be a map's maximum."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoad._lock import locked
from geoad._whole_file import write_whole

NAME = "scores.json"


def write_scores(base: str | Path, scores: Mapping[str, float]) -> Path:
    """Write {sample name: score} to BASE/scores.json; what it says of other samples stays.

    Raises ValueError for a score that is not finite.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_scores(folder, {"validation/good/000": 0.5})
    ...     _ = write_scores(folder, {"test/hole/003": 1.5})
    ...     read_scores(folder, ["test/hole/003", "validation/good/000"]).tolist()
    [1.5, 0.5]
    """
    numbers = {name: float(score) for name, score in scores.items()}
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise ValueError(f"the score of {name} must be a finite number, got {number}")
    with locked(base, wait=True):  # samples of several splits stand in one file
        return _write(Path(base), {**known_scores(base), **numbers})


def read_scores(base: str | Path, names: Sequence[str]) -> NDArray[np.float64] | None:
    """Return the scores of the samples, None if there is no file: then a part's score is the maximum of its map.

    Raises ValueError that names the file if it is damaged or lacks a sample.

    >>> read_scores("no such folder", ["test/hole/003"]) is None
    True
    """
    path = Path(base) / NAME
    if not path.exists():
        return None
    known = _read(path)
    if missing := [name for name in names if name not in known]:
        raise ValueError(f"{path}: no score of {missing[0]}: score again, or remove the file for maxima of maps")
    return np.array([known[name] for name in names], np.float64)


def known_scores(base: str | Path) -> dict[str, float]:
    """Return what BASE/scores.json says, nothing if there is no such file.

    >>> known_scores("no such folder")
    {}
    """
    path = Path(base) / NAME
    return _read(path) if path.exists() else {}


def forget_scores(base: str | Path, names: Collection[str]) -> None:
    """Take the scores of some samples out of BASE/scores.json: their maps are about to be replaced.

    >>> forget_scores("no such folder", {"test/hole/003"})
    """
    if not (Path(base) / NAME).exists():
        return
    with locked(base, wait=True):
        known = known_scores(base)
        if known.keys() & set(names):
            _write(Path(base), {name: score for name, score in known.items() if name not in names})


def _write(base: Path, scores: Mapping[str, float]) -> Path:
    path = base / NAME
    write_whole(path, (json.dumps(dict(scores), indent=1, sort_keys=True) + "\n").encode())
    return path


def _read(path: Path) -> dict[str, float]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"), parse_int=float)  # of any length
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a file of scores ({error}): score again, or remove it") from error
    numbers = isinstance(known, dict) and all(isinstance(score, int | float) for score in known.values())
    if not numbers or not np.isfinite(list(known.values())).all():
        raise ValueError(f"{path}: must hold a finite number a sample: score again, or remove it")
    return dict(known)
