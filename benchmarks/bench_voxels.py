"""Time and memory of the voxel and depth methods: `python benchmarks/bench_voxels.py [--cases …] [--out FILE]`.

Each case runs in a process of its own, so that its peak is its own. `voxel-ae`, `voxel-vae` and `depth-ae` are one
training step at the thesis's widths and batches (64³ and 2, 256² and 32), from occupied cells or images at hand to new
weights: grids, losses, gradients, Adam; `voxel-fanogan` and `depth-fanogan` one iteration of five steps of the critic
and one of the generator, all on the same batch. `hull` and `gather` bring the scores of 64³ cells onto the
800 x 800 pixels of a scan, its points voxelised: everything between the points and the map but the scores. `vm-fit` is
the variation model's training by the scan, once the box is known, `vm-floor` that of `floor=None`, `vm-dense` what the
same moments cost if every cell had them, `vm-score` a scan to its map; the state is counted from its buffers, and for
`vm-dense` too. Seconds are CPU seconds of one thread, the median of the repeats; peaks are the process's largest
resident size, that of `base` loads everything and computes nothing. The GPU's cases are seconds of the wall and peaks
of what torch had allocated, made only where there is one. Scans are a dome on a table, 800 x 800, that differs from
scan to scan. Writes benchmarks/results/bench_voxels.json; some cases alone only where --out says, as one file is of one
run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import measure_apart, time_and_memory

from geoad.detectors import make_detector
from geoad.detectors.voxels.voxel_detector import VoxelDetector
from geoad.geometry.camera import Camera
from geoad.geometry.xyz_image import XYZImage
from geoad.nn.moments import Moments
from geoad.sample import Sample
from geoad.training.batches import stack
from geoad.training.heap import kept_memory
from geoad.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results" / "bench_voxels.json"
SIDE, SCANS, DENSE = 800, 8, 2  # pixels; scans that the variation model learns from, and the dense form of it
Run = Callable[[], object]


def scan(seed: int, side: int = SIDE) -> Sample:
    """A dome 64 mm wide and 30 mm high on a table, half a metre away, placed and lit a little differently each time."""
    rng = np.random.default_rng(seed)
    camera = Camera.pinhole(5.0 * side, (side, side))  # 0.1 m wide
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    centre, height = rng.normal(0, 0.01, 2), rng.normal(0.03, 0.001)
    squared = ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / 0.32**2
    dome = np.sqrt(np.clip(1 - squared, 0, None))
    depth = 0.5 - height * dome + rng.normal(0, 5e-5, dome.shape)
    depth[rng.random(dome.shape) < 0.02] = 0
    xyz = camera.rays(np.stack(np.meshgrid(range(side), range(side)), -1).reshape(-1, 2)).reshape(side, side, 3)
    shade = np.clip(60 + 150 * dome + rng.normal(0, 3, dome.shape), 0, 255).astype(np.uint8)
    found = XYZImage((xyz * depth[..., None]).astype(np.float32))
    return Sample(xyz=found, rgb=np.repeat(shade[..., None], 3, axis=2), camera=camera, name=f"dome {seed}")


class GivenScores(VoxelDetector):
    """Points and scores that cost nothing to make."""

    def __init__(self, *, project: str = "hull") -> None:
        super().__init__(project=project)  # type: ignore[arg-type]
        self.prepared: dict[str, torch.Tensor] = {}
        self.register_buffer("scores", torch.rand(64, 64, 64, generator=torch.Generator().manual_seed(0)))

    def prepare(self, sample: Sample) -> dict[str, torch.Tensor]:
        if not self.prepared:
            self.prepared.update(super().prepare(sample))
        return self.prepared

    def stages(self) -> Iterator[Any]:
        yield self.box()

    def cell_scores(self, values: torch.Tensor) -> torch.Tensor:
        del values
        return self.scores


def training(method: str, batch_size: int, critic_steps: int = 0, device: str = "cpu") -> Run:
    """A step of the autoencoders' only stage, or an iteration of the GAN's first, as the trainer runs it."""
    detector = make_detector(method, copies=0)
    together = getattr(detector, "collate", stack)
    clouds = [detector.prepare(scan(seed)) for seed in range(2)]
    for stage in detector.stages():
        items = clouds if stage.refine is None else [stage.refine(cloud) for cloud in clouds]
        if hasattr(stage, "updates"):
            break
        stage.see(together(items))
    batch = {**together([items[i % 2] for i in range(batch_size)]), "sample": torch.arange(batch_size)}
    batch = {name: tensor.to(device) for name, tensor in batch.items()}
    detector.to(device)
    optimizers = [(update, update.optimizer(list(update.module.parameters()))) for update in stage.updates]

    def run() -> None:
        for step in range(critic_steps or 1):
            for update, optimizer in optimizers:
                if (step + 1) % update.every == 0:
                    optimizer.zero_grad()
                    update.loss(batch)["total"].backward(inputs=list(update.module.parameters()))
                    optimizer.step()
        if device != "cpu":
            torch.cuda.synchronize()

    detector.train()
    return run


def projection(project: str) -> Run:
    detector, sample = GivenScores(project=project), scan(0)
    detector.fit([sample], trainer=Trainer(device="cpu"))
    return lambda: detector.map(sample)


def boxed(
    source: str, resolution: int, scans: int = SCANS, **keywords: Any
) -> tuple[Any, list[dict[str, torch.Tensor]]]:
    """The variation model that knows its box, and its batches."""
    detector = make_detector("voxel-vm", source=source, resolution=resolution, **keywords)
    batches = [detector.collate([detector.prepare(scan(seed))]) for seed in range(scans)]
    for batch in batches:
        detector._see_box(batch)
    return detector, batches


def vm_fit(source: str, resolution: int) -> tuple[Run, Any]:
    detector, batches = boxed(source, resolution)
    moments = detector.moments

    def run() -> None:
        detector.moments = type(moments)(detector.channels)
        for batch in batches:
            detector._see_cells(detector.cells(batch))

    return run, lambda: _bytes(detector.moments)


def vm_floor(source: str, resolution: int) -> tuple[Run, Any]:
    detector, batches = boxed(source, resolution, floor=None)
    for batch in batches:
        detector._see_cells(detector.cells(batch))

    def run() -> None:
        for batch in batches:
            detector._see_floor(detector.cells(batch))

    return run, lambda: _bytes(detector.moments)


def vm_dense(source: str, resolution: int) -> tuple[Run, Any]:
    detector, batches = boxed(source, resolution, scans=DENSE)
    moments = Moments(detector.channels * resolution**3)

    def run() -> None:
        for batch in batches:
            moments.see(detector.grids(detector.collate([detector.cells(batch)])).flatten(1))

    return run, lambda: _bytes(moments)


def vm_score(source: str, resolution: int) -> tuple[Run, Any]:
    detector, batches = boxed(source, resolution)
    for batch in batches:
        detector._see_cells(detector.cells(batch))
    sample = scan(SCANS)
    return lambda: detector.map(sample), lambda: _bytes(detector.moments)


VM = {"vm-fit": vm_fit, "vm-floor": vm_floor, "vm-dense": vm_dense, "vm-score": vm_score}
STEPS = {
    "voxel-ae": (2, 0),
    "voxel-vae": (2, 0),
    "voxel-fanogan": (2, 5),
    "depth-ae": (32, 0),
    "depth-fanogan": (4, 5),
}
GPU = ("voxel-ae", "voxel-vae", "voxel-fanogan")
CASES: dict[str, Callable[[], Any]] = {
    "base": lambda: lambda: None,
    **{name: partial(training, name, *plan) for name, plan in STEPS.items()},
    **{name: partial(projection, name) for name in ("hull", "gather")},
    **{
        f"{name} {resolution} {source}": partial(make, source, resolution)
        for name, make in VM.items()
        for resolution in (64, 256)
        for source in ("xyz", "xyz+rgb")
    },
    **{f"{name} GPU": partial(training, name, *STEPS[name], device="cuda") for name in GPU},
}


def _bytes(module: torch.nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())


def measure(case: str, repeats: int) -> dict[str, Any]:
    """Run one case in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = CASES[case]()
    run, state = made if isinstance(made, tuple) else (made, None)
    context = kept_memory() if case.split()[0] in STEPS else torch.inference_mode()  # as the trainer runs a step
    parts = {"vm-fit": SCANS, "vm-floor": SCANS, "vm-dense": DENSE}.get(case.split()[0], 1)  # by the scan
    repeats = 1 if case.startswith("vm-dense") else repeats
    with context:
        found = time_and_memory(run, repeats, gpu=case.endswith("GPU"), parts=parts)
    return {"kernel": "voxels", "case": case, "state_bytes": None if state is None else state(), **found}


def line(row: dict[str, Any]) -> str:
    """Return what is said of a row."""
    took = row["wall_s"] if "wall_s" in row else row["cpu_s"]
    state = "" if row["state_bytes"] is None else f"   state {row['state_bytes'] / 1e6:8.2f} MB"
    return f"{row['case']:24} {took:9.4f} s   peak {row['peak_bytes'] / 1e9:6.2f} GB{state}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", help="beginnings of names with commas between (default: all)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a file for the results, where not every case is measured")
    parser.add_argument("--only", metavar="CASE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(measure(given.only, given.repeats)))
        return
    asked = tuple(given.cases.split(",")) if given.cases else ""
    here = [case for case in CASES if not case.endswith("GPU") or torch.cuda.is_available()]
    calls = [["--repeats", str(given.repeats), "--only", case] for case in here if case.startswith(asked)]
    sys.exit(measure_apart(calls, given.out or (None if given.cases else RESULTS), line))


if __name__ == "__main__":
    main()
