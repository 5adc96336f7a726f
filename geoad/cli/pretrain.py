"""`geoad pretrain`: a teacher for 3D-ST, from scenes that are drawn for it."""

from __future__ import annotations

import sys
from argparse import Namespace
from inspect import signature

from geoad.cli.arguments import UsageError, check_words
from geoad.detectors.points.pretraining import TeacherPretraining
from geoad.detectors.points.pretraining_job import pretrain
from geoad.training.stop import Stop, Stopped

OPTIONS = ("width", "steps")  # keywords of the pretraining that have options of their own


def run(arguments: Namespace) -> int:
    """Draw scenes, train, and write weights and card, or as much of this as there is time for."""
    _check_settings(dict(arguments.set))
    settings = {**(TeacherPretraining.quick() if arguments.preset else {}), **dict(arguments.set)}
    if arguments.steps is not None:
        settings["steps"] = arguments.steps
    with Stop(arguments.hours) as stop:
        try:
            path = pretrain(
                arguments.out,
                width=arguments.width,
                scenes=arguments.scenes,
                validation_scenes=arguments.validation_scenes,
                points=arguments.points,
                source=arguments.source,
                seed=arguments.seed,
                scenes_folder=arguments.scenes_folder,
                continue_from=arguments.continue_from,
                jobs=arguments.jobs,
                device=arguments.device,
                precision=arguments.precision,
                stop=stop,
                progress=True,
                **settings,
            )
        except Stopped as stopped:
            print(f"geoad: {stopped}", file=sys.stderr)
            return 130 if stop.interrupted else 1
    print(f"{path}, and its card beside it: geoad fit 3d-st --set teacher={path}")
    if stop():
        why = "interrupted" if stop.interrupted else "the time is over"
        print(f"geoad: {why}: the same command goes on", file=sys.stderr)
    return 130 if stop.interrupted else 0


def _check_settings(settings: dict[str, object]) -> None:
    """Say which keyword is none, or has an option."""
    known = signature(TeacherPretraining).parameters.keys() - set(OPTIONS)
    for name in settings:
        if name in OPTIONS:
            raise UsageError(f"{name} is an option: --{name} N")
        check_words("keyword of pretrain", [name], known)
