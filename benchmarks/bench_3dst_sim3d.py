"""3D-ST on the ten categories of sim3d: `python benchmarks/bench_3dst_sim3d.py SCANS [--teachers …] [--seeds 0,1,2]`.

SCANS is made by `geoad data make sim3d SCANS --size tiny`. A cell is a teacher, a category and a seed: the student is
trained at the thesis's resolution (64 000 points, k = 32) with `StudentTeacher3D.quick()`, and exact
AU-PRO at native size, image AUROC by the 0.99 quantile and by the maximum, and CPU seconds of one thread become rows.
A teacher is the name of a shipped one, a path, or "random": the same network as it starts, another for each seed. Rows
are written as soon as they are known and a second run does the missing ones, and those of a teacher that has changed
since. Writes benchmarks/results/3dst_sim3d.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from geoad.data import open_dataset
from geoad.data.sim3d import CATEGORIES
from geoad.descriptors.teacher import WEIGHTS, Teacher, save_teacher
from geoad.detectors import make_detector
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.evaluation.results import environment, write_json
from geoad.metrics import au_pro, pixel_auroc, roc_auc
from geoad.nn.local_features import LocalFeatures
from geoad.training import Trainer

RESULTS = Path(__file__).parent / "results" / "3dst_sim3d.json"
LIMITS = (0.05, 0.3)
SETTINGS: dict[str, Any] = {**StudentTeacher3D.quick(), "image_quantile": 0.99}


def random_teacher(seed: int, folder: str, width: int = 64) -> str:
    """Write a teacher that has learnt nothing, and return its path."""
    path = f"{folder}/random{seed}.safetensors"
    torch.manual_seed(1000 + seed)
    save_teacher(path, Teacher(LocalFeatures(width), 32))
    return path


def digest(teacher: str) -> str | None:
    """Return the beginning of the SHA-256 of a teacher's file, None for random ones."""
    if teacher == "random":
        return None
    path = Path(teacher) if teacher.endswith(".safetensors") else WEIGHTS / f"{teacher}.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def measure(scans: str, teacher: str, category: str, seed: int) -> list[dict[str, Any]]:
    """Fit and score one cell; return its rows."""
    train, validation, test = (
        open_dataset("sim3d", scans, category=category, split=split) for split in ("train", "validation", "test")
    )
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        file = random_teacher(seed, folder) if teacher == "random" else teacher
        detector = make_detector("3d-st", teacher=file, **SETTINGS)
        detector.fit(train, validation=validation, trainer=Trainer(device="cpu", seed=seed, memory=8e9))
    fitted = time.process_time()
    maps = [detector.score(sample) for sample in test]
    scored = time.process_time()
    masks, labels = ([read(i) for i in range(len(test))] for read in (test.mask, test.label))
    pixels = [each.pixels for each in maps]
    found: dict[tuple[str, float | None], float] = {
        ("au_pro", limit): value for limit, value in au_pro(pixels, masks, limit=LIMITS).items()
    }
    found["pixel_auroc", None] = pixel_auroc(pixels, masks)
    found["image_auroc", None] = roc_auc([each.score for each in maps], labels)
    found["image_auroc_maximum", None] = roc_auc([float(np.max(each)) for each in pixels], labels)
    found["fit_cpu_s", None], found["score_cpu_s", None] = fitted - began, (scored - fitted) / len(test)
    facts = {"method": "3d-st", "teacher": teacher, "teacher_sha256": digest(teacher), "dataset": "sim3d"}
    facts |= {"category": category, "seed": seed}
    return [
        {**facts, "metric": metric, "limit": limit, "mode": "exact", "value": round(float(value), 5)}
        for (metric, limit), value in found.items()
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """The mean over seeds of AU-PRO at 0.3 and 0.05 and image AUROC, a line a teacher and metric."""
    lines = []
    keys = dict.fromkeys((row["teacher"], row["metric"], row["limit"]) for row in rows)
    for teacher, metric, limit in keys:
        mine = [row for row in rows if (row["teacher"], row["metric"], row["limit"]) == (teacher, metric, limit)]
        seeds = {row["seed"] for row in mine}
        by_category = {name: [row["value"] for row in mine if row["category"] == name] for name in CATEGORIES}
        means = {name: mean(values) for name, values in by_category.items() if values}
        cells = " ".join(f"{means[name]:.3f}" if name in means else "  -  " for name in CATEGORIES)
        name = f"{teacher} {metric}{'' if limit is None else f'@{limit}'}"
        lines.append(f"{name:34} {cells}  mean {mean(means.values()):.3f} of {len(means)}, {len(seeds)} seeds")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scans")
    parser.add_argument("--teachers", default="3d-st-64,random")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--categories", default=",".join(CATEGORIES))
    given = parser.parse_args()
    torch.set_num_threads(1)
    manifest = json.loads((Path(given.scans) / "manifest.json").read_text())
    data = {key: manifest[key] for key in ("simulator", "size", "seed")}
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows = before.get("rows", []) if before.get("data") == data and before.get("params") == SETTINGS else []
    rows = [row for row in rows if row["teacher_sha256"] == digest(row["teacher"])]
    command = " ".join(["python", "benchmarks/bench_3dst_sim3d.py", *sys.argv[1:]])
    done = {(row["teacher"], row["category"], row["seed"]) for row in rows}
    for seed in map(int, given.seeds.split(",")):
        for category in given.categories.split(","):
            for teacher in given.teachers.split(","):
                if (teacher, category, seed) not in done:
                    rows += measure(given.scans, teacher, category, seed)
                    print(
                        teacher, category, seed, *(f"{row['metric']} {row['value']}" for row in rows[-7:]), flush=True
                    )
                    facts = {**environment(), "command": command, "data": data, "params": SETTINGS}
                    write_json(RESULTS, {**facts, "rows": rows})
    print(table(rows))


if __name__ == "__main__":
    main()
