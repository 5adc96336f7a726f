"""`geoad pretrain`: a teacher for 3D-ST, from scenes that are drawn for it."""

from __future__ import annotations

from argparse import Namespace

from geoad.detectors.points.pretraining_job import pretrain
from geoad.training.progress import Bar


def run(arguments: Namespace) -> int:
    """Draw scenes, train, and write weights and card."""
    with Bar() as bar:
        bar.start("scenes", arguments.scenes + arguments.validation_scenes, 0)
        path = pretrain(
            arguments.out,
            width=arguments.width,
            steps=arguments.steps,
            scenes=arguments.scenes,
            validation_scenes=arguments.validation_scenes,
            points=arguments.points,
            source=arguments.source,
            seed=arguments.seed,
            jobs=arguments.jobs,
            device=arguments.device,
            progress=True,
            drawn=lambda done: bar.advance(done, ""),
        )
    print(f"{path}, and its card beside it: geoad fit 3d-st --set teacher={path}")
    return 0
