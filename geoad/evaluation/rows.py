"""Every number of one set of maps as rows, each with the protocol that it depends on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoad.metrics import (
    Best,
    PixelDecision,
    PixelRanking,
    Threshold,
    average_precision,
    best_balanced_accuracy,
    best_f1,
    decide,
    roc_auc,
)
from geoad.metrics.resampling import Interval, Key

Row = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]
NOT_OF_MEANS = ("low", "high", "resamples", "threshold")
"""What rows of one category, or subset, say that a mean of several cannot."""
SHARES = ("tpr", "tnr", "precision", "f1", "balanced_accuracy")


def row(metric: str, value: float, *, limit: float | None = None, mode: str = "exact", **more: Any) -> Row:
    """Return one number with its protocol.

    >>> row("au_pro", 0.75, limit=0.3)["limit"]
    0.3
    """
    return {"metric": metric, "limit": limit, "mode": mode, "connectivity": None, "kind": None, **more, "value": value}


def pixel_rows(ranking: PixelRanking, limits: Sequence[float], mode: str, connectivity: int) -> Iterator[Row]:
    """Yield the areas over the pixels; only per-region overlap knows official thresholds, the others are exact.

    >>> from geoad.metrics import rank_pixels
    >>> [row["metric"] for row in pixel_rows(rank_pixels([[[1.0, 0.0]]], [[[1, 0]]]), [0.3], "exact", 8)]
    ['au_pro', 'au_roc', 'au_iou', 'pixel_auroc', 'pixel_ap']
    """
    thresholds = "exact" if mode == "exact" else "official"
    others = "exact" if mode == "official" else mode
    for limit, area in ranking.au_pro(limits, thresholds).items():
        yield row("au_pro", area, limit=limit, mode=mode, connectivity=connectivity)
    for metric, areas in (("au_roc", ranking.au_roc), ("au_iou", ranking.au_iou)):
        yield from (row(metric, area, limit=limit, mode=others) for limit, area in areas(limits).items())
    yield row("pixel_auroc", ranking.auroc, mode=others)
    yield row("pixel_ap", ranking.average_precision, mode=others)


def image_rows(scores: ArrayLike, labels: Sequence[int], kinds: Sequence[str], mode: str = "exact") -> Iterator[Row]:
    """Yield how well the parts' scores tell good from defective, and each kind of defect from good.

    `labels` are 0 or 1, `kinds` names of defects. The best F1 and balanced accuracy are bounds: the labels chose
    their threshold.

    >>> [row["metric"] for row in image_rows([1.0, 2.0], [0, 1], ["good", "hole"]) if row["kind"] == "hole"]
    ['kind_auroc', 'kind_ap', 'kind_best_f1', 'kind_best_balanced_accuracy']
    """
    values, anomalous = np.asarray(scores, np.float64), np.asarray(labels) > 0
    yield from _class_rows(values, anomalous, mode, None)
    for kind in sorted({kind for kind, label in zip(kinds, anomalous, strict=True) if label}):
        mine = ~anomalous | (np.asarray(kinds) == kind)
        if not anomalous.all():
            yield from _class_rows(values[mine], anomalous[mine], mode, kind)


def threshold_rows(
    threshold: Threshold, pixels: PixelDecision | None, scores: ArrayLike, labels: Sequence[int]
) -> Iterator[Row]:
    """Yield what a threshold of good parts achieves on the test set; `pixels` None: no masks.

    >>> rows = threshold_rows(Threshold("by hand", 0.5, 0.5), None, [0.4, 0.6], [0, 1])
    >>> {row["metric"]: row["value"] for row in rows}["image_tpr"]
    1.0
    """
    if pixels is not None:
        names = ("fpr", "tpr", "precision", "iou")
        found = {f"pixel_{name}": getattr(pixels.confusion, name) for name in names} | {"pro": pixels.pro}
        for metric, value in found.items():
            yield row(metric, value, threshold=threshold.value, threshold_kind=threshold.kind)
    told = decide(scores, labels, threshold.part_value)
    parts = {name: getattr(told, name) for name in (*SHARES, "tp", "fp", "tn", "fn")}
    for name, value in parts.items():
        yield row(f"image_{name}", value, threshold=threshold.part_value, threshold_kind=threshold.kind)


def add_intervals(rows: Sequence[Row], intervals: Mapping[Key, Interval], resamples: int) -> list[Row]:
    """Return rows with "low" and "high" of the middle 95 % of draws, where there are any.

    Draws have the exact curve, so areas under a hundred thresholds have no interval.

    >>> add_intervals([row("au_pro", 0.5, limit=0.3)], {("au_pro", 0.3): Interval(0.4, 0.6)}, 100)[0]["low"]
    0.4
    """
    told = []
    for each in rows:
        interval = intervals.get((each["metric"], each["limit"]))
        other = each["kind"] is not None or (each["metric"] == "au_pro" and each["mode"] != "exact")
        if interval is None or other:
            told.append(each)
        else:
            told.append({**each, "low": interval.low, "high": interval.high, "resamples": resamples})
    return told


def _class_rows(
    values: NDArray[np.float64], anomalous: NDArray[np.bool_], mode: str, kind: str | None
) -> Iterator[Row]:
    """Yield the rows of one problem of two classes: "image_…" of all, "kind_…" of one kind of defect."""
    name = "image" if kind is None else "kind"
    yield row(f"{name}_auroc", roc_auc(values, anomalous), mode=mode, kind=kind)
    yield row(f"{name}_ap", average_precision(values, anomalous), mode=mode, kind=kind)
    bests: tuple[tuple[str, Best], ...] = (
        ("best_f1", best_f1(values, anomalous)),
        ("best_balanced_accuracy", best_balanced_accuracy(values, anomalous)),
    )
    for metric, best in bests:
        threshold = best.threshold if math.isfinite(best.threshold) else None  # None: every part is called defective
        yield row(f"{name}_{metric}", best.value, mode=mode, kind=kind, threshold=threshold)
