"""`geoad benchmark thesis-3d`: the first 3D benchmark again, cell by cell, on any dataset in its tree."""

from __future__ import annotations

import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from inspect import signature
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from geoad import _check
from geoad._whole_file import make_folder
from geoad.cli import THREADS
from geoad.cli_arguments import UsageError, describe
from geoad.cli_benchmark_report import report
from geoad.data import list_categories
from geoad.detectors import detector_class
from geoad.evaluation.cell import Cell, run_cell
from geoad.evaluation.measure import Row
from geoad.evaluation.results import write_results
from geoad.evaluation.thesis_3d import LATENTS, LIMITS, ROWS, budget, keywords

DIED = "a process died, perhaps for want of memory: fewer --jobs; the same command goes on where it stopped"


def run(arguments: Namespace) -> int:
    """Measure what is not measured yet, print and write the tables; 1 if a cell failed, which stops no other."""
    cells, out = list_cells(arguments), make_folder(arguments.out)
    found, failed = dict[Cell, list[Row]](), dict[Cell, str]()
    for number, (cell, outcome) in enumerate(_outcomes(cells, arguments, out), 1):
        if isinstance(outcome, str):
            failed[cell] = outcome
            print(f"geoad: error: {cell.name}: {outcome}", file=sys.stderr, flush=True)
        else:
            found[cell] = outcome
            print(f"{number}/{len(cells)} {_line(cell, outcome)}", flush=True)
    rows = [row for cell in cells for row in found.get(cell, [])]
    if rows:
        write_results(out, rows, arguments.command)
        missing = [f"{cell.name}: {error}" for cell, error in failed.items()]
        print(report(out, rows, budget(arguments.size_preset, arguments.iterations), missing))
    return 1 if failed else 0


def list_cells(arguments: Namespace) -> list[Cell]:
    """Return the cells that were asked for: methods, and their other latent dimensions, by categories by seeds."""
    name, root = arguments.data
    known = list_categories(name, root)
    _check_words("method", arguments.methods, list(ROWS))
    _check_words("category", arguments.categories, known)
    categories: Sequence[str | None] = arguments.categories or known or [None]
    facts, variants = {"size": arguments.size_preset}, list(_variants(arguments))
    return [
        Cell(
            place,
            ROWS[key].name,
            ROWS[key].source,
            ROWS[key].detector,
            params,
            name,
            root,
            category,
            seed,
            LIMITS,
            facts,
        )
        for category in categories
        for place, key, params in variants
        for seed in (arguments.seeds if ROWS[key].trained else arguments.seeds[:1])
    ]


def _check_words(what: str, words: Sequence[str] | None, known: Sequence[str]) -> None:
    for word in words or ():
        try:
            _check.one_of(what, word, known)
        except ValueError as error:
            raise UsageError(str(error)) from None


def _variants(arguments: Namespace) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (folder, row, keywords of the detector): the rows of table 9.3, then those that only 9.5 has."""
    methods = tuple(dict.fromkeys(arguments.methods or ROWS))
    for key in methods:
        yield key, key, keywords(key, arguments.size_preset, arguments.iterations)
    for key in methods:
        if not arguments.latents or ROWS[key].source != "3D" or (ROWS[key].name, 128) not in LATENTS:
            continue
        default = signature(detector_class(ROWS[key].detector)).parameters["latent"].default
        usual = keywords(key, arguments.size_preset, arguments.iterations).get("latent", default)
        for latent in arguments.latents:
            if latent != usual:
                yield f"{key}-{latent}", key, keywords(key, arguments.size_preset, arguments.iterations, latent)


def _outcomes(cells: Sequence[Cell], arguments: Namespace, out: Path) -> Iterator[tuple[Cell, list[Row] | str]]:
    """Yield each cell with its rows, or with what went wrong, as it ends: one after the other, or in processes."""
    options = {"device": arguments.device, "keep_maps": arguments.keep_maps, "debug": arguments.debug}
    if arguments.jobs == 1:
        yield from ((cell, measure(cell, out, progress=True, **options)) for cell in cells)
        return
    if arguments.threads is None:
        os.environ.update(dict.fromkeys(THREADS, "1"))  # the processes are the parallelism
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        try:
            tasks: dict[Future[list[Row] | str], Cell] = {pool.submit(measure, c, out, **options): c for c in cells}
            for task in as_completed(tasks):
                died = isinstance(task.exception(), BrokenExecutor)
                yield tasks[task], DIED if died else task.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def measure(cell: Cell, out: Path, *, debug: bool = False, **options: Any) -> list[Row] | str:
    """Return the rows of a cell, or in one line why there are none."""
    try:
        return run_cell(cell, out, **options)
    except Exception as error:
        if debug:
            traceback.print_exc()
        return describe(error)


def _line(cell: Cell, rows: Sequence[Row]) -> str:
    """Say what a cell gave."""
    area = next(row["value"] for row in rows if row["metric"] == "au_pro" and row["limit"] == 0.3)
    told = "-" if area is None else f"{area:.3f}"
    return f"{cell.name}: AU-PRO@0.3 {told}, {rows[0]['cpu_s']:.1f} CPU s"
