"""Means over the same categories and seeds for all that stand in one table, whatever else was measured."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from statistics import fmean
from typing import Any, Generic, NamedTuple, TypeVar

from geoad.evaluation.rows import Rows
from geoad.evaluation.thesis_3d import METHODS

Line = TypeVar("Line", bound=Hashable)


class Means(NamedTuple, Generic[Line]):
    """What a table holds: `cells`, by line and category, are means over `seeds`; `lines`, means over `categories`.

    Every line has the `seeds` wherever it has a cell, and a cell in each of the `categories`. `left_out` names the
    others.

    >>> means = Means({("Voxel VM", "foam"): 0.6}, {"Voxel VM": 0.6}, ["foam"], [0], ["rope", "seed 1"])
    >>> means.note
    '; means leave out what some lack: rope, seed 1'
    """

    cells: dict[tuple[Line, str | None], float]
    lines: dict[Line, float | None]
    categories: list[str | None]
    seeds: list[int]
    left_out: list[str]

    @property
    def note(self) -> str:
        """The end of a title: what the means leave out."""
        return f"; means leave out what some lack: {', '.join(self.left_out)}" if self.left_out else ""


def shared_means(rows: Rows, line: Callable[[Mapping[str, Any]], Line]) -> Means[Line]:
    """Return the means of rows of one metric and limit; `line` says to which line of a table a row belongs.

    A method that is not trained is the same under every seed. A line has no mean where no category is everyone's.

    >>> values = {("voxel-ae", "foam"): 0.2, ("voxel-ae", "rope"): 0.9, ("depth-ae", "foam"): 0.4}
    >>> rows = [{"key": key, "category": each, "seed": 0, "value": value} for (key, each), value in values.items()]
    >>> means = shared_means(rows, lambda row: row["key"])
    >>> means.lines, means.left_out
    ({'voxel-ae': 0.2, 'depth-ae': 0.4}, ['rope'])
    """
    known = list(dict.fromkeys(row["seed"] for row in rows if _is_trained(row))) or [rows[0]["seed"]]
    runs: dict[tuple[Line, str | None], dict[int, float]] = {}
    for row in rows:
        found = runs.setdefault((line(row), row["category"]), {})
        if row["value"] is not None:
            found.update(dict.fromkeys([row["seed"]] if _is_trained(row) else known, row["value"]))
    runs = {place: found for place, found in runs.items() if found}
    seeds = [seed for seed in known if all(seed in found for found in runs.values())]
    cells = {place: fmean(found[seed] for seed in seeds) for place, found in runs.items()} if seeds else {}
    lines = list(dict.fromkeys(line(row) for row in rows))
    everywhere = list(dict.fromkeys(row["category"] for row in rows))
    shared = [category for category in everywhere if all((each, category) in cells for each in lines)]
    means = {each: fmean(cells[each, c] for c in shared) if shared else None for each in lines}
    missing = [*(c or "all" for c in everywhere if c not in shared), *(f"seed {s}" for s in known if s not in seeds)]
    return Means(cells, means, shared, seeds, missing)


def _is_trained(row: Mapping[str, Any]) -> bool:
    return row["key"] not in METHODS or METHODS[row["key"]].trained
