"""`geoad fit`: a run folder with a trained detector, one for each category."""

from __future__ import annotations

import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from geoad._digest import digest_of
from geoad._lock import locked
from geoad._whole_file import remove_drafts
from geoad.cli.arguments import PRESETS, UsageError, asked_categories, describe
from geoad.data import open_dataset
from geoad.data.dataset import Dataset
from geoad.detectors import detector_class, make_detector
from geoad.detectors.base import Detector
from geoad.evaluation import Run
from geoad.evaluation.fit_threshold import fit_threshold
from geoad.evaluation.reconstruction_picture import watch_reconstructions
from geoad.evaluation.run import kept_weights
from geoad.training.stop import Stop, Stopped, never
from geoad.training.trainer import Trainer


class Fitting(NamedTuple):
    """One detector to train, and where it goes."""

    folder: Path
    category: str | None
    train: Dataset
    validation: Dataset


def run(arguments: Namespace) -> int:
    """Train what is not trained yet; one category that fails does not stop the others."""
    jobs = list(_jobs(arguments))  # every dataset is opened before the first training begins
    params = _params(arguments, jobs[0].folder)
    failed = 0
    for job in jobs:
        try:
            _fit(job, params, arguments)
        except Stopped as stopped:
            print(f"geoad: {stopped}: the same command goes on", file=sys.stderr)
            return 130
        except Exception as error:
            if len(jobs) == 1 or arguments.debug:
                raise
            print(f"geoad: error: {job.category}: {describe(error)}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def _params(arguments: Namespace, folder: Path) -> dict[str, Any]:
    """Return the keywords of the detector that was asked for, defaults resolved, or say which word was wrong."""
    params, given = _preset(arguments.detector, arguments.preset) if arguments.preset else {}, dict(arguments.set)
    if "epochs" in given:
        params.pop("steps", None)  # which would stand for the epochs
    asked = {**params, **given}
    kept = kept_weights(folder, asked)  # a run that goes on does not need the file that it was given
    try:
        made = make_detector(arguments.detector, **{**asked, **kept})
    except TypeError as error:  # a keyword that it has not
        raise UsageError(str(error)) from error
    return {**made.config, **{name: asked[name] for name in kept}}


def _preset(detector: str, name: str) -> dict[str, Any]:
    """Return the keywords that a detector has under the name of a preset."""
    made = detector_class(detector)
    if not hasattr(made, name):
        there = ", ".join(preset for preset in PRESETS if hasattr(made, preset))
        raise UsageError(f"{detector} has no preset {name}, only {there}")
    keywords: dict[str, Any] = getattr(made, name)()
    return keywords


def _jobs(arguments: Namespace) -> Iterator[Fitting]:
    """Yield the asked category, or every one of the dataset in a folder of its own."""
    name, root = arguments.data
    for category in asked_categories(arguments.data, arguments.category):
        folder = Path(arguments.out)
        if category is not None and arguments.category is None:
            folder /= category
        train, validation = (open_dataset(name, root, category=category, split=s) for s in ("train", "validation"))
        if arguments.hold_out is not None:
            train, validation = _divide(train, validation, arguments.hold_out)
        yield Fitting(folder, category, train, validation)


def _divide(train: Dataset, validation: Dataset, share: float) -> tuple[Dataset, Dataset]:
    """Return all training scans but the last ones, and these."""
    if len(validation):
        raise UsageError(f"--hold-out is for a dataset without validation scans, {train.root} has {len(validation)}")
    if len(train) < 2:
        raise UsageError(f"--hold-out needs 2 training scans at least, {train.root} has {len(train)}")
    kept = min(max(round((1 - share) * len(train)), 1), len(train) - 1)
    return train[:kept], train[kept:]


def _fit(job: Fitting, params: dict[str, Any], arguments: Namespace) -> None:
    """Train one detector, from the beginning or from where an earlier run stopped."""
    config = {
        "detector": arguments.detector,
        "params": params,
        "dataset": arguments.data.name,
        "root": str(arguments.data.root.resolve()),
        "category": job.category,
        "scans": digest_of([job.train.digest(), job.validation.digest()]),
        "seed": arguments.seed,
        "precision": arguments.precision,
    }
    if arguments.hold_out is not None:
        config["hold_out"] = arguments.hold_out
    name = f"{arguments.detector} {job.category}" if job.category else arguments.detector
    _trainer(job.folder, arguments, never)  # a device that is not there is told before anything is made
    run = Run.create(job.folder, config, mended=True)
    with locked(job.folder / "training"):
        if Run.open(job.folder).config != run.config:
            raise ValueError(f"{job.folder}: another process has begun another run there: choose another folder")
        for folder in (job.folder, job.folder / "training"):
            remove_drafts(folder)
        _train(run, job, name, arguments)
    shutil.rmtree(job.folder / "training", ignore_errors=True)  # what only an interrupted training needs


def _train(run: Run, job: Fitting, name: str, arguments: Namespace) -> None:
    """Train the detector of a run that nobody else works in, unless that is done."""
    if run.is_trained:
        print(f"{name}: trained already, in {job.folder}")
        if (threshold := run.load_threshold()) is None:
            _fit_threshold(run, run.load_detector(), job, arguments)
        elif threshold.kind != arguments.threshold:
            print(f"{run.threshold} is of kind {threshold.kind}: remove it for one of kind {arguments.threshold}")
        return
    begun = time.monotonic()
    detector = run.make_detector()
    watch_reconstructions(detector, job.validation if len(job.validation) else job.train, job.folder)
    with Stop() if arguments.devices == 1 else nullcontext(never) as stop:
        try:
            detector.fit(job.train, validation=job.validation, trainer=_trainer(job.folder, arguments, stop))
        except Exception as error:
            if stop() and not isinstance(error, Stopped):  # no further category is begun
                raise Stopped(f"stopped, and {name} failed: {describe(error)}") from error
            raise
        run.save_detector(detector)
    if stop():
        raise Stopped(f"stopped when {name} was trained")
    _fit_threshold(run, detector, job, arguments)
    scans = f"{len(job.train)} scans, {len(job.validation)} for validation"
    print(f"{name}: {scans}, {time.monotonic() - begun:.0f} s, in {job.folder}", flush=True)


def _trainer(folder: Path, arguments: Namespace, stop: Callable[[], bool]) -> Trainer:
    """Return the trainer that was asked for, which ends with a whole step when it is to stop."""
    return Trainer(
        seed=arguments.seed,
        device=arguments.device,
        devices=arguments.devices,
        precision=arguments.precision,
        folder=folder / "training",
        checkpoint_every=arguments.checkpoint_every,
        progress=True,
        log=folder / "log",
        stop=stop,
    )


def _fit_threshold(run: Run, detector: Detector, job: Fitting, arguments: Namespace) -> None:
    """Save what good parts tell of a threshold; say that there is none without validation parts."""
    if len(job.validation):
        fit_threshold(detector, job.validation, arguments.threshold).save(run.threshold)
    else:
        print("no threshold: the dataset has no validation parts (--hold-out 0.2 keeps some in a new run)")
