"""The ablations of 3D-ST (figures 10.6 to 10.8 of Bergmann's thesis) on sim3d.

    python benchmarks/bench_3dst_ablations.py SCANS [--only points,strategy] [--seeds 0,1,2] [--categories bagel,foam]
    python benchmarks/bench_3dst_ablations.py --plot

SCANS is made by `geoad data make sim3d SCANS`. Students are trained and score as in the thesis, but for what a variant
or --set says. The sizes are by default the thesis's, which take weeks of one core; smaller ones:

    --points 8192 --steps 600 --set learning_rate=0.004 --set decay=True --sweep-points 2048,4096 \\
    --pretrain-points 16384 --pretrain-scenes 100 --pretrain-steps 1500 --pretrain-set optimizer=muon \\
    --pretrain-set decay=True --pretrain-set learning_rate=0.002

A cell is a variant, a category and a seed: a student is trained and its maps are evaluated. Every cell becomes a row as
soon as it is known (exact AU-PRO at native size at several limits, image AUROC, CPU seconds, the memory that training
and scoring add at most), and a second run does the missing ones. Width, k, absolute coordinates and the pretraining
source each need a teacher of their own. Those that `--teacher NAME=PATH` does not give (NAME: base, d32, k8, absolute,
or that of a --source) are pretrained into --cache, all with the same budget, each once: seeds differ in the student,
and in what a random teacher is. A file of other settings is not overwritten: choose another --out. The file's
"orderings" say which claims of the thesis hold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ablation_figures import draw
from ablation_orderings import orderings, show
from ablation_variants import GROUPS, SWEEPS, Plan, Variant, make_plan
from common import command, data_of, splits, truth

from geoad.bench.memory import CUDA_MEMORY_RULE, MEMORY_RULE, peak_memory
from geoad.cli.arguments import setting
from geoad.data import open_dataset
from geoad.data.sim3d import CATEGORIES
from geoad.descriptors.teacher import WEIGHTS, Teacher
from geoad.detectors import make_detector
from geoad.detectors.points.pretraining_job import pretrain
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.evaluation.results import environment, write_json
from geoad.metrics import au_pro, roc_auc
from geoad.training import Trainer

RESULTS = Path(__file__).parent / "results" / "3dst_ablations.json"
LIMITS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)
LIMIT = 0.3
OWN = {"fpfh": "fpfh_open3d:fpfh"}


def measure(
    scans: str, params: Mapping[str, Any], method: str, category: str, seed: int, device: str
) -> dict[str, Any]:
    """Fit and score one cell."""
    train, validation, test = splits(scans, category)
    detector = make_detector(method, **params)
    clock: dict[str, float] = {}
    maps: list[Any] = []

    def fit() -> None:
        began = time.process_time(), time.perf_counter()
        detector.fit(train, validation=validation, trainer=Trainer(device=device, seed=seed))
        clock["fit_cpu_s"], clock["fit_wall_s"] = time.process_time() - began[0], time.perf_counter() - began[1]

    def score() -> None:
        began = time.process_time(), time.perf_counter()
        maps.extend(detector.score(sample) for sample in test)
        clock["score_cpu_s"] = (time.process_time() - began[0]) / len(test)
        clock["score_wall_s"] = (time.perf_counter() - began[1]) / len(test)

    peaks = {"fit_peak_bytes": peak_memory(fit, device), "score_peak_bytes": peak_memory(score, device)}
    masks, labels = truth(test)
    curve = au_pro([each.pixels for each in maps], masks, limit=LIMITS)
    return {
        "category": category,
        "seed": seed,
        "metric": "au_pro",
        "limit": LIMIT,
        "mode": "exact",
        "value": round(float(curve[LIMIT]), 5),
        "limits": {f"{limit:g}": round(float(value), 5) for limit, value in curve.items()},
        "image_auroc": round(float(roc_auc([each.score for each in maps], labels)), 5),
        **{name: round(seconds, 3) for name, seconds in clock.items()},
        **peaks,
    }


class Teachers:
    """The files of the teachers: given, or pretrained when one is first asked for."""

    def __init__(self, given: Mapping[str, str], plan: Plan, budget: Mapping[str, Any], cache: Path, jobs: int) -> None:
        self._given, self._recipes, self._budget = given, plan.recipes, budget
        self._cache, self._jobs = cache, jobs

    def path(self, name: str) -> str:
        """Return what `3d-st` takes for this teacher."""
        if name in self._given:
            return self._given[name]
        keywords = {**self._recipes[name], **self._budget}
        digest = hashlib.sha256(json.dumps(keywords, sort_keys=True).encode()).hexdigest()[:8]
        folder = self._cache / f"{name}-{digest}"
        file = folder / f"3d-st-{keywords['width']}.safetensors"
        if not file.exists():
            print(f"pretraining the teacher {name} in {folder}", flush=True)
            return str(pretrain(folder, **keywords, jobs=self._jobs, device="cpu", progress=True))
        return str(file)

    def facts(self, name: str) -> dict[str, Any]:
        """Return what a result must say of the teacher (no path, which is one machine's), once it is what it should be.

        Raises ValueError for one of another width, k or kind of coordinates.
        """
        path = Path(self.path(name))
        teacher, wanted = Teacher.from_pretrained(path), {"coordinates": "relative", **self._recipes[name]}
        own = {"width": teacher.network.width, "k": teacher.k, "coordinates": teacher.network.coordinates}
        for key, value in own.items():
            if value != wanted[key]:
                raise ValueError(f"teacher {name} must have {key} {wanted[key]}, got {value} in {path}")
        file = path if path.suffix else WEIGHTS / f"{path.name}.safetensors"
        if name in self._given:
            how = {**own, "given": path.name}
        else:
            kind, _, folder = self._recipes[name]["source"].partition(":")
            how = {**self._recipes[name], **self._budget, "source": f"{kind} {Path(folder).name}".strip()}
        return {**how, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def run(given: argparse.Namespace, plan: Plan) -> None:
    """Measure the cells that are missing; the file is whole after each."""
    torch.set_num_threads(1)
    teachers = Teachers(dict(given.teacher), plan, _budget(given), Path(given.cache), given.jobs)
    before = json.loads(given.out.read_text()) if given.out.exists() else {}
    content = _content(given, plan, before)
    _check(plan, given.only, content["rows"])
    known: dict[str, Any] = content["teachers"]
    done = {(row["variant"], row["category"], row["seed"]) for row in content["rows"]}
    _warm_up(given)
    for seed in given.seeds:
        for name in plan.only(given.only):
            variant = plan.variants[name]
            for category in given.categories:
                if (name, category, seed) in done:
                    continue
                params = _params(variant, teachers, known)
                row = measure(given.scans, params, variant.method, category, seed, given.device)
                facts = {
                    "variant": name,
                    "method": variant.method,
                    "params": variant.params,
                    "teacher": variant.teacher,
                }
                content["rows"].append({**facts, "dataset": "sim3d", **row})
                print(f"{name:24} {category:12} seed {seed}  {row['value']:.3f}  {row['fit_cpu_s']:.0f} s", flush=True)
                write_json(given.out, {**content, "orderings": orderings(content["rows"], content["groups"])})


def _warm_up(given: argparse.Namespace) -> None:
    """Load and compile, so that the first cell does not pay for it."""
    scan = open_dataset("sim3d", given.scans, category=given.categories[0], split="train")[0]
    small = make_detector("3d-st", teacher="random", width=8, points=1000, k=8, steps=1)
    small.fit([scan], validation=[scan], trainer=Trainer(device=given.device)).score(scan)


def _check(plan: Plan, groups: list[str], rows: list[dict[str, Any]]) -> None:
    """Find before hours of work what cannot be made, and what earlier rows mean by the same name."""
    for name in plan.only(groups):
        variant = plan.variants[name]
        if variant.teacher is None:
            make_detector(variant.method, **variant.params)
        if any(row["variant"] == name and row["params"] != variant.params for row in rows):
            raise ValueError(f"{name} has other parameters in earlier rows: choose another --out")


def _params(variant: Variant, teachers: Teachers, known: dict[str, Any]) -> dict[str, Any]:
    """Return the detector's keywords; a teacher that was another one in earlier rows is an error."""
    if variant.teacher is None:
        return variant.params
    facts = teachers.facts(variant.teacher)
    if known.setdefault(variant.teacher, facts)["sha256"] != facts["sha256"]:
        raise ValueError(f"teacher {variant.teacher} is not the one of the earlier rows: choose another --out")
    return {**variant.params, "teacher": teachers.path(variant.teacher)}


def _content(given: argparse.Namespace, plan: Plan, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the file's content to go on from; raise ValueError if it is of other settings."""
    settings = {
        "data": data_of(given.scans),
        "base": plan.variants["baseline"].params | {"width": given.width},
        "pretraining": _budget(given),
        "device": given.device,
    }
    settings = json.loads(json.dumps(settings))
    if before and before["settings"] != settings:
        wrong = [key for key, value in settings.items() if before["settings"].get(key) != value]
        raise ValueError(f"{given.out} holds rows of another {', '.join(wrong)}: choose another --out")
    groups = {group: {**before.get("groups", {}).get(group, {}), **plan.groups[group]} for group in GROUPS}
    return {
        **environment(),
        "command": command(),
        "settings": settings,
        "memory": MEMORY_RULE if given.device == "cpu" else CUDA_MEMORY_RULE,
        "teachers": before.get("teachers", {}),
        "groups": groups,
        "orderings": [],
        "rows": before.get("rows", []),
    }


def _budget(given: argparse.Namespace) -> dict[str, Any]:
    """Return what all teachers that are made here have in common."""
    held_out = max(1, given.pretrain_scenes // 20)
    scenes = {"scenes": given.pretrain_scenes, "validation_scenes": held_out, "points": given.pretrain_points}
    return {**scenes, "steps": given.pretrain_steps, **dict(given.pretrain_set)}


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, got {text!r}")
    return name, value


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans", nargs="?", metavar="SCANS")
    parser.add_argument("--plot", action="store_true", help="draw the figures from the file alone; nothing is measured")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--only", type=_words, default=list(GROUPS), metavar="GROUPS", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--seeds", type=_numbers, default=[0, 1, 2])
    parser.add_argument("--categories", type=_words, default=list(CATEGORIES))
    parser.add_argument("--device", default="cpu")
    for name, value in (("points", 64_000), ("width", 64), ("k", 32)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"of the baseline (default: {value})")
    for name, values in (("points", [8000, 16_000, 32_000]), ("widths", [32, 128]), ("k", [8, 16])):
        parser.add_argument(f"--sweep-{name}", type=_numbers, default=values, help=f"default: {values}")
    parser.add_argument("--steps", type=int, help="of a student (default: 100 epochs)")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=VALUE", help="of each 3d-st")
    parser.add_argument("--methods", type=_words, default=["voxel-vm", "depth-vm"], help="others to compare with")
    for name, value, text in (
        ("source", "SOURCE", "what a teacher is pretrained on, as for geoad pretrain; base=SOURCE: the baseline's"),
        ("teacher", "PATH", "a teacher that is there; another NAME than those above is another source"),
        ("features", "package.module:function", "descriptors of others"),
    ):
        parser.add_argument(f"--{name}", type=_pair, action="append", default=[], metavar=f"NAME={value}", help=text)
    parser.add_argument("--cache", default="3dst_teachers", metavar="FOLDER", help="of the teachers made here")
    parser.add_argument("--pretrain-steps", type=int, default=250_000)
    parser.add_argument(
        "--pretrain-set", type=setting, action="append", default=[], metavar="KEY=VALUE", help="as --set of pretrain"
    )
    parser.add_argument("--pretrain-scenes", type=int, default=1000)
    parser.add_argument("--pretrain-points", type=int, default=64_000)
    parser.add_argument("--jobs", type=int, default=1, help="processes that draw scenes")
    given = parser.parse_args(words)
    if (given.scans is None) != given.plot:
        parser.error("give either SCANS or --plot")
    for option, known in (("only", GROUPS), ("categories", CATEGORIES)):
        if unknown := [word for word in getattr(given, option) if word not in known]:
            parser.error(f"--{option} must be of {', '.join(known)}, got {unknown[0]}")
    return given


def plan_of(given: argparse.Namespace) -> Plan:
    """Return what the command line asks to compare."""
    student = StudentTeacher3D.thesis() | ({} if given.steps is None else {"epochs": None, "steps": given.steps})
    sweeps = dict(zip(SWEEPS, (given.sweep_points, given.sweep_widths, given.sweep_k), strict=True))
    base = {"points": given.points, "width": given.width, "k": given.k}
    sources = dict(given.source)
    how = {"sweeps": sweeps, "methods": given.methods, "features": {**OWN, **dict(given.features)}}
    roles = make_plan(base, {}, **how, sources={}).recipes
    sources |= {name: "given" for name, _ in given.teacher if name not in roles and name not in sources}
    return make_plan(base, {**student, **dict(given.set)}, **how, sources=sources)


def main() -> None:
    given = parse()
    if not given.plot:
        run(given, plan_of(given))
    content = json.loads(given.out.read_text())
    print(show(orderings(content["rows"], content["groups"])))
    if given.plot:
        print(*draw(content["rows"], content["groups"], given.out.with_suffix("")), sep="\n")


if __name__ == "__main__":
    main()
