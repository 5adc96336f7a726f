"""Figures 10.6 to 10.8 of Bergmann's thesis, drawn from measured rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from ablation_orderings import Groups, Row, Table, number, spread
from ablation_variants import BASE, SWEEPS

from geoad._optional import need
from geoad._whole_file import write_whole

MARK = 0.3  # the limit at which everything else is compared
STRIPES = {"strategy": "training strategy", "pretraining": "pretraining dataset", "features": "feature extractor"}
COSTS = {
    "score_cpu_s": ("CPU seconds a scan", 1.0, "-"),
    "fit_peak_bytes": ("memory, GB", 1e-9, "--"),
    "score_peak_bytes": ("memory, GB", 1e-9, "-"),
}


def draw(rows: Sequence[Row], groups: Groups, stem: Path) -> list[Path]:
    """Write STEM_limits.png, STEM_sizes.png and STEM_teachers.png; return their paths."""
    need("matplotlib", "draw benchmarks")
    table, paths = Table(rows), []
    others = [name for name in groups.get("limits", {}).values() if name != BASE and name in table.rows]
    for name, picture in (("limits", _limits), ("sizes", _sizes), ("teachers", _teachers)):
        figure = picture(table, groups, others)
        paths.append(stem.with_name(f"{stem.name}_{name}.png"))
        write_whole(paths[-1], partial(figure.savefig, format="png", dpi=110))
    return paths


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _limits(table: Table, groups: Groups, _: Sequence[str]) -> Any:
    """Mean AU-PRO over the integration limit, a line a method."""
    figure = _figure(5.5, 4)
    axes = figure.subplots()
    for label, name in groups.get("limits", {}).items():
        if name in table.rows:
            limits = list(next(iter(table.rows[name].values()))["limits"])
            _line(
                axes,
                [float(limit) for limit in limits],
                [_all(table, name, f"@{limit}") for limit in limits],
                label=label,
            )
    axes.axvline(MARK, color="0.5", linestyle=":")
    axes.set(xlabel="integration limit", ylabel="mean AU-PRO", xlim=(0, None), ylim=(0, 1))
    axes.grid(alpha=0.3)
    if axes.containers:
        axes.legend()
    return figure


def _sizes(table: Table, groups: Groups, others: Sequence[str]) -> Any:
    """A column each for |P|, d and k: AU-PRO above, time and memory below."""
    figure = _figure(10, 7.5)
    panels = figure.subplots(3, len(SWEEPS), sharex="col", sharey="row")
    for column, (axis, symbol) in zip(panels.T, SWEEPS.items(), strict=True):
        sizes = [size for size in sorted(groups.get(axis, {}), key=int) if groups[axis][size] in table.rows]
        names, places = [groups[axis][size] for size in sizes], [int(size) for size in sizes]
        _line(column[0], places, [_all(table, name) for name in names], label="3d-st")
        for other in others:
            column[0].axhline(mean(_all(table, other)), color="0.5", linestyle="--")
        for key, (label, unit, style) in COSTS.items():
            panel = column[1 if key == "score_cpu_s" else 2]
            values = [[unit * value for value in _all(table, name, key)] for name in names]
            _line(panel, places, values, style, label="training" if key.startswith("fit") else "scoring")
            panel.set_ylabel(label if axis == "points" else "")
        column[0].set(ylim=(0, 1), ylabel="mean AU-PRO" if axis == "points" else "")
        column[2].set(xlabel=symbol, xscale="log", xticks=places, xticklabels=sizes)
        column[2].minorticks_off()
        for panel in column:
            panel.grid(alpha=0.3)
    panels[2, 0].legend()
    for row in panels[1:, 0]:  # once all columns are drawn, for they share it
        row.set_ylim(bottom=0)
    if others:
        figure.suptitle(f"dashed above: {', '.join(others)}", fontsize="small")
    return figure


def _teachers(table: Table, groups: Groups, others: Sequence[str]) -> Any:
    """Bars of AU-PRO: how the teacher was trained, on what, and who it is."""
    figure = _figure(11, 4)
    panels = figure.subplots(1, len(STRIPES), sharey=True)
    for panel, (group, title) in zip(panels, STRIPES.items(), strict=True):
        bars = {label: _all(table, name) for label, name in groups.get(group, {}).items() if name in table.rows}
        colours = ["C0" if groups[group][label] == BASE else "0.6" for label in bars]
        heights, errors = [mean(values) for values in bars.values()], [spread(values) for values in bars.values()]
        panel.bar(range(len(bars)), heights, yerr=errors, color=colours, capsize=4)
        panel.set_xticks(range(len(bars)), [label.replace(" ", "\n") for label in bars])
        for other in others:
            panel.axhline(mean(_all(table, other)), color="0.3", linestyle="--", linewidth=1)
        panel.set(title=title, ylim=(0, 1))
        panel.grid(axis="y", alpha=0.3)
    panels[0].set_ylabel("mean AU-PRO")
    if others:
        figure.suptitle(f"dashed: {', '.join(others)}", fontsize="small")
    return figure


def _all(table: Table, name: str, key: str = "value") -> list[float]:
    """Return a variant's mean over categories, one number a seed."""
    seeds: dict[int, list[float]] = {}
    for (seed, _), row in sorted(table.rows[name].items()):
        seeds.setdefault(seed, []).append(number(row, key))
    return [mean(values) for values in seeds.values()]


def _line(axes: Any, places: Sequence[float], values: Sequence[Sequence[float]], style: str = "-", **look: Any) -> None:
    """Draw means with their spread over seeds."""
    means, errors = [mean(each) for each in values], [spread(each) for each in values]
    axes.errorbar(places, means, yerr=errors, fmt=style, marker=".", capsize=3, **look)
