"""Published numbers beside measured ones, and what keeps them from being compared."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from statistics import fmean
from typing import Any, NamedTuple

from geoad.evaluation.rows import Row

PROTOCOLS = {
    "thesis": "exact or many thresholds at native size, 4-connected regions by its text",
    "community-224": "100 thresholds on maps and masks of 224x224",
}
SIMULATED = {"sim3d": "mvtec3d"}
MEAN = "mean"


class Published(NamedTuple):
    """`rows` of published numbers, each beside "ours" (None: not measured), and `notes` on what differs.

    >>> Published([], ["nothing published"]).notes
    ['nothing published']
    """

    rows: list[Row]
    notes: list[str]


def read_published() -> tuple[dict[str, Any], ...]:
    """Return the published numbers that come with the package (published.csv): each names its table.

    >>> [row["value"] for row in read_published() if row["method"] == "3D-ST-128" and row["category"] == "mean"]
    [0.833, 0.748]
    """
    return tuple(dict(row) for row in _rows())


@cache
def _rows() -> tuple[dict[str, Any], ...]:
    text = resources.files("geoad.evaluation").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(
        {**row, "limit": float(row["limit"]) if row["limit"] else None, "value": float(row["value"])}
        for row in csv.DictReader(text.splitlines())
    )


def published_values(method: str, source: str, metric: str, limit: float | None) -> dict[str, float]:
    """Return the published numbers of a row of a table by category, "mean" among them; {} where there are none.

    >>> published_values("Voxel VM", "3D", "au_pro", 0.3)["mean"]
    0.492
    """
    wanted, keys = (method, source, metric, limit), ("method", "source", "metric", "limit")
    return {row["category"]: row["value"] for row in read_published() if tuple(row[key] for key in keys) == wanted}


def published_mean(values: Mapping[str, float], categories: Sequence[str | None]) -> float | None:
    """Return the mean of a table's row over categories: as printed if it is over all of them, None if one is missing.

    >>> row = published_values("Voxel VM", "3D", "au_pro", 0.3)
    >>> published_mean(row, ["bagel"]), published_mean(row, ["screw"])
    (0.453, None)
    """
    if {*categories} == {*values} - {MEAN}:
        return values[MEAN]
    if not categories or not {*categories} <= {*values}:
        return None
    return fmean(values[category] for category in categories if category is not None)


def against_published(rows: Sequence[Row], dataset: str | None, mode: str = "exact") -> Published:
    """Return what is published on `dataset` of the measured metrics, limits and categories, beside ours.

    `notes` say when protocols differ: another dataset, other thresholds and sizes, a mean over other categories.

    >>> row = {"category": "bagel", "metric": "au_pro", "limit": 0.3, "mode": "exact", "connectivity": 8, "value": 0.9}
    >>> found = against_published([row], "mvtec3d")
    >>> [(row["method"], row["value"], row["ours"]) for row in found.rows][6]
    ('Voxel GAN', 0.664, 0.9)
    >>> against_published([row], "sim3d").rows
    []
    """
    if dataset in SIMULATED:
        real = SIMULATED[dataset]
        return Published([], [f"not comparable: {dataset} is simulated; published numbers are of {real}"])
    known = [row for row in read_published() if row["dataset"] == dataset]
    if not known:
        return Published([], [f"no published numbers of dataset {dataset!r} come with geoad"])
    ours = {_key(row): row["value"] for row in rows if row.get("subset") in (None, MEAN)}
    categories, mine = ({row["category"] for row in each} - {MEAN} for each in (known, rows))
    same = mine == categories
    beside = [
        {**each, "ours": ours[_key(each)]}
        for each in known
        if _key(each) in ours and (same or each["category"] != MEAN)
    ]
    if not beside:
        return Published([], ["no published number is of these metrics, limits and categories"])
    notes = _protocol_notes(beside, rows, mode)
    if not same and any(row["category"] == MEAN for row in rows):
        notes.append(
            f"means are not set beside each other: ours is of {len(mine)} categories, not of {len(categories)}"
        )
    return Published(beside, notes)


def _key(row: Row) -> tuple[Any, ...]:
    return row["category"], row["metric"], row["limit"]


def _protocol_notes(beside: Sequence[Row], rows: Sequence[Row], mode: str) -> list[str]:
    connectivity = next((row["connectivity"] for row in rows if row.get("connectivity")), None)
    corners = "" if connectivity is None else f", {connectivity}-connected regions"
    notes = [f"ours: mode {mode}{corners}{', maps resized' if any(row.get('resized') for row in rows) else ''}"]
    for protocol in dict.fromkeys(row["protocol"] for row in beside):
        verdict = "the same" if protocol == mode else "differs from ours"
        notes.append(f"published as {protocol!r} ({PROTOCOLS[protocol]}): {verdict}")
    return notes
