"""`geoad data make`: simulated scans on disk."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from geoad.cli.arguments import check_words
from geoad.data.sim3d import CATEGORIES, make_clouds, make_sim3d
from geoad.training.progress import progress_bar


def run(arguments: Namespace) -> int:
    """Write the scans that are not there yet."""
    categories = _names(arguments.categories)
    check_words("category", categories, CATEGORIES)
    with progress_bar() as bar:
        started = False

        def tell(done: int, total: int) -> None:
            nonlocal started
            if not started:
                bar.start(arguments.name, total, done - 1)
                started = True
            bar.advance(done, "clouds" if arguments.unorganised else "scans")

        make = make_clouds if arguments.unorganised else make_sim3d
        root = make(
            arguments.root,
            categories=categories,
            size=arguments.size,
            scale=arguments.scale,
            seed=arguments.seed,
            jobs=arguments.jobs,
            progress=tell,
        )
    names = [name for name in CATEGORIES if (Path(root) / name).is_dir()]
    print(f"{arguments.name}:{root} holds {', '.join(names)}" + (", unorganised" if arguments.unorganised else ""))
    return 0


def _names(words: list[str] | None) -> list[str] | None:
    """The categories of "a b", "a,b" or both; None for all."""
    return None if words is None else [name for word in words for name in word.split(",") if name]
