"""MVTec LOCO AD: saturated overlap, structural and logical defects apart, and their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from geoad.data.dataset import GOOD
from geoad.data.loco_regions import KINDS, LocoTest
from geoad.evaluation.chosen import Chosen
from geoad.evaluation.evaluate import Evaluation, Settings
from geoad.evaluation.map_folder import MapFolder
from geoad.evaluation.part_scores import read_scores
from geoad.evaluation.published import MEAN
from geoad.evaluation.rows import NOT_OF_MEANS, Row, add_intervals, image_rows, row
from geoad.metrics import PixelRanking, Profiles, bootstrap, rank_saturated
from geoad.metrics.defects import find_saturated
from geoad.metrics.passes import Source
from geoad.metrics.profiles import profile_source
from geoad.metrics.saturation import checked_regions

NAME = "mvtec-loco"
SUBSETS = {"structural_anomalies": "structural", "logical_anomalies": "logical"}


def evaluate_loco(
    folder: str | Path, root: str | Path, category: str, settings: Settings | None = None, *, method: str | None = None
) -> list[tuple[str, Evaluation]]:
    """Return (subset, evaluation) of "structural" and "logical" defects, each with all good images, and their "mean".

    Maps are FOLDER/CATEGORY/test/<kind>/<stem>.tiff (.tif, .npy) of the masks' size. Metrics: au_spro for each limit,
    pixel_auroc, image_auroc and the other image metrics; `settings` may ask for limits, jobs, progress and resamples,
    and for no other mode. The mean has rows alone. Source: thesis sections 6.3 and 6.4.

    >>> evaluate_loco("maps", "no such folder", "pushpins")
    Traceback (most recent call last):
    FileNotFoundError: no such folder/pushpins/test: no such folder: give the root of MVTec LOCO AD and a category
    """
    settings = settings or Settings(limits=(0.05,))
    if (settings.mode, settings.connectivity) != ("exact", 8) or settings.resize or settings.threshold is not None:
        told = "mode, connectivity, resize, threshold do not fit"
        raise ValueError(f"saturated overlap is evaluated exactly, at native size, a region an annotation: {told}")
    test = LocoTest(root, category)
    maps = MapFolder(folder, test, category=category)
    facts = {"method": method, "source": "geoad", "dataset": NAME, "category": category, "seed": None}
    done = []
    for kind in KINDS:
        found = _evaluate_subset(maps, test, kind, settings)
        subset = SUBSETS[kind]
        rows = [{**facts, "subset": subset, "images": len(found.image_areas), **each} for each in found.rows]
        done.append((subset, replace(found, rows=rows)))
    mean = _mean_of_subsets([evaluation.rows for _, evaluation in done])
    return [*done, (MEAN, replace(done[0][1], rows=mean, profiles=None))]


def _evaluate_subset(maps: MapFolder, test: LocoTest, kind: str, settings: Settings) -> Evaluation:
    """Evaluate the good images and those of one kind."""
    chosen = [i for i, entry in enumerate(test.entries) if entry.kind in (GOOD, kind)]
    own = read_scores(maps.folder, [entry.name for entry in test.entries])
    mine, regions = Chosen(maps.__getitem__, chosen), Chosen(test.regions, chosen)
    names, kinds = ([getattr(test.entries[i], part) for i in chosen] for part in ("name", "kind"))
    ranking = rank_saturated(
        mine, regions, limits=settings.limits, names=names, jobs=settings.jobs, progress=settings.progress
    )
    if own is not None:
        ranking = replace(ranking, maxima=own[chosen])
    labels = [int(each != GOOD) for each in kinds]
    rows = list(_overlap_rows(ranking, settings.limits))
    rows += [each for each in image_rows(ranking.maxima, labels, kinds) if not each["kind"]]
    profiles: Profiles | None = None
    if settings.resamples:
        source = Source(mine, regions, names, checked_regions)
        profiles = profile_source(source, find_saturated, ranking, settings.jobs)
        drawn = bootstrap(profiles, limits=settings.limits, resamples=settings.resamples)
        drawn |= {("au_spro", limit): drawn["au_pro", limit] for limit in settings.limits}
        rows = add_intervals(rows, drawn, settings.resamples)
    rows = [{**each, "image_score": "maximum" if own is None else "own"} for each in rows]
    return Evaluation(rows, ranking, np.full(len(chosen), np.nan), profiles)


def _overlap_rows(ranking: PixelRanking, limits: Sequence[float]) -> list[Row]:
    areas = ranking.au_pro(limits)
    return [
        *(row("au_spro", area, limit=limit) for limit, area in areas.items()),
        row("pixel_auroc", ranking.auroc),
    ]


def _mean_of_subsets(parts: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the mean of both subsets, row by row."""
    means = []
    for rows in zip(*parts, strict=True):
        first = {key: value for key, value in rows[0].items() if key not in NOT_OF_MEANS}
        value = float(np.mean([each["value"] for each in rows]))
        means.append({**first, "subset": MEAN, "images": None, "value": value})
    return means
