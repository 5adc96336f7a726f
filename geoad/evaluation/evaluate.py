"""The second loop: maps from disk and ground truth in, rows of numbers out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.data.dataset import Dataset
from geoad.evaluation.chosen import Chosen
from geoad.evaluation.map_folder import MapFolder
from geoad.evaluation.part_scores import read_scores
from geoad.evaluation.published import MEAN
from geoad.evaluation.rows import NOT_OF_MEANS, Row, add_intervals, image_rows, pixel_rows, row, threshold_rows
from geoad.metrics import (
    PixelRanking,
    Profiles,
    Threshold,
    aupimo,
    bootstrap,
    decide_pixels,
    profile_images,
    rank_pixels,
)
from geoad.metrics.curve import checked_limits
from geoad.metrics.passes import Progress
from geoad.metrics.regions import check_connectivity
from geoad.metrics.sizes import COMMUNITY, MODES, SIDE, Resized, community_maps, community_masks, maps_at_mask_size


@dataclass(frozen=True)
class Settings:
    """How maps are evaluated.

    `limits` of the areas; `mode` and `connectivity` as in `geoad.metrics.au_pro`; `resize` interpolates maps of another
    size than their masks; `threshold` of good parts to try; `resamples` for intervals over images (0: none); `jobs`
    processes; `progress` is told how many maps were read, each `readings` times.

    >>> Settings(mode="offical")
    Traceback (most recent call last):
    ValueError: unknown mode 'offical' (did you mean 'official'?); known: community-224, exact, official
    """

    limits: Sequence[float] = (0.05, 0.3)
    mode: str = "exact"
    connectivity: int = 8
    resize: bool = False
    threshold: Threshold | None = None
    resamples: int = 0
    jobs: int = 1
    progress: Progress | None = None

    def __post_init__(self) -> None:
        _check.one_of("mode", self.mode, MODES)
        object.__setattr__(self, "limits", tuple(checked_limits(self.limits)))
        _check.kinds(Settings, {name: _check.plain(value) for name, value in vars(self).items()})
        _check.not_negative(resamples=self.resamples)
        _check.positive(jobs=self.jobs)
        check_connectivity(self.connectivity)
        if self.threshold is not None:
            _check.instance("threshold", self.threshold, Threshold, 'Threshold("by hand", 0.5, 0.5)')

    @property
    def readings(self) -> int:
        """How often maps are read: twice to rank them, twice for AUPIMO, once for a threshold, once to resample."""
        return 4 + (self.threshold is not None) + (self.resamples > 0)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """`rows` of numbers, the `ranking` that holds the curves, and what resampling images needs (None: not asked).

    `image_areas` (images,) are the images' own AUPIMO, `profiles` their counts.

    >>> Evaluation([], None, np.zeros(0)).rows
    []
    """

    rows: list[Row]
    ranking: PixelRanking
    image_areas: NDArray[np.float64]
    profiles: Profiles | None = None


def evaluate_maps(
    folder: str | Path,
    dataset: Dataset,
    *,
    category: str | None = None,
    method: str | None = None,
    seed: int | None = None,
    **settings: Any,
) -> list[Row]:
    """Return the rows of `evaluate_folder`; `settings` are the keywords of `Settings`.

    >>> import tempfile
    >>> from types import SimpleNamespace
    >>> from geoad.evaluation import write_map
    >>> from geoad.sample import AnomalyMap
    >>> masks = {"test/good/000": np.zeros((1, 4), bool), "test/hole/000": np.array([[True, False, False, False]])}
    >>> dataset = SimpleNamespace(
    ...     NAME="toy",
    ...     entries=[SimpleNamespace(name=name, kind=name.split("/")[1]) for name in masks],
    ...     mask=lambda i: list(masks.values())[i],
    ...     label=lambda i: i,
    ... )
    >>> with tempfile.TemporaryDirectory() as maps:
    ...     for name, mask in masks.items():
    ...         write_map(f"{maps}/{name}.tiff", AnomalyMap(mask.astype(float)))
    ...     rows = evaluate_maps(maps, dataset, limits=[0.3])
    >>> {row["metric"]: row["value"] for row in rows if row["metric"] in ("au_pro", "image_auroc")}
    {'au_pro': 1.0, 'image_auroc': 1.0}
    """
    return evaluate_folder(folder, dataset, Settings(**settings), category=category, method=method, seed=seed).rows


def evaluate_folder(
    folder: str | Path,
    dataset: Dataset,
    settings: Settings | None = None,
    *,
    category: str | None = None,
    method: str | None = None,
    seed: int | None = None,
) -> Evaluation:
    """Return all numbers of FOLDER[/CATEGORY]/test/<kind>/<stem>.tiff (.tif, .npy), whoever made the maps.

    Metrics: au_pro, au_roc, au_iou for each limit, pixel_auroc, pixel_ap (average precision), aupimo; image_auroc,
    image_ap, image_best_f1, image_best_balanced_accuracy, as kind_… for each kind of defect against good; with a
    threshold, what it achieves. A part's score is what scores.json beside the maps says, or, without such a file, the
    maximum of its map. `method` and `seed` only label the rows.

    If no defective sample has a mask, pixel metrics are NaN, with a warning; so are metrics of one class alone. Another
    warning names defective samples whose mask is empty: their pixels count as good. Raises ValueError that names the
    file or sample: a map missing, of no sample, damaged, with NaN or of another size than its mask; a mask that only
    some defective samples have.

    >>> evaluate_folder("no such folder", type("Empty", (), {"entries": []}))
    Traceback (most recent call last):
    ValueError: no such folder: no sample to compare with: the dataset is empty
    """
    settings = settings or Settings()
    stored = MapFolder(folder, dataset, category=category)
    maps, masks = _sources(stored, DatasetMasks(dataset), settings)
    names, labels = [entry.name for entry in dataset.entries], [dataset.label(i) for i in range(len(dataset.entries))]
    readings = _Readings(settings)
    ranking = rank_pixels(
        maps, masks, connectivity=settings.connectivity, limits=settings.limits, names=names, **readings.next()
    )
    own = read_scores(stored.folder, names)
    if own is not None:
        ranking = replace(ranking, maxima=own)
    unmarked = _has_no_masks(names, labels, ranking.marked)
    blank = _blank_masks(names, labels, ranking.marked, settings.mode)
    areas = np.full(len(names), np.nan) if unmarked else _recalls(maps, masks, blank, **readings.next())
    mode = COMMUNITY if settings.mode == COMMUNITY else "exact"
    rows = [*pixel_rows(ranking, settings.limits, settings.mode, settings.connectivity)]
    rows.append(row("aupimo", _mean(areas), mode=mode))
    rows += image_rows(ranking.maxima, labels, [entry.kind for entry in dataset.entries], mode)
    if (threshold := settings.threshold) is not None:
        options = {"connectivity": settings.connectivity, **readings.next()}
        found = None if unmarked else decide_pixels(maps, masks, threshold.value, **options)
        rows += threshold_rows(threshold, found, ranking.maxima, labels)
    profiles = None
    if settings.resamples:
        profiles = profile_images(maps, masks, ranking, connectivity=settings.connectivity, **readings.next())
        profiles = replace(profiles, labels=np.array(labels) > 0)
        drawn = bootstrap(profiles, limits=settings.limits, image_areas=areas, resamples=settings.resamples)
        rows = add_intervals(rows, drawn, settings.resamples)
    facts = {"method": method, "source": "geoad", "dataset": getattr(dataset, "NAME", None), "category": category}
    facts |= {"seed": seed, "images": len(names), "regions": ranking.regions, "resized": settings.resize}
    facts |= {"image_score": "maximum" if own is None else "own"}
    return Evaluation([{**facts, **each} for each in rows], ranking, areas, profiles)


def _has_no_masks(names: Sequence[str], labels: Sequence[int], marked: NDArray[np.int64]) -> bool:
    """Whether no defective sample has a mask; raise ValueError if only some have none."""
    unmarked = [name for name, label, count in zip(names, labels, marked, strict=True) if label and count < 0]
    if unmarked and len(unmarked) < sum(labels):
        raise ValueError(f"{unmarked[0]}: a defective sample without mask, while others have one: add the mask")
    return bool(unmarked)


def _blank_masks(names: Sequence[str], labels: Sequence[int], marked: NDArray[np.int64], mode: str) -> set[int]:
    """Return which defective samples have a mask that marks no pixel; warn that their pixels are taken for good."""
    blank = [i for i, (label, count) in enumerate(zip(labels, marked, strict=True)) if label and not count]
    if blank:
        others = f" and {len(blank) - 1} more" if len(blank) > 1 else ""
        size = f" at {SIDE}x{SIDE}" if mode == COMMUNITY else ""
        told = f"no pixel of the mask is marked{size}: all count as good, and AUPIMO leaves them out"
        warnings.warn(f"{names[blank[0]]}{others}: defective, but {told}", RuntimeWarning, stacklevel=3)
    return set(blank)


def _recalls(maps: Any, masks: Any, blank: set[int], **how: Any) -> NDArray[np.float64]:
    """Return the AUPIMO of each image; NaN of those whose masks are `blank`, which are no good images either."""
    chosen = [i for i in range(len(maps)) if i not in blank]
    areas = np.full(len(maps), np.nan)
    areas[chosen] = aupimo(Chosen(maps.__getitem__, chosen), Chosen(masks.__getitem__, chosen), **how)
    return areas


class DatasetMasks(Sequence[NDArray[np.bool_] | None]):
    """The masks of a dataset, each read when asked for; a good sample with a marked pixel is refused.

    >>> from types import SimpleNamespace
    >>> entry = SimpleNamespace(name="test/good/000")
    >>> DatasetMasks(SimpleNamespace(entries=[entry], label=lambda i: 0, mask=lambda i: np.eye(2)))[0]
    Traceback (most recent call last):
    ValueError: test/good/000: a good sample with 2 marked pixels: mend mask or kind
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset.entries)

    def __getitem__(self, i: Any) -> Any:
        if i >= len(self):
            raise IndexError(i)  # which ends a loop over them; `mask` of somebody's dataset may not
        mask = self.dataset.mask(i)
        if mask is not None and mask.any() and not self.dataset.label(i):
            name, count = self.dataset.entries[i].name, np.count_nonzero(mask)
            raise ValueError(f"{name}: a good sample with {count} marked pixels: mend mask or kind")
        return mask


def mean_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the unweighted means over the categories, one row for each metric, limit, mode, method and seed.

    [] for rows of a single category or without categories: those are their own mean. Kinds of defects and thresholds
    are a category's own and have none. NaN in one category makes the mean NaN.

    >>> rows = [{"category": c, "metric": "au_pro", "value": v} for c, v in (("bagel", 0.75), ("rope", 0.25))]
    >>> mean_rows(rows)
    [{'category': 'mean', 'metric': 'au_pro', 'value': 0.5}]
    """
    own = ("category", "value", "images", "regions", *NOT_OF_MEANS)
    groups: dict[tuple[tuple[str, Any], ...], list[Row]] = {}
    for each in rows:
        if each.get("kind") is None:
            groups.setdefault(tuple((key, value) for key, value in each.items() if key not in own), []).append(each)
    means = []
    for group in groups.values():
        if len({each["category"] for each in group}) > 1:
            first = {key: value for key, value in group[0].items() if key not in NOT_OF_MEANS}
            sums: Row = {key: sum(each[key] for each in group) for key in ("images", "regions") if key in group[0]}
            value = float(np.mean([each["value"] for each in group]))
            means.append({**first, "category": MEAN, **sums, "value": value})
    return means


def _sources(maps: MapFolder, masks: DatasetMasks, settings: Settings) -> tuple[Any, Any]:
    """Return maps and masks as the settings want them."""
    fitted: Sequence[Any] | Resized = maps_at_mask_size(maps, masks) if settings.resize else maps
    if settings.mode == COMMUNITY:
        return community_maps(fitted), community_masks(masks)
    return fitted, masks


def _mean(areas: NDArray[np.float64]) -> float:
    return float(np.nanmean(areas)) if np.isfinite(areas).any() else float("nan")


class _Readings:
    """Counts the readings of one metric after another as one."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.done, self.before = settings, 0, 0

    def next(self) -> dict[str, Any]:
        """Return keywords of the next metric that reads maps."""
        self.before = self.done
        return {"jobs": self.settings.jobs, "progress": self._tell}

    def _tell(self, images: int) -> None:
        self.done = self.before + images
        if self.settings.progress is not None:
            self.settings.progress(self.done)
