"""`geoad evaluate`: numbers from maps on disk, whoever made them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from geoad.data import list_categories, open_dataset
from geoad.evaluation import evaluate_maps, format_table, mean_rows, write_results


def run(arguments: Namespace) -> int:
    """Print a table, and write metrics.json and metrics.csv."""
    name, root = arguments.data
    categories: list[str | None] = [arguments.category]
    if arguments.category is None:
        categories = [*list_categories(name, root)] or [None]
    rows = []
    for category in categories:
        dataset = open_dataset(name, root, category=category, split="test")
        rows += evaluate_maps(
            arguments.maps,
            dataset,
            limits=arguments.limits,
            mode=arguments.mode,
            category=category,
            method=Path(arguments.maps).resolve().name,
        )
    rows += mean_rows(rows)
    written, _ = write_results(arguments.out, rows, arguments.command)
    print(format_table(rows))
    print(f"\n{written}, and metrics.csv beside it")
    return 0
