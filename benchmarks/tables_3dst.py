"""The results of 3D-ST on sim3d as tables: `python benchmarks/tables_3dst.py [--write]`.

Reads 3dst_sim3d.json, 3dst_sim3d_1500.json, 3dst_sim3d_steps400.json and
3dst_sim3d_steps100.json (fewer steps), 3dst_sim3d_thesis.json (the thesis's training),
3dst_sim3d_scales.json (two values of k), 3dst_sim3d_bank.json (no training), 3dst_sim3d_moved.json (a camera that
moves) and sim3d_ranking.json in benchmarks/results and prints tables by category, seed and training, and of
3dst_ablations.json what was held against the thesis's claims; --write puts them into docs/3d-st.md, between their
marks. A teacher's seeds that lack a category are left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from marked import put_between

from geoad.data.sim3d import CATEGORIES

RESULTS = Path(__file__).resolve().parent / "results"
DOCUMENT = RESULTS.parents[1] / "docs" / "3d-st.md"
TEACHERS = {"3d-st-64": "pretrained", "random": "random teacher"}
OTHERS = {
    "d = 128": "3d-st-128",
    "the thesis's teacher": "3d-st-64-thesis",
    "FPFH as the teacher": "fpfh_open3d:fpfh",
    "both side by side": "geoad.descriptors:teacher_fpfh",
}
BUDGETS = {
    "100": "3dst_sim3d_steps100.json",
    "400": "3dst_sim3d_steps400.json",
    "1 500": "3dst_sim3d_1500.json",
    "3 000": "3dst_sim3d.json",
}
LIMITS = (0.3, 0.05)
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
    """The rows of `bench_3dst_sim3d.py`; `seeds` are those of which a teacher has every category."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.found = {(r["teacher"], r["metric"], r["limit"], r["category"], r["seed"]): r["value"] for r in rows}
        self.seeds = {teacher: self._whole(teacher) for teacher in TEACHERS}

    def _whole(self, teacher: str) -> list[int]:
        return sorted(set.intersection(*(self.seeds_of(teacher, category) for category in CATEGORIES)))

    def seeds_of(self, teacher: str, category: str) -> set[int]:
        """Return the seeds that a teacher has in a category."""
        return {seed for *place, seed in self.found if place == [teacher, "au_pro", 0.3, category]}

    def value(self, teacher: str, metric: tuple[str, float | None], seeds: Sequence[int]) -> Value:
        """Return the mean over seeds of a figure, by category."""
        return lambda category: mean(self.found[teacher, *metric, category, seed] for seed in seeds)


def by_category(results: Results, peers: Sequence[dict[str, Any]]) -> str:
    """Return a row for each figure and teacher, and for each variation model."""
    lines = [f"| | {' | '.join(CATEGORIES)} | mean |", "|---" * (len(CATEGORIES) + 2) + "|"]
    for metric, said in METRICS.items():
        for teacher, seeds in results.seeds.items():
            if seeds:
                name = f"{TEACHERS[teacher]}, {said}, {_seeds(seeds)}"
                lines.append(_line(name, results.value(teacher, metric, seeds)))
        if metric == ("au_pro", 0.3):
            lines += [_line(f"{method}, {said}", _peer(peers, method)) for method in PEERS]
    return "\n".join(lines)


def by_seed(results: Results, peers: Sequence[dict[str, Any]]) -> str:
    """Return a row for each seed: the teachers' means, and in how many categories 3D-ST is above what."""
    teachers = [teacher for teacher, seeds in results.seeds.items() if seeds]
    head = ["seed", *(f"{TEACHERS[teacher]}, @{limit}" for limit in LIMITS for teacher in teachers)]
    head += ["above both variation models at 0.3"]
    head += [f"above random at {limit}" for limit in LIMITS] if len(teachers) > 1 else []
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for seed in sorted({seed for seeds in results.seeds.values() for seed in seeds}):
        value = partial(results.value, seeds=[seed])
        have = {teacher: seed in results.seeds[teacher] for teacher in teachers}
        cells = [_mean(value(t, ("au_pro", limit))) if have[t] else "" for limit in LIMITS for t in teachers]
        ours = value("3d-st-64", ("au_pro", 0.3))
        cells.append(_wins(ours, *(_peer(peers, method) for method in PEERS)) if have.get("3d-st-64") else "")
        for limit in LIMITS if len(teachers) > 1 else ():
            pair = [value(teacher, ("au_pro", limit)) for teacher in teachers]
            cells.append(_wins(*pair) if all(have.values()) else "")
        lines.append(f"| {seed} | {' | '.join(cells)} |")
    return "\n".join(lines)


def by_budget(results: Mapping[str, Results]) -> str:
    """Return a row for each limit and number of steps: pretrained and random teacher, where all have seed 0."""
    shared = [
        name for name in CATEGORIES if all(0 in each.seeds_of(t, name) for each in results.values() for t in TEACHERS)
    ]
    lines = [f"| | steps | {' | '.join(shared)} | mean |", "|---" * (len(shared) + 3) + "|"]
    for limit in LIMITS:
        for steps, each in results.items():
            values = [each.value(teacher, ("au_pro", limit), [0]) for teacher in TEACHERS]
            pairs = [[value(name) for value in values] for name in shared]
            cells = [
                ", ".join(f"{value:.3f}" for value in pair) for pair in (*pairs, map(mean, zip(*pairs, strict=True)))
            ]
            lines.append(f"| AU-PRO@{limit} | {steps} | {' | '.join(cells)} |")
    return "\n".join(lines)


def by_training(results: Mapping[str, Results]) -> str:
    """Return a row for each way to learn from the pretrained teacher and to score, over the seeds that all have."""
    seeds = sorted(set.intersection(*(set(each.seeds["3d-st-64"]) for each in results.values())))
    lines = [f"| | {' | '.join(CATEGORIES)} | mean |", "|---" * (len(CATEGORIES) + 2) + "|"]
    for metric, said in METRICS.items() if seeds else ():
        for name, each in results.items():
            lines.append(_line(f"{name}, {said}, {_seeds(seeds)}", each.value("3d-st-64", metric, seeds)))
    return "\n".join(lines)


def side_by_side(results: Mapping[str, Results]) -> str:
    """Return a row for each category: AU-PRO over the seeds that all have."""
    head = [f"{name}, @{limit}" for limit in LIMITS for name in results]
    lines = [f"| | seeds | {' | '.join(head)} |", "|---" * (len(head) + 2) + "|"]
    for category in CATEGORIES:
        known = [each.seeds_of("3d-st-64", category) for each in results.values()]
        seeds = sorted(set.intersection(*known))
        if seeds:
            values = [e.value("3d-st-64", ("au_pro", limit), seeds) for limit in LIMITS for e in results.values()]
            cells = " | ".join(f"{value(category):.3f}" for value in values)
            lines.append(f"| {category} | {', '.join(map(str, seeds))} | {cells} |")
    return "\n".join(lines)


def claims(orderings: Sequence[dict[str, Any]]) -> str:
    """Return a row for each claim of the thesis that was measured; of those about every limit, the usual two."""
    lines = ["| figure | the thesis | here | in seeds | means |", "|---|---|---|---|---|"]
    for claim in orderings:
        limit = claim["claim"].partition(" at limit ")[2]
        if claim["holds"] is not None and (not limit or float(limit) in LIMITS):
            values = ", ".join(f"{name} {_quantity(value['mean'])}" for name, value in claim["values"].items())
            holds, text = "yes" if claim["holds"] else "**no**", claim["claim"].replace("|", r"\|")
            lines.append(f"| {claim['figure']} | {text} | {holds} | {claim['seeds']} | {values} |")
    return "\n".join(lines)


def _quantity(value: float) -> str:
    """Return a share or seconds as they are, bytes in megabytes."""
    return f"{value:.3f}" if value < 1e3 else f"{value / 1e6:.0f} MB"


def _mean(value: Value) -> str:
    return f"{mean(map(value, CATEGORIES)):.3f}"


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


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
    peers, whole = _rows("sim3d_ranking.json"), Results(_rows("3dst_sim3d.json"))
    half = Results(_rows("3dst_sim3d_1500.json"))
    trainings = {**_both("thesis", "thesis, scores as the defaults", "3dst_sim3d_thesis.json"), "defaults": whole}
    trainings |= {"defaults, k = 16 and 32": Results(_rows("3dst_sim3d_scales.json"))}
    others = {f"defaults, {said}": _taught_by(teacher) for said, teacher in OTHERS.items()}
    trainings |= {name: each for name, each in others.items() if each.seeds["3d-st-64"]}
    trainings |= _both("memory bank", "memory bank, scores as the defaults", "3dst_sim3d_bank.json")
    return {
        "trainings": by_training(trainings),
        "both trainings": side_by_side({name: trainings[name] for name in ("thesis", "defaults")}),
        "a camera that moves": side_by_side(_both("thesis's scores", "the defaults'", "3dst_sim3d_moved.json")),
        "categories": by_category(whole, peers),
        "seeds": by_seed(whole, peers),
        "seeds of 1500 steps": by_seed(half, peers),
        "budgets": by_budget({steps: Results(_rows(file)) for steps, file in BUDGETS.items()}),
        "claims": claims(json.loads((RESULTS / "3dst_ablations.json").read_text())["orderings"]),
    }


def _both(plain: str, normalised: str, file: str) -> dict[str, Results]:
    """Return the results of the thesis's and of the defaults' scores, under these names."""
    kinds = {"plain": plain, "normalised": normalised}
    return {said: Results([row for row in _rows(file) if row["scores"] == kind]) for kind, said in kinds.items()}


def _taught_by(teacher: str) -> Results:
    """Return the results of the defaults with another teacher, as if it were the usual one."""
    return Results([{**r, "teacher": "3d-st-64"} for r in _rows("3dst_sim3d.json") if r["teacher"] == teacher])


def _rows(file: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((RESULTS / file).read_text())["rows"]
    return rows


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
