"""Do methods rank on sim3d as on MVTec 3D-AD? `python benchmarks/sim3d_ranking.py SCANS [--methods …]`.

SCANS is made by `geoad data make sim3d SCANS --size tiny`. Every method is fitted to every category of it, and the
exact AU-PRO@0.3 of its maps stands beside the published one (tables 9.3 and 10.1 of Bergmann's thesis, 3D data
only, 3D-ST with 64 features). Spearman's rho is taken over methods x categories, and within
each method and each category. A row is written as soon as it is known, and a second run does the missing ones: it may
be stopped. Writes benchmarks/results/sim3d_ranking.json. One thread; 3D-ST takes about two CPU minutes a category.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from common import command, data_of, splits, truth
from earlier import earlier_rows
from scipy.stats import spearmanr

from geoad.data.sim3d import CATEGORIES
from geoad.detectors import make_detector
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.evaluation.published import published_values
from geoad.evaluation.results import environment, write_json
from geoad.evaluation.thesis_3d import METHODS
from geoad.metrics import au_pro
from geoad.training import Trainer

RESULTS = Path(__file__).parent / "results" / "sim3d_ranking.json"
# 3D-ST: 600 steps of Adam on whole clouds of an eighth of the thesis's points; the others as the thesis has them
SETTINGS: dict[str, dict[str, Any]] = {
    "voxel-vm": {},
    "depth-vm": {},
    "3d-st": {
        **StudentTeacher3D.thesis(),
        "points": 8192,
        "epochs": None,
        "steps": 600,
        "learning_rate": 4e-3,
        "decay": True,
    },
}


def measure(scans: str, method: str, category: str) -> dict[str, Any]:
    """Fit and score one method on one category."""
    began = time.process_time()
    train, validation, test = splits(scans, category)
    detector = make_detector(method, **SETTINGS[method])
    detector.fit(train, validation=validation, trainer=Trainer(device="cpu", seed=0))
    maps = [detector.score(sample).pixels for sample in test]
    return {
        "method": method,
        "params": SETTINGS[method],
        "dataset": "sim3d",
        "category": category,
        "seed": 0,
        "metric": "au_pro",
        "limit": 0.3,
        "mode": "exact",
        "value": float(au_pro(maps, truth(test)[0], limit=0.3)),
        "cpu_s": round(time.process_time() - began, 1),
    }


def published() -> dict[tuple[str, str], float]:
    """The table of the original by (method, category)."""
    found = {method: published_values(METHODS[method].name, "3D", "au_pro", 0.3) for method in SETTINGS}
    return {(method, name): values[name] for method, values in found.items() for name in CATEGORIES}


def agreement(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Spearman's rho between ours and the published values: over all cells, within methods, within categories."""
    theirs = published()
    cells = [(row["method"], row["category"], row["value"], theirs[row["method"], row["category"]]) for row in rows]

    def rho(part: list[tuple[str, str, float, float]]) -> float | None:
        values = [cell[2] for cell in part], [cell[3] for cell in part]
        return None if len(part) < 3 else round(float(spearmanr(*values).statistic), 3)

    methods, names = (list(dict.fromkeys(cell[i] for cell in cells)) for i in (0, 1))
    by_category = {name: rho([cell for cell in cells if cell[1] == name]) for name in names}
    known = [value for value in by_category.values() if value is not None]
    return {
        "cells": len(cells),
        "rho": rho(cells),
        "rho_within_method": {method: rho([cell for cell in cells if cell[0] == method]) for method in methods},
        "rho_of_methods_by_category": by_category,
        "mean_rho_of_methods": round(mean(known), 3) if known else None,
    }


def show(rows: list[dict[str, Any]]) -> None:
    theirs = published()
    ours = {(row["method"], row["category"]): row["value"] for row in rows}
    for method in dict.fromkeys(row["method"] for row in rows):
        for name, values in (("sim3d", ours), ("published", theirs)):
            cells = " ".join(f"{values.get((method, category), float('nan')):.3f}" for category in CATEGORIES)
            print(f"{method:9} {name:9} {cells}")
    print(json.dumps(agreement(rows), indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scans")
    parser.add_argument("--methods", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="file (default: benchmarks/results/sim3d_ranking.json)"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = data_of(arguments.scans)
    rows = earlier_rows(arguments.out, data=data)
    rows = [row for row in rows if row["params"] == SETTINGS.get(row["method"])]
    done = {(row["method"], row["category"]) for row in rows}
    for cell in [(method, category) for method in arguments.methods for category in CATEGORIES]:
        if cell not in done:
            rows.append(measure(arguments.scans, *cell))
            print(*cell, f"{rows[-1]['value']:.3f} ({rows[-1]['cpu_s']:.0f} CPU s)", flush=True)
            write_json(
                arguments.out, {**environment(), "command": command(), "data": data, **agreement(rows), "rows": rows}
            )
    show(rows)


if __name__ == "__main__":
    main()
