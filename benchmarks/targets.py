"""What was aimed at beside what was measured: `python benchmarks/targets.py [--write]`.

Reads benchmarks/results and prints a table; --write puts it into benchmarks/README.md, between its two marks.
"""

from __future__ import annotations

import argparse
import json
import operator
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from marked import put_between

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
Row = Mapping[str, Any]


class Target(NamedTuple):
    """A figure that one file of results gives (a path below results), and the bound on it."""

    what: str
    sense: str
    bound: float
    unit: str
    file: str
    value: Callable[[list[Row]], float]


def one(rows: list[Row], **fields: object) -> Row:
    """Return the row with these fields; raise LookupError without, or if its time is missing."""
    found = [row for row in rows if all(row.get(key) == value for key, value in fields.items())]
    if not found or found[0]["median_s"] is None:
        raise LookupError(f"no row with {fields}")
    return found[0]


def times(backend: str, peers: tuple[str, ...], **fields: object) -> Callable[[list[Row]], float]:
    """Return how many times as fast as the fastest of `peers` a backend is."""

    def value(rows: list[Row]) -> float:
        ours = one(rows, backend=backend, **fields)
        theirs = [one(rows, backend=peer, **fields) for peer in peers]
        return min(row[row["clock"]] for row in theirs) / ours[ours["clock"]]

    return value


def figure(key: str, scale: float = 1.0, **fields: object) -> Callable[[list[Row]], float]:
    """Return the largest of a figure over the rows with these fields."""

    def value(rows: list[Row]) -> float:
        cases = {row["case"] for row in rows if all(row.get(name) == want for name, want in fields.items())}
        if not cases:
            raise LookupError(f"no row with {fields}")
        return max(scale * one(rows, **{**fields, "case": case})[key] for case in cases)

    return value


def seconds_a_pick(rows: list[Row]) -> float:
    row = one(rows, backend="numba", case="scan", n=360_000)
    return 1e6 * row[row["clock"]] / row["k"]


def share_of_memory(case: str) -> Callable[[list[Row]], float]:
    def value(rows: list[Row]) -> float:
        naive = one(rows, backend="eager-cat", case=case, n=65_536)
        return naive["peak_bytes"] / max(one(rows, backend="numba", case=case, n=65_536)["peak_bytes"], 1)

    return value


def targets() -> Iterator[Target]:
    """Yield every target, in the order of the table."""
    cpu, large, best = "knn.json", "large/knn.json", ("pykdtree", "pykdtree-morton")
    for case in ("scan", "sphere", "cube"):
        what = f"kNN 64 k, k = 32, {case}"
        yield Target(f"{what}: pykdtree", ">=", 2.5, "x", cpu, times("numba", ("pykdtree",), case=case, n=65_536))
        yield Target(f"{what}: scipy", ">=", 3.5, "x", cpu, times("numba", ("scipy",), case=case, n=65_536))
    clusters = times("numba", ("pykdtree",), case="clusters", n=65_536)
    yield Target("kNN 64 k, k = 32, 20 clusters: pykdtree", ">=", 1.0, "x", cpu, clusters)
    for case in ("scan", "sphere", "cube"):
        value = times("numba", best, case=case, n=524_288)
        yield Target(f"kNN 512 k, k = 32, {case}: pykdtree, in Morton order or not", ">=", 2.0, "x", large, value)
    on_gpu = ("64 k", 65_536, 0.25, "gpu/knn.json"), ("1 M", 1_000_000, 2.0, "gpu/large/knn.json")
    for size, n, milliseconds, file in on_gpu:
        what, fields = f"kNN {size}, k = 32, GPU, end to end", {"backend": "cuda", "n": n}
        for case in ("scan", "sphere", "cube"):
            value = figure("median_s", 1e3, case=case, **fields)
            yield Target(f"{what}, {case}", "<=", milliseconds, "ms", file, value)
        value = figure("median_s", 1e3, case="clusters", **fields)
        yield Target(f"{what}, 20 clusters", "<=", 5 * milliseconds, "ms", file, value)
    yield Target("FPS 64 k of 360 k, scan", "<=", 4, "µs a pick", "fps.json", seconds_a_pick)
    settings = ("fpsample-h5", "fpsample-h7", "fpsample-h9")
    value = times("numba", settings, case="scan", n=360_000)
    yield Target("FPS 64 k of 360 k, scan: fpsample's best setting", ">=", 1.8, "x", "fps.json", value)
    for case in ("width 16", "width 32"):
        what = f"aggregate 64 k, k = 32, {case}, forward and backward"
        value = times("numba", ("eager-mean",), case=case, n=65_536)
        yield Target(f"{what}: gather-mean", ">=", 12, "x", "aggregate.json", value)
        yield Target(f"{what}: memory of the naive form", ">=", 16, "x", "aggregate.json", share_of_memory(case))
    pixels = {"backend": "numba", "n": 640_000}
    yield Target("fill 800 x 800, 64 k known: CPU seconds", "<=", 0.12, "s", "fill.json", figure("cpu_s", **pixels))
    yield Target("fill 800 x 800, 64 k known: error", "<=", 1e-4, "of range", "fill.json", figure("error", **pixels))
    voxels = figure("cpu_s", 1e3, backend="numba", n=262_144)
    yield Target("64³ voxels onto 800 x 800, worst tilt", "<=", 25, "ms CPU", "backproject.json", voxels)
    points = figure("cpu_s", 1e3, backend="numba", n=640_000, case="scan")
    yield Target("voxelise 640 k points with colour, scan", "<=", 4, "ms CPU", "voxelize.json", points)
    yield from targets_3dst()
    yield from targets_voxels()


def of_3dst(case: str, width: int, key: str = "cpu_s", scale: float = 1.0) -> Callable[[list[Row]], float]:
    return lambda rows: scale * next(row[key] for row in rows if row["case"] == case and row["width"] == width)


def eager_memory_on_gpu(rows: list[Row]) -> float:
    """Return how many times as much memory the step in plain torch has at most."""
    own, eager = (of_3dst(f"{case} GPU", 64, "peak_bytes")(rows) for case in ("step", "eager"))
    return eager / own


def eager_memory(rows: list[Row]) -> float:
    """Return how many times as much memory the step in plain torch adds, for as many points."""
    base = next(row["peak_bytes"] for row in rows if row["case"] == "base")
    own, eager = (next(row for row in rows if row["case"] == case) for case in ("step", "eager"))
    return (eager["peak_bytes"] - base) * own["n"] / eager["n"] / max(own["peak_bytes"] - base, 1)


def targets_3dst() -> Iterator[Target]:
    """Yield the targets of the network, on 64 000 points."""
    bounds = {("step", 64): 0.9, ("step", 128): 1.9, ("pretraining", 64): 0.1, ("pretraining", 128): 0.15}
    bounds |= {("inference", 64): 1.0}
    for (case, width), bound in bounds.items():
        value = of_3dst(case, width)
        yield Target(f"3D-ST, {case}, d = {width}", "<=", bound, "s CPU", "bench_3dst.json", value)
    value = of_3dst("default inference", 64)
    yield Target("3D-ST, inference, d = 64: default scores", "<=", 1.0, "s CPU", "bench_3dst_defaults.json", value)
    on_gpu = "gpu/bench_3dst.json"
    a_step, a_map = (of_3dst(f"{case} GPU", 64, "wall_s", 1e3) for case in ("step", "map"))
    yield Target("3D-ST, step, d = 64, GPU", "<=", 4, "ms", on_gpu, a_step)
    yield Target("3D-ST, inference but for FPS, d = 64, GPU", "<=", 8, "ms", on_gpu, a_map)
    yield Target("3D-ST, step, d = 64, GPU: memory of plain torch", ">=", 4, "x", on_gpu, eager_memory_on_gpu)
    told = "3D-ST, step, d = 64: memory of plain torch, at 8 000 points and times 8"
    yield Target(told, ">=", 4, "x", "bench_3dst.json", eager_memory)


def of_voxels(case: str, key: str = "cpu_s", scale: float = 1.0) -> Callable[[list[Row]], float]:
    return lambda rows: scale * next(row[key] for row in rows if row["case"] == case)


def rate(case: str, parts: int = 1) -> Callable[[list[Row]], float]:
    return lambda rows: parts / next(row["wall_s"] for row in rows if row["case"] == case)


def share_of_state(cells: str) -> Callable[[list[Row]], float]:
    """Return how many times as large the variation model's state would be if every cell had one."""
    dense, sparse = of_voxels(f"vm-dense {cells}", "state_bytes"), of_voxels(f"vm-fit {cells}", "state_bytes")
    return lambda rows: dense(rows) / sparse(rows)


def targets_voxels() -> Iterator[Target]:
    """Yield the targets of the voxel methods, at 64³ and the thesis's widths and batches."""
    file = "bench_voxels.json"
    for case, bound in {"voxel-ae": 0.7, "voxel-vae": 0.7, "voxel-fanogan": 3.5}.items():
        of = "iteration of 5 + 1 updates" if case == "voxel-fanogan" else "step"
        yield Target(f"{case}, {of}", "<=", bound, "s CPU", file, of_voxels(case))
        yield Target(f"{case}, {of}, GPU", ">=", 100, "/s", f"gpu/{file}", rate(f"{case} GPU"))
    steps = "voxel-fanogan, step of the trainer (critic, each fifth also generator), GPU"
    yield Target(steps, ">=", 100, "/s", f"gpu/{file}", rate("voxel-fanogan GPU", parts=5))
    for project in ("hull", "gather"):
        value = of_voxels(project, scale=1e3)
        yield Target(f"voxelise and project a scan of 800 x 800, {project}", "<=", 35, "ms CPU", file, value)
    for cells, bound in {"64 xyz": 10, "64 xyz+rgb": 10, "256 xyz": 30, "256 xyz+rgb": 30}.items():
        yield Target(f"voxel-vm, state at {cells}: every cell's", ">=", bound, "x", file, share_of_state(cells))


def line(target: Target) -> str:
    """Return the row of the table."""
    bound = f"{'≥' if target.sense == '>=' else '≤'} {target.bound:g} {target.unit}"
    try:
        content = json.loads((RESULTS / target.file).read_text())
        value = target.value(content["rows"])
    except (OSError, LookupError, StopIteration):
        return f"| {target.what} | {bound} | not measured | | |"
    met = (operator.ge if target.sense == ">=" else operator.le)(value, target.bound)
    done = "yes" if met else "**no**"
    return f"| {target.what} | {bound} | {value:.3g} {target.unit} | {done} | `{content['command']}` |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    given = parser.parse_args()
    head = ["| kernel | target | measured | met | command |", "|---|---|---|---|---|"]
    text = "\n".join([*head, *map(line, targets())])
    print(text)
    if given.write:
        put_between(HERE / "README.md", "targets", text)


if __name__ == "__main__":
    main()
