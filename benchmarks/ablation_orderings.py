"""The orderings that section 10.4 of Bergmann's thesis claims, held against measured rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import log
from statistics import mean, stdev
from typing import Any

from ablation_variants import BASE, SWEEPS

Row = Mapping[str, Any]
Groups = Mapping[str, Mapping[str, str]]
Rule = Callable[[Sequence[float]], bool]
ALIKE = 0.03  # of AU-PRO: two teachers do equally well
COSTS = {"score_cpu_s": "CPU seconds a scan grow", "score_peak_bytes": "memory of scoring grows"}


class Table:
    """Rows by variant: one number a seed, the mean over the categories that all the compared variants have."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows: dict[str, dict[tuple[int, str], Row]] = {}
        for row in rows:
            self.rows.setdefault(row["variant"], {})[row["seed"], row["category"]] = row

    def seeds(self, names: Sequence[str], key: str = "value") -> dict[str, list[float]]:
        """Return {name: [its mean of each seed]}, the lists empty where the names have no category in common."""
        cells = set.intersection(*(set(self.rows.get(name, ())) for name in names)) if names else set()
        numbers = sorted({seed for seed, _ in cells})
        shared = set.intersection(*({c for s, c in cells if s == seed} for seed in numbers)) if numbers else set()
        return {
            name: [mean(number(self.rows[name][seed, category], key) for category in shared) for seed in numbers]
            if shared
            else []
            for name in names
        }


def number(row: Row, key: str) -> float:
    """Return a field of a row; "@0.1" is AU-PRO at that limit."""
    return float(row["limits"][key[1:]] if key.startswith("@") else row[key])


def spread(values: Sequence[float]) -> float:
    """Return the standard deviation over seeds, 0 of a single one."""
    return stdev(values) if len(values) > 1 else 0.0


def orderings(rows: Sequence[Row], groups: Groups) -> list[dict[str, Any]]:
    """Return what the thesis claims: {"figure", "claim", "values": {name: {"mean", "spread"}}, "seeds", "holds"}.

    `holds` is about the means over seeds, None where cells are missing; `seeds` says in how many it holds.
    """
    table = Table(rows)
    others = [name for _, name in _compared(groups, "limits")]
    return [
        *_limits(table, others),
        *(claim for axis in SWEEPS for claim in _sweep(table, axis, groups.get(axis, {}), others)),
        *(_worse(table, label, name) for label, name in _compared(groups, "strategy")),
        *(_alike(table, label, name) for label, name in _compared(groups, "pretraining")),
        *(claim for label, name in _compared(groups, "features") for claim in _features(table, label, name, others)),
    ]


def _compared(groups: Groups, group: str) -> Iterator[tuple[str, str]]:
    return ((label, name) for label, name in groups.get(group, {}).items() if name != BASE)


def _claim(figure: str, text: str, values: Mapping[str, Sequence[float]], rule: Rule) -> dict[str, Any]:
    """Hold a rule about the values, in their order, against the means and against each seed."""
    runs = list(zip(*values.values(), strict=True))
    shown = {name: {"mean": round(mean(v), 4), "spread": round(spread(v), 4)} for name, v in values.items() if v}
    holds = rule([mean(v) for v in values.values()]) if runs else None
    seeds = f"{sum(map(rule, runs))} of {len(runs)}"
    return {"figure": figure, "claim": text, "values": shown, "seeds": seeds, "holds": holds}


def _limits(table: Table, others: Sequence[str]) -> Iterator[dict[str, Any]]:
    """3D-ST is above every other method at every integration limit."""
    some = next(iter(table.rows.get(BASE, {}).values()), None)
    for limit in some["limits"] if some and others else ():
        values = table.seeds([BASE, *others], f"@{limit}")
        yield _claim("10.6", f"3d-st above all others at limit {limit}", values, lambda run: run[0] > max(run[1:]))


def _sweep(table: Table, axis: str, labels: Mapping[str, str], others: Sequence[str]) -> Iterator[dict[str, Any]]:
    """AU-PRO grows with a size and saturates, always above other methods; time and memory grow faster than the size."""
    symbol, sizes = SWEEPS[axis], sorted(labels, key=int)
    names = [labels[size] for size in sizes]
    if len(sizes) > 1:
        values = table.seeds(names)
        yield _claim("10.7", f"AU-PRO grows with {symbol}", values, lambda run: all(a < b for a, b in pairwise(run)))
        if len(sizes) > 2:
            text = f"AU-PRO saturates with {symbol}: the last gain is below the first"
            yield _claim("10.7", text, values, lambda run: run[-1] - run[-2] < run[1] - run[0])
        ratio = log(int(sizes[-1]) / int(sizes[-2]))
        for key, what in COSTS.items():
            costs = table.seeds(names[-2:], key)
            yield _claim("10.7", f"{what} faster than {symbol}", costs, lambda run: log(run[1] / run[0]) > ratio)
    if sizes and others:
        text, count = f"every {symbol} above all other methods", len(names)
        values = table.seeds([*names, *others])
        yield _claim("10.7", text, values, lambda run: min(run[:count]) > max(run[count:]))


def _worse(table: Table, label: str, name: str) -> dict[str, Any]:
    return _claim("10.8", f"{label}: worse", table.seeds([name, BASE]), lambda run: run[0] < run[1])


def _alike(table: Table, label: str, name: str) -> dict[str, Any]:
    text = f"pretrained on {label}: within {ALIKE} of the baseline"
    return _claim("10.8", text, table.seeds([name, BASE]), lambda run: abs(run[0] - run[1]) <= ALIKE)


def _features(table: Table, label: str, name: str, others: Sequence[str]) -> Iterator[dict[str, Any]]:
    yield _worse(table, f"features of {label}", name)
    if others:
        text = f"features of {label}: above all other methods"
        yield _claim("10.8", text, table.seeds([name, *others]), lambda run: run[0] > max(run[1:]))


def show(claims: Sequence[Mapping[str, Any]]) -> str:
    """Return the claims that were measured as lines of text."""
    words = {True: "yes", False: "NO"}
    lines = []
    for claim in claims:
        if claim["holds"] is None:
            continue
        values = ", ".join(f"{name} {v['mean']:.4g} ± {v['spread']:.2g}" for name, v in claim["values"].items())
        lines.append(f"{words[claim['holds']]:4}{claim['figure']}  {claim['claim']} ({claim['seeds']} seeds): {values}")
    return "\n".join(lines)
