"""What the benchmark ends with: the thesis's tables with our numbers beside its own, and its figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from geoad._whole_file import write_whole
from geoad.evaluation.limit_picture import write_limit_curves
from geoad.evaluation.published import SIMULATED, published_mean, published_values
from geoad.evaluation.rows import Rows
from geoad.evaluation.text_table import Cell, table
from geoad.evaluation.thesis_3d import LATENTS, METHODS
from geoad.evaluation.thesis_3d_means import shared_means
from geoad.evaluation.thesis_3d_orderings import orderings

TABLES = {("au_pro", 0.3): "AU-PRO@0.3 (table 9.3)", ("image_auroc", None): "image AUROC (table 9.4)"}


def report(out: Path, rows: Rows, budget: str, missing: Sequence[str] = ()) -> str:
    """Write report.txt and limits.png into `out`, and return the text."""
    dataset = rows[0]["dataset"]
    lines = list(_head(rows, budget))
    usual = [row for row in rows if row["key"] in METHODS]
    for (metric, limit), title in TABLES.items():
        lines += ["", *_main_table(title, [row for row in usual if (row["metric"], row["limit"]) == (metric, limit)])]
    if pairs := _pairs(usual):
        head = ["", "source", dataset, "in categories", "in seeds", "thesis"]
        said = "over all its categories and without colours the thesis has the first above the second"
        lines += ["", f"AU-PRO@0.3, pair by pair ({said})", table(head, pairs)]
    lines += _latent_table(rows)
    lines += ["", "CPU seconds of a cell, mean", table(["method", "source", "seconds"], _seconds(usual))]
    picture = out / "limits.png"
    write_limit_curves(picture, _curves(usual), f"{dataset}: {budget.partition(':')[0]}")
    lines += ["", f"{picture}: mean AU-PRO by integration limit, over what the first table's means are (figure 9.6)"]
    if any(out.glob("cells/*/*/*/reconstruction.png")):
        lines += [f"{out / 'cells'}/*/*/*/reconstruction.png: scans and their reconstructions (figure 9.7)"]
    lines += ["", *_warned(rows), *(f"failed: {text}" for text in missing)]
    text = "\n".join(lines).rstrip() + "\n"
    write_whole(out / "report.txt", text.encode(errors="backslashreplace"))
    return text


def _head(rows: Rows, budget: str) -> Iterator[str]:
    """Yield what all the numbers have in common, and what some may not: the code and the machine."""
    dataset, seeds = rows[0]["dataset"], sorted({row["seed"] for row in rows})
    numbers = ", ".join(map(str, seeds))
    protocol = "exact curves at native size, 8-connected regions (the thesis's text: 4)"
    yield f"{dataset}, seed{'s' * (len(seeds) > 1)} {numbers}; {protocol}"
    precision = rows[0].get("precision", "32-true")
    yield budget if precision == "32-true" else f"{budget}; trained in {precision}"
    if dataset in SIMULATED:
        yield f"thesis: numbers on MVTec 3D-AD, beside those on simulated {dataset}, not comparable with them"
    for what, keys in {"commit": ("begun_at", "commit"), "machine": ("machine",)}.items():
        if found := list(dict.fromkeys(row[key] for row in rows for key in keys if key in row)):
            yield f"cells of {len(found)} {what}{'s' * (len(found) > 1)}: {'; '.join(found)}"


def _warned(rows: Rows) -> Iterator[str]:
    """Yield each row's warning once, and in how many cells it came: another protocol, perhaps, than the table's."""
    told: dict[str, dict[tuple[Any, ...], str]] = {}
    for row in rows:
        for text in row.get("warned", ()):
            told.setdefault(row["key"], {}).setdefault((row["category"], row["seed"]), text)
    for key, texts in told.items():
        yield f"warned of {key} in {len(texts)} cell{'s' * (len(texts) > 1)}: {next(iter(texts.values()))}"


def _main_table(title: str, rows: Rows) -> list[str]:
    """Return a line a method with the means over the seeds, and one with the thesis's numbers below."""
    if not rows:
        return [title, "no numbers"]
    means = shared_means(rows, lambda row: row["key"])
    categories = list(dict.fromkeys(row["category"] for row in rows))
    dataset, metric, limit = (rows[0][key] for key in ("dataset", "metric", "limit"))
    body: list[list[Cell]] = []
    for key, mean in means.lines.items():
        name, source = METHODS[key].name, METHODS[key].source
        body.append([name, source, dataset, *(means.cells.get((key, category)) for category in categories), mean])
        if theirs := published_values(name, source, metric, limit):
            beside = {category: theirs.get(category) for category in categories}
            body.append([name, source, "thesis", *beside.values(), published_mean(theirs, means.categories)])
    head = ["method", "source", "", *(category or "all" for category in categories), "mean"]
    return [title + means.note, table(head, body)]


def _latent_table(rows: Rows) -> list[str]:
    """Return a line a method and a column a latent dimension, nothing where only one was measured."""
    areas = [row for row in rows if (row["metric"], row["limit"], row["source"]) == ("au_pro", 0.3, "3D")]
    areas = [row for row in areas if "latent" in row["params"] and (row["method"], 128) in LATENTS]
    if all(row["key"] in METHODS for row in areas):
        return []
    means = shared_means(areas, lambda row: (row["method"], row["params"]["latent"]))
    latents = sorted({row["params"]["latent"] for row in areas})
    body: list[list[Cell]] = []
    for name in dict.fromkeys(row["method"] for row in areas):
        body.append([name, rows[0]["dataset"], *(means.lines.get((name, latent)) for latent in latents)])
        body.append([name, "thesis", *(LATENTS.get((name, latent)) for latent in latents)])
    title = f"mean AU-PRO@0.3 by latent dimension (table 9.5){means.note}; thesis: over all its categories"
    return ["", title, table(["method", "", *map(str, latents)], body)]


def _pairs(rows: Rows) -> list[list[Cell]]:
    """Return a line for each pair of methods that the thesis compares."""
    body: list[list[Cell]] = []
    for each in orderings(rows):
        ours, theirs = (f"{a:.3f} {'>' if a > b else '≤'} {b:.3f}" for a, b in (each.means, each.thesis))
        where = (f"{some} of {whole}" for some, whole in (each.categories, each.seeds))
        body.append([" > ".join(each.names), each.source, ours, *where, theirs])
    return body


def _seconds(rows: Rows) -> list[list[Cell]]:
    """Return the mean CPU seconds of a row's cells; a cell that was interrupted is left out."""
    body: list[list[Cell]] = []
    for key in dict.fromkeys(row["key"] for row in rows):
        whole = {
            (row["category"], row["seed"]): row["cpu_s"] for row in rows if row["key"] == key and not row["resumed"]
        }
        body.append([METHODS[key].name, METHODS[key].source, fmean(whole.values()) if whole else None])
    return body


def _curves(rows: Rows) -> dict[tuple[str, str], dict[float, float]]:
    """Return the mean AU-PRO of each row of the table by limit."""
    curves: dict[tuple[str, str], dict[float, float]] = {}
    areas = [row for row in rows if row["metric"] == "au_pro"]
    for limit in sorted({row["limit"] for row in areas}):
        means = shared_means([row for row in areas if row["limit"] == limit], lambda row: row["key"])
        for key, mean in means.lines.items():
            if mean is not None:
                curves.setdefault((METHODS[key].name, METHODS[key].source), {})[limit] = mean
    return curves
