"""`geoad evaluate`: numbers from maps on disk, whoever made them."""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from geoad._optional import need
from geoad._whole_file import check_place
from geoad.cli.arguments import LOCO, Data, UsageError, asked_categories, one_line
from geoad.cli.own_results import check_results, digest_asked, remove_beside
from geoad.cli.warnings_in_a_line import warn
from geoad.data import open_dataset
from geoad.data.dataset import Dataset, is_in_dataset
from geoad.data.loco_regions import LocoTest, list_loco_categories
from geoad.evaluation import (
    Evaluation,
    Settings,
    against_published,
    evaluate_folder,
    evaluate_loco,
    format_table,
    mean_rows,
    write_curves,
    write_results,
)
from geoad.evaluation.map_folder import MapFolder
from geoad.evaluation.rows import Row
from geoad.evaluation.run import Run, read_threshold
from geoad.evaluation.text_table import Cell, table
from geoad.metrics import compare
from geoad.training.progress import progress_bar

LIMITS, LOCO_LIMITS = (0.05, 0.3), (0.05,)
DRAWS = 1000
SHOWN = ("au_pro", "au_spro", "pixel_auroc", "aupimo", "image_auroc", "image_ap")
DECIDED = ("pixel_fpr", "pixel_tpr", "pro", "image_tpr", "image_tnr")


def run(arguments: Namespace) -> int:
    """Print tables, and write metrics.json, metrics.csv and the curves."""
    if arguments.bootstrap == 1:
        raise UsageError("--bootstrap needs 2 draws or more, 1000 for instance")
    if arguments.versus and not arguments.bootstrap:
        arguments.bootstrap = DRAWS
    arguments.limits = arguments.limits or (LOCO_LIMITS if arguments.data.name == LOCO else LIMITS)
    categories, rows, versus, told = _categories(arguments), list[Row](), list[Row](), list[str]()
    _check_before(arguments, categories)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        for category in categories:
            others = dict(_evaluate(arguments, arguments.versus, category)) if arguments.versus else {}
            for subset, found in _evaluate(arguments, arguments.maps, category):
                rows += found.rows
                _draw(Path(arguments.out), found, category, subset)
                versus += _versus(arguments, found, others.get(subset), category, subset)
            for warning in caught[len(told) :]:
                told.append(": ".join(word for word in (category, one_line(str(warning.message))) if word))
    for text in dict.fromkeys(told):
        warn(text)
    rows += mean_rows(rows)
    remove_beside(Path(arguments.out))  # they are of the numbers that they lie beside, or not there
    written = _write(arguments, rows)
    for metrics in (SHOWN, DECIDED):
        if shown := [row for row in rows if row["metric"] in metrics]:
            print(format_table(shown) + "\n")
    if arguments.versus:
        _write(arguments, versus, "versus")
        _print_versus(arguments, versus)
    if arguments.against:
        _print_published(arguments, rows)
    print(f"{written}, metrics.csv and curves beside it")
    return 0


def _check_before(arguments: Namespace, categories: Sequence[str | None]) -> None:
    """Find before hours of computing what would be found after them: no place for results, maps that are missing."""
    out = Path(arguments.out)
    check_place(out)
    need("matplotlib", "draw curves")
    check_results(arguments)
    for category in categories:
        named = _open_test(arguments.data, category)
        for maps in filter(None, (arguments.maps, arguments.versus)):
            MapFolder(maps, named, category=category)
    if any(is_in_dataset(out, arguments.data.root, category) for category in [None, *categories]):
        raise FileExistsError(f"{out}: is the dataset, or in it: choose another folder for the results")
    _check_threshold(arguments, categories)


def _check_threshold(arguments: Namespace, categories: Sequence[str | None]) -> None:
    """Read the thresholds of all categories; warn if it is that of a run that was fitted to another."""
    if not arguments.threshold:
        return
    if arguments.data.name == LOCO:
        raise UsageError("--threshold is not for mvtec-loco")
    for category in categories:
        read_threshold(arguments.threshold, category)
    run = Path(arguments.threshold)
    if (run / "config.json").is_file():
        fitted = Run.open(run).config.get("category")
        if fitted and (others := [str(category) for category in categories if category != fitted]):
            warn(f"{run} was fitted to {fitted}, and its threshold is tried on {', '.join(others)}")


def _open_test(data: Data, category: str | None) -> Dataset | LocoTest:
    if data.name == LOCO:
        return LocoTest(data.root, str(category))
    return open_dataset(data.name, data.root, category=category, split="test")


def _write(arguments: Namespace, rows: Sequence[Row], beside: str = "") -> Path:
    """Write numbers into the folder of results, or into one beside them; return the JSON's path."""
    written, _ = write_results(Path(arguments.out, beside), rows, arguments.command, asked=digest_asked(arguments))
    return written


def _categories(arguments: Namespace) -> list[str | None]:
    name, root = arguments.data
    if name != LOCO:
        return asked_categories(arguments.data, arguments.category)
    if arguments.category is not None:
        return [arguments.category]
    if not (found := list_loco_categories(root)):
        raise FileNotFoundError(f"{root}: no category with a defects_config.json: give the root of MVTec LOCO AD")
    return [*found]


def _evaluate(arguments: Namespace, maps: str, category: str | None) -> Iterator[tuple[str | None, Evaluation]]:
    """Yield the evaluation of a category; of MVTec LOCO AD those of both subsets and their mean."""
    name, root = arguments.data
    settings = _settings(arguments, category)
    method = Path(maps).resolve().name
    if name == LOCO:
        assert category is not None
        yield from evaluate_loco(maps, root, category, settings, method=method)
        return
    dataset = open_dataset(name, root, category=category, split="test")
    with progress_bar() as bar:
        bar.start(f"maps of {category or name}", settings.readings * len(dataset), 0)
        told = replace(settings, progress=lambda done: bar.advance(done, ""))
        found = evaluate_folder(maps, dataset, told, category=category, method=method)
    yield None, found


def _settings(arguments: Namespace, category: str | None) -> Settings:
    return Settings(
        limits=arguments.limits,
        mode=arguments.mode,
        connectivity=arguments.connectivity,
        resize=arguments.resize,
        threshold=read_threshold(arguments.threshold, category) if arguments.threshold else None,
        resamples=arguments.bootstrap,
        jobs=arguments.jobs,
    )


def _draw(out: Path, found: Evaluation, category: str | None, subset: str | None) -> None:
    """Write the picture of the curves; the mean of two subsets has none."""
    if subset != "mean":
        name = "-".join(word for word in (category, subset) if word) or "curves"
        overlap = "saturated per-region overlap" if subset else "per-region overlap"
        write_curves(out / "curves" / f"{name}.png", found.ranking, name.replace("-", ", "), overlap)


def _versus(
    arguments: Namespace, found: Evaluation, other: Evaluation | None, category: str | None, subset: str | None
) -> Iterator[Row]:
    """Yield the paired comparisons with the other maps."""
    if other is None or found.profiles is None:
        return
    assert other.profiles is not None
    areas = None if subset else (found.image_areas, other.image_areas)
    draws = {"limits": arguments.limits, "image_areas": areas, "resamples": arguments.bootstrap}
    for (metric, limit), each in compare(found.profiles, other.profiles, **draws).items():
        name = metric.replace("au_pro", "au_spro") if subset else metric
        row = {"category": category, "subset": subset, "metric": name, "limit": limit, "a": found.rows[0]["method"]}
        row |= {"b": other.rows[0]["method"], "resamples": arguments.bootstrap, "value": each.difference}
        yield {**row, "low": each.interval.low, "high": each.interval.high, "p": each.p}


def _print_versus(arguments: Namespace, rows: Sequence[Row]) -> None:
    a, b = (Path(maps).resolve().name for maps in (arguments.maps, arguments.versus))
    print(f"{a} minus {b}, {arguments.bootstrap} draws of the same images (p: two-sided)")
    cells: list[list[Cell]] = []
    for row in rows:
        if row["metric"] in SHOWN:
            place = " ".join(word for word in (row["category"], row["subset"]) if word) or "-"
            cells.append([place, _name(row), row["value"], row["low"], row["high"], row["p"]])
    print(table(["category", "metric", "difference", "low", "high", "p"], cells) + "\n")


def _print_published(arguments: Namespace, rows: Sequence[Row]) -> None:
    """Print published means beside ours, or the categories where there is no mean, and write all of them."""
    found = against_published(rows, arguments.data.name, arguments.mode)
    if found.rows:
        _write(arguments, found.rows, "published")
        means = [row for row in found.rows if row["category"] == "mean"] or found.rows
        cells = [_published_line(row) for row in means]
        print(table(["published", "source", "category", "metric", "value", "ours", "protocol"], cells))
    print("\n".join(found.notes) + "\n")


def _published_line(row: Row) -> list[Cell]:
    place = [row["method"], row["source"], row["category"], _name(row)]
    return [*place, row["value"], row["ours"], row["protocol"]]


def _name(row: Row) -> str:
    return str(row["metric"]) + (f"@{row['limit']:g}" if row["limit"] else "")
