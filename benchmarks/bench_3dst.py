"""Time and peak memory of 3D-ST: `python benchmarks/bench_3dst.py [--points 64000] [--widths 64,128] [--cases …]`.

Each case runs in a process of its own, so that its peak is its own: `base` loads everything and computes nothing,
`features` is the teacher's and the student's forward pass, `step` one student training step with the teacher's features
at hand (as in training: they are computed once), `patch` such a step on a patch of 4 hops, `default step` on one of 12
with Muon, `eager` the step in plain torch, which materialises (n, k, d), on an eighth of the points, `pretraining` one
step of the teacher, `inference` a scan of 360 k points to a filled map of 800×800 with the thesis's scores (`fps` is
its share of farthest point sampling), `default inference` the same with scores held against those of six good scans,
`million` the descriptors of a million points; "step GPU", "eager GPU" (of all points), "inference GPU", "fps GPU" and
"map GPU", which is inference with picks that are known, where there is one. Seconds are CPU seconds of one thread, on a
GPU of the clock, the median of the repeats; peaks are the process's largest resident size, on a GPU the most that torch
had allocated. Clouds are an undulating surface with noise, row by row as a scanner gives it; pretraining has a scene of
ten solids. The whole of it is written to benchmarks/results/bench_3dst.json; a run of fewer cases or widths, or of
other points, only where --out says.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import measure_apart, time_and_memory

from geoad.data.scenes import Scenes
from geoad.descriptors import Teacher
from geoad.detectors.points.pretraining import TeacherPretraining
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.geometry.xyz_image import XYZImage
from geoad.nn.cone import cone
from geoad.nn.local_features import LocalFeatures
from geoad.nn.point_graph import neighbour_distance, point_graph
from geoad.ops import _cuda
from geoad.ops.farthest_point_sample import farthest_point_sample
from geoad.sample import Sample
from geoad.training.heap import kept_memory
from geoad.training.optimizer import make_optimizer

RESULTS = Path(__file__).parent / "results" / "bench_3dst.json"
K = 32
EAGER = 8  # the eager form is measured on so many times fewer points


def surface(n: int, seed: int = 0) -> np.ndarray:
    """About n points of an undulating surface with noise, row by row."""
    rng = np.random.default_rng(seed)
    side = round(n**0.5)
    y, x = np.mgrid[:side, :side].reshape(2, -1) / side * 0.1 - 0.05
    x, y = (axis + rng.uniform(-0.3, 0.3, len(axis)) * 0.1 / side for axis in (x, y))
    z = 0.5 + 0.005 * np.sin(x * 200) * np.cos(y * 150) + rng.normal(0, 5e-5, len(x))
    return np.column_stack([x, y, z]).astype(np.float32)


def scan(seed: int = 0) -> Sample:
    """A scan of 800×800 pixels, 360 k of which are valid."""
    xyz = np.zeros((800, 800, 3), np.float32)
    xyz[100:700, 100:700] = surface(360_000, seed).reshape(600, 600, 3)
    return Sample(xyz=XYZImage(xyz))


def features(n: int, width: int) -> Callable[[], None]:
    graph, scale = _graph(n)
    networks = LocalFeatures(width), LocalFeatures(width)

    def run() -> None:
        with torch.inference_mode():
            student, teacher = (network(graph["points"], graph["index"], scale) for network in networks)
            (student - teacher).square().sum(1)

    return run


def step(
    n: int, width: int, *, reach: int | None = None, optimizer: str = "adam", device: str = "cpu"
) -> Callable[[], None]:
    graph, scale = _graph(n)
    graph = {name: tensor.to(device) for name, tensor in graph.items()}
    student, target = LocalFeatures(width).to(device), torch.randn(len(graph["points"]), width, device=device)
    descent = make_optimizer(student.parameters(), optimizer, lr=1e-3)

    def run() -> None:
        descent.zero_grad()
        if reach is None:
            error = student(graph["points"], graph["index"], scale) - target
        else:
            part = cone(graph["points"], graph["index"], torch.randint(n, (1,)), student.hops, reach=reach)
            error = student(part.points, part.table, scale, part.sizes) - target[part.described]
        error.square().sum(1).mean().backward()
        descent.step()
        _finish(device)

    return run


def eager(n: int, width: int, *, device: str = "cpu") -> Callable[[], None]:
    """The same step with every aggregation in plain torch."""
    kernel = import_module("geoad.ops.aggregate")
    kernel._choose = lambda *_: "torch"  # type: ignore[attr-defined]
    import_module("geoad.nn.fused_block").serves = lambda _: False  # type: ignore[attr-defined]
    return step(n // EAGER if device == "cpu" else n, width, device=device)


def pretraining(n: int, width: int) -> Callable[[], None]:
    module = TeacherPretraining(width=width).train()
    batch = module.prepare(Scenes(1, points=n)[0])
    module._see_spacing(batch)
    optimizer = module.optimizer(module.parameters())

    def run() -> None:
        optimizer.zero_grad()
        module.loss(batch)["total"].backward()
        optimizer.step()

    return run


def inference(n: int, width: int, *, device: str = "cpu", against: int = 0) -> Callable[[], None]:
    """A scan's map as in the thesis, or held `against` so many good scans."""
    sample, scores = scan(), {} if against else StudentTeacher3D.thesis()
    detector = StudentTeacher3D(**scores, teacher="random", width=width, points=n)
    good = [detector.prepare(scan(seed)) for seed in range(1, 1 + max(1, against))]
    for see in (detector._see_spacing, detector._see_teacher):
        see(good[0])
    if detector.level is not None:
        with torch.no_grad():
            for part in good:
                detector._see_level(part)
        detector.level.settle()
    detector.eval().to(device)

    def run() -> None:
        with torch.no_grad():
            detector.map(sample)

    return run


def mapping(n: int, width: int, *, device: str = "cpu") -> Callable[[], None]:
    """A scan's map as in the thesis but for farthest point sampling: the picks of the first call are those of all."""
    run, picks = inference(n, width, device=device), []

    def known(*given: Any, **options: Any) -> torch.Tensor:
        picks[:] = picks or [farthest_point_sample(*given, **options)]
        return picks[0]

    import_module("geoad.detectors.points.point_detector").farthest_point_sample = known  # type: ignore[attr-defined]
    return run


def fps(n: int, width: int, *, device: str = "cpu") -> Callable[[], None]:
    del width
    points = torch.from_numpy(surface(360_000)).to(device)

    def run() -> None:
        farthest_point_sample(points, n)
        _finish(device)

    return run


def _finish(device: str) -> None:
    """Wait for a GPU."""
    if device != "cpu":
        torch.cuda.synchronize()


def million(n: int, width: int) -> Callable[[], None]:
    del n
    teacher, points = Teacher(LocalFeatures(width)).eval(), surface(1_000_000)
    return lambda: teacher(points)


CASES: dict[str, Callable[[int, int], Callable[[], None]]] = {
    "base": lambda *_: lambda: None,
    "features": features,
    "step": step,
    "patch": partial(step, reach=4),
    "default step": partial(step, reach=12, optimizer="muon"),
    "eager": eager,
    "pretraining": pretraining,
    "inference": inference,
    "default inference": partial(inference, against=6),
    "fps": fps,
    "million": million,
    **{
        f"{name} GPU": partial(run, device="cuda")
        for name, run in {"step": step, "eager": eager, "inference": inference, "map": mapping, "fps": fps}.items()
    },
}
ONCE = ("base", "fps", "fps GPU")  # of no width


def _graph(n: int) -> tuple[dict[str, torch.Tensor], float]:
    graph = point_graph(surface(n), K)
    return graph, 1 / float(neighbour_distance(graph["points"], graph["index"]))


def measure(case: str, points: int, width: int, repeats: int) -> dict[str, Any]:
    """Run one case in this process."""
    torch.set_num_threads(1)
    gpu = case.endswith("GPU")
    if gpu and (why := _cuda.why_not()) is not None:
        raise SystemExit(f"{case}: other backends would stand in for the CUDA kernels: {why}")
    with kept_memory():  # as the trainer has it
        found = time_and_memory(CASES[case](points, width), 1 if case == "million" else repeats, gpu=gpu)
    n = {"million": 1_000_000, "eager": points // EAGER}.get(case, points)
    backend = "torch" if case.startswith("eager") else "cuda" if gpu else "numba"
    return {"kernel": "3d-st", "backend": backend, "case": case, "n": n, "k": K, "width": width, **found}


def line(row: dict[str, Any]) -> str:
    """Return what is said of a row."""
    took = f"{row['wall_s']:8.3f} s    " if "wall_s" in row else f"{row['cpu_s']:8.3f} CPU s"
    return f"{row['case']:17} d = {row['width']:4} {took}   peak {row['peak_bytes'] / 1e9:6.2f} GB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=64_000)
    parser.add_argument("--widths", default="64,128")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--out", type=Path, help="a file for the results, where not everything is measured")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs=2, metavar=("CASE", "WIDTH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(measure(given.only[0], given.points, int(given.only[1]), given.repeats)))
        return
    here = [case for case in given.cases.split(",") if not case.endswith("GPU") or torch.cuda.is_available()]
    widths = given.widths.split(",")
    calls = [
        [*sys.argv[1:], "--only", case, width] for case in here for width in (widths[:1] if case in ONCE else widths)
    ]
    whole = all(getattr(given, name) == parser.get_default(name) for name in ("points", "widths", "cases"))
    sys.exit(measure_apart(calls, given.out or (RESULTS if whole else None), line))


if __name__ == "__main__":
    main()
