"""The whole job of making a teacher, in as many sittings as it takes: draw scenes, train, write weights and card."""

from __future__ import annotations

import os
import platform
import shlex
import tempfile
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

import torch

from geoad import _check
from geoad._lock import locked
from geoad._optional import need
from geoad._whole_file import check_empty, check_place
from geoad.data.scene_folder import SceneFolder
from geoad.data.scenes import DIVIDED
from geoad.descriptors.teacher import Teacher
from geoad.detectors.points.pretraining import TeacherPretraining
from geoad.detectors.points.pretraining_card import write_card
from geoad.nn.default_dtype import float32_by_default
from geoad.training import checkpoint, sitting
from geoad.training.cache import Cache
from geoad.training.checkpoint import Checkpoint, cannot_resume, plain_keywords
from geoad.training.device import torch_device
from geoad.training.history import History
from geoad.training.progress import ProgressBar, progress_bar
from geoad.training.seed import own_randomness, seed_torch
from geoad.training.state import state_mismatch
from geoad.training.stop import Stopped, never
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
    scenes_folder: str | Path | None = None,
    continue_from: str | Path | None = None,
    jobs: int = 1,
    device: str = "auto",
    precision: str = "32-true",
    stop: Callable[[], bool] = never,
    progress: bool = False,
    **settings: Any,
) -> Path:
    """Pretrain a 3D-ST teacher in the folder `out`; return the path of its weights, `3d-st-<width>.safetensors`.

    Scenes and their neighbour tables come first, made by `jobs` processes in `scenes_folder` (None: `out`/scenes),
    which several runs may share. `settings` are those of `TeacherPretraining` (k, coordinates, …). The defaults are
    the thesis's, with d = 64, the smaller of its two, except for the source: procedural solids, where the thesis has
    ModelNet10 (`source="modelnet10:FOLDER"`).

    The same call goes on where the last one was killed, or stopped by `stop()` (`training.stop.Stop`), or had no more
    `steps` to do. Each leaves the weights of the best teacher so far, a card that tells how it came about, and
    `checkpoint.pt`: `continue_from` takes up such a file elsewhere, where scenes are drawn again from their seeds.

    Raises ValueError if another process works in `out`, if other things lie there than a pretraining, or if the
    checkpoint is of another run or beyond `steps`, and `Stopped` if there was no time for a single step.

    >>> import tempfile
    >>> small = dict(width=8, steps=2, scenes=1, validation_scenes=1, points=60, blocks=1, k=4, queries=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pretrain(folder, **small, field_points=16).name
    '3d-st-8.safetensors'
    """
    need("matplotlib", "draw the curve of a card")  # not at the end of days
    plan: dict[str, Any] = {"width": width, "steps": steps, "scenes": scenes, "validation_scenes": validation_scenes}
    _check.positive(**plan, jobs=jobs)
    plan |= {"points": points, "source": source, "seed": seed, "precision": precision}
    module = _module(plan, settings)
    folder, earlier = Path(out), None if continue_from is None else Path(continue_from)
    place = Path(scenes_folder or folder / "scenes")
    _check_folders(folder, place, source, earlier)
    _check_start(folder, earlier, module, plan, place)
    log = folder / sitting.LOG
    trainer = Trainer(
        seed=seed, device=device, precision=precision, folder=folder, progress=progress, log=log, memory=inf, stop=stop
    )
    parts = _scenes(place, module.k, plan)
    with locked(folder):
        sitting.begin(folder, _machine(device), earlier)
        with progress_bar() if progress else ProgressBar() as bar:
            _fill(parts, jobs, bar, stop)
        with suppress(Stopped), float32_by_default():
            trainer.run(module, *parts)
        return _write(folder, module, plan, settings)


def _module(plan: dict[str, Any], settings: dict[str, Any]) -> TeacherPretraining:
    """Return the module with the weights that the seed gives."""
    with own_randomness(), float32_by_default():
        seed_torch(plan["seed"])
        return TeacherPretraining(width=plan["width"], steps=plan["steps"], **settings)


def _check_start(
    folder: Path, earlier: Path | None, module: TeacherPretraining, plan: dict[str, Any], scenes: Path
) -> None:
    """Find before hours of drawing what the trainer would find in the checkpoint after them."""
    own = folder / checkpoint.NAME
    path = own if own.exists() else earlier
    if path is None:
        return
    saved = Checkpoint.load(path)
    facts: dict[str, Any] = {name: plan[name] for name in ("seed", "precision")}
    facts |= {"samples": plan["scenes"], "fingerprint": saved.fingerprint, "keywords": plain_keywords(module)}
    if saved.held_out is not None:
        facts["held_out"] = plan["validation_scenes"], saved.held_out[1]
    saved.check_run(path, **facts)
    if saved.fingerprint != _first_scene(module, plan, scenes):
        raise cannot_resume(path, f"its first scene is not that of {plan['points']} points of {plan['source']}")
    if reason := state_mismatch(module, saved.module, {}):
        raise cannot_resume(path, f"it is of another module: {reason}")
    if saved.stage and saved.step > plan["steps"]:
        raise cannot_resume(path, f"it is at step {saved.step}, and only {plan['steps']} are wanted")


def _check_folders(folder: Path, scenes: Path, source: str, earlier: Path | None) -> None:
    """Raise ValueError if `folder` holds other things than a pretraining, OSError if it cannot be made.

    Nor may scenes be written among the scans that they are made of: they would be taken for scans.
    """
    kind, _, root = source.partition(":")
    if kind == "scans" and root and scenes.resolve().is_relative_to(Path(root).resolve()):
        raise ValueError(f"{scenes}: scenes cannot lie below their source {root}: choose a folder outside of it")
    if not any((folder / name).exists() for name in (checkpoint.NAME, sitting.LOG)):
        home, given = folder.resolve(), [path.resolve() for path in (scenes, earlier) if path is not None]
        check_empty(folder, but=[path.relative_to(home).parts[0] for path in given if home in path.parents])
    check_place(folder)


def _first_scene(module: TeacherPretraining, plan: dict[str, Any], scenes: Path) -> str:
    """Return the fingerprint of the first scene: that which is there, or one drawn elsewhere, to spoil no folder."""
    with tempfile.TemporaryDirectory(prefix="geoad-") as elsewhere, own_randomness(), float32_by_default():
        drawn = (scenes / "train" / "000000.npy").exists()
        train, _ = _scenes(scenes if drawn else Path(elsewhere), module.k, plan)
        return Cache(train, module.prepare, inf, Path(elsewhere)).fingerprint


def _scenes(folder: Path, k: int, plan: dict[str, Any]) -> tuple[SceneFolder, SceneFolder]:
    """Return the scenes for training and for validation; of a source with splits, the test split is for validation."""
    (kind, _, root), seed = plan["source"].partition(":"), plan["seed"]
    divided = kind in DIVIDED
    # The same word may be another folder elsewhere.
    source = f"{kind}:{Path(root).resolve()}" if root else plan["source"]

    def part(name: str, count: int, seed: int, split: str) -> SceneFolder:
        settings = {"points": plan["points"], "source": source, "seed": seed} | ({"split": split} if divided else {})
        return SceneFolder(folder / name, count, k=k, **settings)

    # Even seeds are for training and odd ones for validation: no two runs share a scene across the two.
    train = part("train", plan["scenes"], 2 * seed, "train")
    return train, part("validation", plan["validation_scenes"], 2 * seed + 1, "test")


def _fill(parts: tuple[SceneFolder, SceneFolder], jobs: int, bar: ProgressBar, stop: Callable[[], bool]) -> None:
    """Make the scenes that are not there, unless stopped."""
    bar.start("scenes", sum(map(len, parts)), 0)
    before = 0

    def told(done: int) -> None:
        bar.advance(before + done, "")
        if stop():
            raise Stopped("stopped among the scenes: the same command goes on")

    for part in parts:
        part.fill(jobs, told)
        before += len(part)


def _machine(device: str) -> str:
    """Describe where this is."""
    found = torch_device(device)
    gpus = [] if found == "cpu" else [torch.cuda.get_device_name(found if ":" in found else None)]
    cores = f"{torch.get_num_threads()} of {os.cpu_count()} cores"
    return ", ".join([platform.machine(), cores, *gpus, f"torch {torch.__version__}"])


def _write(folder: Path, module: TeacherPretraining, plan: dict[str, Any], settings: dict[str, Any]) -> Path:
    """End the sitting: write the best teacher so far and its card."""
    saved = sitting.end(folder)
    if saved is None or not saved.stage:
        raise Stopped("stopped before the first step: the same command goes on")
    path = folder / f"3d-st-{plan['width']}.safetensors"
    if saved.step < plan["steps"]:  # else the trainer has left the best one
        module.load_state_dict(saved.best or saved.module)
    Teacher(module.teacher, module.k).save(path, spacing=module.spacing, steps=saved.step)
    history = History(saved.log)
    sittings = len(history.sittings)
    words = _words(plan, settings)
    facts = {
        "command": f"geoad pretrain --out FOLDER {words}",
        "scenes": "{scenes} + {validation_scenes} of {points} points, source {source}".format(**plan),
        "steps": f"{saved.step} of {plan['steps']}",
        **{name: str(value) for name, value in ({"k": module.k} | settings).items()},
        "hours of training": f"{history.hours:.2f} in {sittings} sitting{'s' if sittings > 1 else ''}",
        "machine": "; ".join(history.places),
    }
    remark = f"Not finished. `geoad pretrain --out FOLDER --continue-from checkpoint.pt {words}` goes on."
    write_card(path, facts, history.curve(saved.step), remark if saved.step < plan["steps"] else "")
    return path


def _words(plan: dict[str, Any], settings: dict[str, Any]) -> str:
    """Return the options of the command line that say all this."""
    words = [word for name, value in plan.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    words += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return shlex.join(words)
