"""The results of 3D-ST on sim3d as tables: `python benchmarks/tables_3dst.py [--write]`.

Reads benchmarks/results/3dst_sim3d.json and sim3d_ranking.json and prints two tables, by category and by seed; --write
puts them into docs/3d-st.md, between their marks. Seeds that lack a cell are left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from marked import put_between

from geoad.data.sim3d import CATEGORIES

RESULTS = Path(__file__).resolve().parent / "results"
DOCUMENT = RESULTS.parents[1] / "docs" / "3d-st.md"
TEACHERS = {"3d-st-64": "pretrained", "random": "random teacher"}
PEERS = ("voxel-vm", "depth-vm")
METRICS: dict[tuple[str, float | None], str] = {
    ("au_pro", 0.3): "AU-PRO@0.3",
    ("au_pro", 0.05): "AU-PRO@0.05",
    ("image_auroc", None): "image AUROC, 0.99 quantile",
    ("image_auroc_maximum", None): "image AUROC, maximum",
}
Value = Callable[[str], float]
"""A figure by category."""


class Results:
    """The rows of `bench_3dst_sim3d.py`; `seeds` are those of which both teachers have every category."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.found = {(r["teacher"], r["metric"], r["limit"], r["category"], r["seed"]): r["value"] for r in rows}
        whole = [
            {seed for *place, seed in self.found if place == [teacher, "au_pro", 0.3, category]}
            for teacher in TEACHERS
            for category in CATEGORIES
        ]
        self.seeds = sorted(set.intersection(*whole))

    def value(self, teacher: str, metric: tuple[str, float | None], seeds: Sequence[int]) -> Value:
        """Return the mean over seeds of a figure, by category."""
        return lambda category: mean(self.found[teacher, *metric, category, seed] for seed in seeds)


def by_category(results: Results, peers: Sequence[dict[str, Any]]) -> str:
    """Return a row for each figure and teacher, and for each variation model."""
    lines = [f"| | {' | '.join(CATEGORIES)} | mean |", "|---" * (len(CATEGORIES) + 2) + "|"]
    for metric, said in METRICS.items():
        for teacher, name in TEACHERS.items():
            lines.append(_line(f"{name}, {said}", results.value(teacher, metric, results.seeds)))
        if metric == ("au_pro", 0.3):
            lines += [_line(f"{method}, {said}", _peer(peers, method)) for method in PEERS]
    return "\n".join(lines)


def by_seed(results: Results, peers: Sequence[dict[str, Any]]) -> str:
    """Return a row for each seed: both teachers' means, and in how many categories 3D-ST is above what."""
    head = ["seed", *(f"{name}, @{limit}" for limit in (0.3, 0.05) for name in TEACHERS.values())]
    head += ["above random at 0.3, at 0.05", "above both variation models at 0.3"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for seed in results.seeds:
        cells, won = [], []
        for limit in (0.3, 0.05):
            ours, random = (results.value(teacher, ("au_pro", limit), [seed]) for teacher in TEACHERS)
            cells += [f"{mean(map(value, CATEGORIES)):.3f}" for value in (ours, random)]
            won.append(_wins(ours, random))
        ours = results.value("3d-st-64", ("au_pro", 0.3), [seed])
        above = _wins(ours, *(_peer(peers, method) for method in PEERS))
        lines.append(f"| {seed} | {' | '.join(cells)} | {', '.join(won)} | {above} |")
    return "\n".join(lines)


def _line(name: str, value: Value) -> str:
    values = [value(category) for category in CATEGORIES]
    return f"| {name} | {' | '.join(f'{each:.3f}' for each in (*values, mean(values)))} |"


def _peer(rows: Sequence[dict[str, Any]], method: str) -> Value:
    found = {
        r["category"]: r["value"] for r in rows if (r["method"], r["metric"], r["limit"]) == (method, "au_pro", 0.3)
    }
    return found.__getitem__


def _wins(ours: Value, *others: Value) -> str:
    won = sum(all(ours(category) > other(category) for other in others) for category in CATEGORIES)
    return f"{won} of {len(CATEGORIES)}"


def tables() -> dict[str, str]:
    """Return the tables by the names of their marks."""
    rows, peers = (
        json.loads((RESULTS / name).read_text())["rows"] for name in ("3dst_sim3d.json", "sim3d_ranking.json")
    )
    results = Results(rows)
    return {"categories": by_category(results, peers), "seeds": by_seed(results, peers)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/3d-st.md")
    given = parser.parse_args()
    for name, text in tables().items():
        print(text, end="\n\n")
        if given.write:
            put_between(DOCUMENT, name, text)


if __name__ == "__main__":
    main()
