"""3D-ST on the ten categories of sim3d: `python benchmarks/bench_3dst_sim3d.py SCANS [--teachers …] [--seeds 0,1,2]`.

SCANS is made by `geoad data make sim3d SCANS --size tiny`. A cell is a teacher, a category and a seed: the student is
trained at the thesis's resolution (64 000 points, k = 32) with the defaults of `StudentTeacher3D`, and exact
AU-PRO at native size, image AUROC by the 0.99 quantile and by the maximum, and CPU seconds of one thread become rows.
A teacher is the name of a shipped one, a path, a function of points such as fpfh_open3d:fpfh, or "random": the
network of the shipped ones as it starts, another for each seed. Rows are written as soon as they are known and a second
run does the missing ones, and those of a teacher that has changed since; several processes may share the work by
`--categories`. Writes benchmarks/results/3dst_sim3d.json.

`--variant thesis` trains as the thesis does, 100 epochs of Adam on whole clouds (20 CPU minutes a cell), and scores
each student twice: "plain" as the thesis, "normalised" as the defaults do. `bank` is the teacher's memory bank, without
training; `steps100` and `steps400` are the defaults with so many steps; `ensemble` and `scales` are the defaults with
three students, and with one for k = 16 and one for 32. `moved` has the defaults learn and score scans of a camera that
stands elsewhere each time, and scores each student with `normalise` and `smooth` and without. Each has a file of
results of its own, 3dst_sim3d_<variant>.json.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from operator import itemgetter
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from common import command, data_of, splits, truth
from earlier import earlier_rows
from scipy.spatial.transform import Rotation

from geoad._lock import locked
from geoad.data import Dataset
from geoad.data.sim3d import CATEGORIES
from geoad.descriptors.teacher import WEIGHTS, Teacher
from geoad.detectors import make_detector
from geoad.detectors.points.point_detector import PointDetector
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.evaluation.results import environment, write_json
from geoad.geometry.xyz_image import XYZImage
from geoad.metrics import au_pro, pixel_auroc, roc_auc
from geoad.nn.local_features import LocalFeatures
from geoad.sample import Sample
from geoad.training import Trainer

Facts: TypeAlias = dict[str, Any]
RESULTS = Path(__file__).parent / "results"
LIMITS = (0.05, 0.3)
IMAGE = {"image_quantile": 0.99}
SCORES = {"normalise": True, "smooth": 2, **IMAGE}
BOTH = ("plain", "normalised")


class Variant(NamedTuple):
    """A file of results, a detector and its keywords, and the kinds of scores that are measured."""

    file: str
    keywords: Facts
    method: str = "3d-st"
    kinds: tuple[str, ...] = ("normalised",)
    moved: bool = False


VARIANTS = {
    "defaults": Variant("3dst_sim3d.json", IMAGE),
    "thesis": Variant("3dst_sim3d_thesis.json", {**StudentTeacher3D.thesis(), **SCORES}, kinds=BOTH),
    "ensemble": Variant("3dst_sim3d_ensemble.json", {**IMAGE, "students": 3}),
    "scales": Variant("3dst_sim3d_scales.json", {**IMAGE, "k": [16, 32]}),
    "moved": Variant("3dst_sim3d_moved.json", IMAGE, kinds=BOTH, moved=True),
    "steps100": Variant("3dst_sim3d_steps100.json", {**IMAGE, "steps": 100}),
    "steps400": Variant("3dst_sim3d_steps400.json", {**IMAGE, "steps": 400}),
    "bank": Variant("3dst_sim3d_bank.json", SCORES, "feature-bank", BOTH),
}
KEY = itemgetter("teacher", "scores", "metric", "limit")


def settings(variant: Variant) -> Facts:
    """Return every keyword of a variant's detector but the teacher."""
    config = make_detector(variant.method, **variant.keywords).config
    return {name: value for name, value in config.items() if name != "teacher"}


def random_teacher(seed: int, folder: str, width: int = 64) -> str:
    """Write a teacher that has learnt nothing, and return its path."""
    path = f"{folder}/random{seed}.safetensors"
    torch.manual_seed(1000 + seed)
    Teacher(LocalFeatures(width), 32).save(path)
    return path


def digest(teacher: str) -> str | None:
    """Return the beginning of the SHA-256 of a teacher's file, None for random ones and where there is none."""
    path = Path(teacher) if teacher.endswith(".safetensors") else WEIGHTS / f"{teacher}.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.exists() else None


def moved(sample: Sample) -> Sample:
    """Return a scan as if the camera stood elsewhere: turned, tilted by some 10 degrees, shifted by some cm."""
    assert sample.xyz is not None
    rng = np.random.default_rng(zlib.crc32(str(sample.name).encode()))
    tilt = Rotation.from_rotvec(np.deg2rad([*rng.normal(0, 10, 2), 0]))
    turn = tilt * Rotation.from_rotvec([0, 0, rng.uniform(0, 2 * np.pi)])
    valid, points = sample.xyz.valid, sample.xyz.xyz.astype(np.float64)
    centre = points[valid].mean(0)
    points[valid] = turn.apply(points[valid] - centre) + centre + rng.normal(0, 0.03, 3)
    return replace(sample, xyz=XYZImage(points.astype(np.float32)), camera=None)


def measure(scans: str, variant: Variant, teacher: str, category: str, seed: int) -> list[Facts]:
    """Fit and score one cell; return its rows."""
    train, validation, test = splits(scans, category)
    seen: list[Sequence[Sample]] = [train, validation, test]
    if variant.moved:
        seen = [[moved(sample) for sample in split] for split in seen]
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        file = random_teacher(seed, folder) if teacher == "random" else teacher
        detector = make_detector(variant.method, teacher=file, **variant.keywords)
        assert isinstance(detector, PointDetector)
        detector.fit(seen[0], validation=seen[1], trainer=Trainer(device="cpu", seed=seed, memory=8e9))
    fitted = time.process_time() - began
    facts = {"method": variant.method, "teacher": teacher, "teacher_sha256": digest(teacher), "dataset": "sim3d"}
    here = environment()
    facts |= {"category": category, "seed": seed, "commit": here["commit"], "machine": here["machine"]}
    level, smooth, rows = detector.level, detector.smooth, []
    for kind in variant.kinds:
        detector.level, detector.smooth = (None, 0) if kind == "plain" else (level, smooth)
        found = {**figures(detector, seen[2], test), ("fit_cpu_s", None): fitted}
        rows += [
            {**facts, "scores": kind, "metric": metric, "limit": limit, "mode": "exact", "value": round(value, 5)}
            for (metric, limit), value in found.items()
        ]
    return rows


def figures(detector: PointDetector, scans: Sequence[Sample], test: Dataset) -> dict[tuple[str, float | None], float]:
    """Score the test scans; return figures by metric and limit."""
    began = time.process_time()
    maps = [detector.score(sample) for sample in scans]
    scored = time.process_time() - began
    masks, labels = truth(test)
    pixels = [each.pixels for each in maps]
    return {
        **{("au_pro", limit): float(value) for limit, value in au_pro(pixels, masks, limit=LIMITS).items()},
        ("pixel_auroc", None): float(pixel_auroc(pixels, masks)),
        ("image_auroc", None): float(roc_auc([each.score for each in maps], labels)),
        ("image_auroc_maximum", None): float(roc_auc([float(np.max(each)) for each in pixels], labels)),
        ("score_cpu_s", None): scored / len(test),
    }


def kept_rows(path: Path, data: Facts, keywords: Facts) -> list[Facts]:
    """Return a file's rows that were made with teachers as they are now; exit if it is of other data or keywords."""
    rows = earlier_rows(path, data=data, params=keywords)
    return [row for row in rows if digest(row["teacher"]) in (None, row["teacher_sha256"])]


def add_rows(path: Path, data: Facts, keywords: Facts, rows: Sequence[Facts]) -> None:
    """Add rows to a file that other processes may add to as well."""
    with locked(path.parent, wait=True):
        whole = [*kept_rows(path, data, keywords), *rows]
        write_json(path, {**environment(), "command": command(), "data": data, "params": keywords, "rows": whole})


def table(rows: Sequence[Facts]) -> str:
    """The mean over seeds of AU-PRO at 0.3 and 0.05 and image AUROC, a line a teacher and metric."""
    lines = []
    keys = dict.fromkeys(map(KEY, rows))
    for key in keys:
        mine = [row for row in rows if KEY(row) == key]
        teacher, scores, metric, limit = key
        seeds = {row["seed"] for row in mine}
        by_category = {name: [row["value"] for row in mine if row["category"] == name] for name in CATEGORIES}
        means = {name: mean(values) for name, values in by_category.items() if values}
        cells = " ".join(f"{means[name]:.3f}" if name in means else "  -  " for name in CATEGORIES)
        name = f"{teacher} {scores} {metric}{'' if limit is None else f'@{limit}'}"
        lines.append(f"{name:45} {cells}  mean {mean(means.values()):.3f} of {len(means)}, {len(seeds)} seeds")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scans")
    parser.add_argument("--variant", default="defaults", choices=list(VARIANTS))
    parser.add_argument("--teachers", default="3d-st-64,random")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--categories", default=",".join(CATEGORIES))
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder (default: benchmarks/results)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = data_of(given.scans)
    variant = VARIANTS[given.variant]
    path, made_of = given.out / variant.file, (data, settings(variant))
    asked = [words.split(",") for words in (given.seeds, given.categories, given.teachers)]
    for seed, category, teacher in product(*asked):
        done = {(row["teacher"], row["category"], row["seed"]) for row in kept_rows(path, *made_of)}
        if (teacher, category, int(seed)) not in done:
            rows = measure(given.scans, variant, teacher, category, int(seed))
            add_rows(path, *made_of, rows)
            print(teacher, category, seed, *(f"{row['metric']} {row['value']}" for row in rows), flush=True)
    print(table(kept_rows(path, *made_of)))


if __name__ == "__main__":
    main()
