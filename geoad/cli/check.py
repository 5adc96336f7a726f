"""`geoad data check`: every fault of a dataset at once."""

from __future__ import annotations

from argparse import Namespace

from geoad.cli.arguments import check_category
from geoad.data import check_dataset
from geoad.training.progress import progress_bar


def run(arguments: Namespace) -> int:
    """Read every file and print what is there and what is wrong; 1 if anything is."""
    name, root = arguments.data
    check_category(arguments.data, arguments.category)
    with progress_bar() as bar:

        def tell(done: int, total: int, sample: str) -> None:
            if done == 1:
                bar.start(sample.rpartition("/")[0], total, 0)
            bar.advance(done, "")

        report = check_dataset(name, root, category=arguments.category, progress=tell)
    print(report)
    return 0 if report.ok else 1
