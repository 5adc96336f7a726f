"""The second loop: maps from disk and ground truth in, rows of numbers out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.evaluation.map_folder import MapFolder
from geoad.metrics import PixelRanking, average_precision, rank_pixels, roc_auc
from geoad.metrics.curve import check_limit
from geoad.metrics.sizes import MODES

if TYPE_CHECKING:
    from geoad.data.dataset import Dataset

Row = dict[str, Any]
MEAN = "mean"


def evaluate_maps(
    folder: str | Path,
    dataset: Dataset,
    *,
    limits: Sequence[float] = (0.05, 0.3),
    mode: str = "exact",
    connectivity: int = 8,
    category: str | None = None,
    method: str | None = None,
    seed: int | None = None,
) -> list[Row]:
    """Return rows of results for FOLDER[/CATEGORY]/test/<kind>/<stem>.tiff (.tif, .npy), whoever made them.

    Metrics: au_pro for each of `limits`, pixel_auroc, image_auroc and image_ap (average precision; a part's score is
    the maximum of its map). `mode` and `connectivity` as in `geoad.metrics.au_pro`. `method` and `seed` only label the
    rows. One map is in memory at a time. If no defective sample has a mask, pixel metrics are NaN, with a warning.

    Raises ValueError that names the file or sample: a map missing, of no sample, damaged, with NaN or of another size
    than its mask; a mask that only some defective samples have.

    >>> import tempfile
    >>> from types import SimpleNamespace
    >>> from geoad.evaluation import write_map
    >>> from geoad.sample import AnomalyMap
    >>> masks = {"test/good/000": np.zeros((1, 4), bool), "test/hole/000": np.array([[True, False, False, False]])}
    >>> dataset = SimpleNamespace(
    ...     NAME="toy",
    ...     entries=[SimpleNamespace(name=name) for name in masks],
    ...     mask=lambda i: list(masks.values())[i],
    ...     label=lambda i: i,
    ... )
    >>> with tempfile.TemporaryDirectory() as maps:
    ...     for name, mask in masks.items():
    ...         write_map(f"{maps}/{name}.tiff", AnomalyMap(mask.astype(float)))
    ...     {row["metric"]: row["value"] for row in evaluate_maps(maps, dataset, limits=[0.3])}
    {'au_pro': 1.0, 'pixel_auroc': 1.0, 'image_auroc': 1.0, 'image_ap': 1.0}
    """
    _check.one_of("mode", mode, MODES)
    for limit in limits:
        check_limit(limit)
    maps = MapFolder(folder, dataset, category=category)
    names, unmarked = [entry.name for entry in dataset.entries], list[str]()
    ranking = rank_pixels(maps, _masks(dataset, names, unmarked), connectivity=connectivity, names=names)
    labels = [dataset.label(i) for i in range(len(names))]
    if unmarked and len(unmarked) < sum(labels):
        raise ValueError(f"{unmarked[0]}: a defective sample without mask, while others have one: add the mask")
    facts = {
        "method": method,
        "source": "geoad",
        "dataset": getattr(dataset, "NAME", None),
        "category": category,
        "seed": seed,
        "images": len(maps),
        "regions": ranking.regions,
    }
    return [{**facts, **row} for row in _measure(ranking, labels, limits, mode, connectivity)]


def _measure(
    ranking: PixelRanking, labels: Sequence[int], limits: Sequence[float], mode: str, connectivity: int
) -> Iterator[Row]:
    """Yield each number with the protocol that it depends on."""
    for limit, area in ranking.au_pro(limits, mode).items():
        yield {"metric": "au_pro", "limit": limit, "mode": mode, "connectivity": connectivity, "value": area}
    for metric, value in (
        ("pixel_auroc", ranking.auroc),
        ("image_auroc", roc_auc(ranking.maxima, labels)),
        ("image_ap", average_precision(ranking.maxima, labels)),
    ):
        yield {"metric": metric, "limit": None, "mode": "exact", "connectivity": None, "value": value}


def mean_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the unweighted means over the categories, one row for each metric, limit, mode, method and seed.

    [] for rows of a single category or without categories: those are their own mean. NaN in one category makes the
    mean NaN.

    >>> rows = [{"category": c, "metric": "au_pro", "value": v} for c, v in (("bagel", 0.75), ("rope", 0.25))]
    >>> mean_rows(rows)
    [{'category': 'mean', 'metric': 'au_pro', 'value': 0.5}]
    """
    own = ("category", "value", "images", "regions")
    groups: dict[tuple[tuple[str, Any], ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple((key, value) for key, value in row.items() if key not in own), []).append(row)
    means = []
    for group in groups.values():
        if len({row["category"] for row in group}) > 1:
            sums: Row = {key: sum(row[key] for row in group) for key in ("images", "regions") if key in group[0]}
            value = float(np.mean([row["value"] for row in group]))
            means.append({**group[0], "category": MEAN, **sums, "value": value})
    return means


def _masks(dataset: Dataset, names: Sequence[str], unmarked: list[str]) -> Iterator[NDArray[np.bool_] | None]:
    """Yield the masks; note the defective samples without one, and refuse a good sample with a marked pixel."""
    for i, name in enumerate(names):
        mask, defective = dataset.mask(i), dataset.label(i)
        if mask is None and defective:
            unmarked.append(name)
        if mask is not None and mask.any() and not defective:
            raise ValueError(f"{name}: a good sample with {np.count_nonzero(mask)} marked pixels: mend mask or kind")
        yield mask
