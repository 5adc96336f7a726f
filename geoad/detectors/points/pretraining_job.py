"""The whole job of making a teacher: draw scenes, train, write the weights and their card."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from geoad import _check
from geoad.data.scene_folder import SceneFolder
from geoad.descriptors.teacher import Teacher, save_teacher
from geoad.detectors.points.pretraining import TeacherPretraining
from geoad.training.trainer import Trainer


def pretrain(
    out: str | Path,
    *,
    width: int = 64,
    steps: int = 250_000,
    scenes: int = 1000,
    validation_scenes: int = 50,
    points: int = 64_000,
    source: str = "solids",
    seed: int = 0,
    jobs: int = 1,
    device: str = "auto",
    progress: bool = False,
    drawn: Callable[[int], None] | None = None,
    memory: float = 4e9,
    **settings: Any,
) -> Path:
    """Pretrain a 3D-ST teacher in the folder `out`; return the path of its weights, `3d-st-<width>.safetensors`.

    Scenes are drawn first, by `jobs` processes, into `out`/scenes; training leaves a checkpoint and a log in `out`
    and goes on from there if it was killed. `settings` are those of `TeacherPretraining` (k, queries, …). The card
    `3d-st-<width>.md` says how the teacher came about. The defaults are the thesis's, except for the source: procedural
    solids, where the thesis has ModelNet10 (`source="modelnet10:FOLDER"`). `drawn` is told the number of scenes drawn.

    >>> import tempfile
    >>> small = dict(width=8, steps=2, scenes=1, validation_scenes=1, points=60, blocks=1, k=4, queries=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pretrain(folder, **small, field_points=16).name
    '3d-st-8.safetensors'
    """
    for name, value in (("steps", steps), ("scenes", scenes), ("validation_scenes", validation_scenes)):
        _check.positive(name, value)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        module = TeacherPretraining(width=width, steps=steps, **settings)
    if points <= module.k:
        raise ValueError(f"points must be greater than k = {module.k}, got {points}")
    folder = Path(out)
    # Even seeds are for training and odd ones for validation: no two runs share a scene across the two.
    train = SceneFolder(folder / "scenes" / "train", scenes, points=points, source=source, seed=2 * seed)
    held_out = SceneFolder(
        folder / "scenes" / "validation", validation_scenes, points=points, source=source, seed=2 * seed + 1
    )
    for part in (held_out, train):
        part.fill(jobs, drawn)
    log = folder / "log.jsonl"
    trainer = Trainer(seed=seed, device=device, folder=folder, progress=progress, log=log, memory=memory)
    trainer.run(module, train, held_out)
    path = folder / f"3d-st-{width}.safetensors"
    save_teacher(path, Teacher(module.teacher, module.k), spacing=module.spacing, steps=steps)
    command = f"geoad pretrain --width {width} --steps {steps} --scenes {scenes} --points {points} --source {source}"
    facts = {
        "command": f"{command} --seed {seed}",
        "scenes": f"{scenes} + {validation_scenes} of {points} points, source {source}",
        **{name: str(value) for name, value in settings.items()},
    }
    _write_card(path, facts, log)
    return path


def _write_card(path: Path, facts: dict[str, Any], log: Path) -> None:
    """Write the Markdown card beside the weights, whole or not at all."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    curve = [(line["step"], line["validation"]) for line in lines if "validation" in line]
    facts |= {
        "hours of training": f"{lines[-1]['seconds'] / 3600:.2f}",
        "best validation Chamfer distance": f"{min(loss for _, loss in curve):.4f}" if curve else "none",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    rows = [f"| {name} | {value} |" for name, value in facts.items()]
    stride = max(1, len(curve) // 25)
    points = [f"| {step} | {loss:.4f} |" for step, loss in curve[stride - 1 :: stride]]
    text = [
        f"# {path.stem}: a pretrained 3D-ST teacher",
        "",
        "Made by `geoad pretrain`. Chamfer distances are in squared units of the mean neighbour distance.",
        "",
        *("| fact | value |", "|---|---|", *rows, ""),
        *("| step | validation Chamfer distance |", "|---|---|", *points, ""),
    ]
    temporary = path.with_name(f".{path.stem}.md.tmp")
    temporary.write_text("\n".join(text))
    os.replace(temporary, path.with_suffix(".md"))
