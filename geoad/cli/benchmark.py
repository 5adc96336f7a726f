"""`geoad benchmark thesis-3d`: the first 3D benchmark again, cell by cell, on any dataset in its tree."""

from __future__ import annotations

import signal
import sys
import traceback
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from geoad._parent import follow_parent
from geoad._thread_count import ask_threads
from geoad.cli.arguments import describe
from geoad.cli.benchmark_cells import list_cells
from geoad.cli.benchmark_report import report
from geoad.cli.warnings_in_a_line import warnings_in_a_line
from geoad.evaluation import Run
from geoad.evaluation.cell import Cell, read_rows, run_cell
from geoad.evaluation.results import write_results
from geoad.evaluation.rows import Row
from geoad.evaluation.thesis_3d import METHODS, budget
from geoad.training.stop import Stop, Stopped
from geoad.training.trainer import Trainer

GRACE = 60.0  # seconds that an interrupt leaves to the processes
DIED = "a process died, perhaps for want of memory: fewer --jobs; the same command goes on where it stopped"


def run(arguments: Namespace) -> int:
    """Measure what is not measured yet, print and write the tables; 1 if a cell failed, which stops no other."""
    cells = list_cells(arguments)
    Trainer(device=arguments.device, precision=arguments.precision)  # what is not there is told before anything is made
    out = Run.create(arguments.out, _config(arguments)).folder
    failed: dict[Path, str] = {}
    try:
        for number, (cell, outcome) in enumerate(_outcomes(cells, arguments, out), 1):
            if isinstance(outcome, str):
                failed[cell.folder(out)] = f"{cell.name}: {outcome}"
                print(f"geoad: error: {cell.name}: {outcome}", file=sys.stderr, flush=True)
            else:
                print(f"{number}/{len(cells)} {_line(cell, outcome)}", flush=True)
        if arguments.keep_maps:
            _tell_of_maps(cells, out)
    except (KeyboardInterrupt, Stopped) as stopped:
        print(f"geoad: {str(stopped) or 'interrupted'}: the same command goes on", file=sys.stderr)
        return 130
    finally:  # who interrupts a long benchmark wants the table of what is finished
        _write_tables(arguments, out, failed)
    return 1 if failed else 0


def _config(arguments: Namespace) -> dict[str, Any]:
    """Return what all cells of a folder have in common, so that their numbers may stand in one table."""
    name, root = arguments.data
    config = {"benchmark": arguments.name, "dataset": name, "root": str(root.resolve())}
    config |= {"size": arguments.size_preset, "precision": arguments.precision}
    return config | ({"iterations": arguments.iterations} if arguments.size_preset == "small" else {})


def _write_tables(arguments: Namespace, out: Path, failed: dict[Path, str]) -> None:
    """Write and print the tables of every finished cell in the folder, whichever command made it."""
    rows: list[Row] = []
    for path in sorted(out.glob("cells/*/*/*/cell.json")):
        try:
            rows += read_rows(path)
        except ValueError as error:
            failed.setdefault(path.parent, str(error))
    if not rows:
        return
    rows.sort(key=_place)
    write_results(out, rows, arguments.command)
    print(report(out, rows, budget(arguments.size_preset, arguments.iterations), list(failed.values())))


def _place(row: Row) -> tuple[int, str, str, int]:
    """Return where a row stands: methods in the order of the thesis, other latent dimensions last."""
    key = row["key"]
    return list(METHODS).index(key) if key in METHODS else len(METHODS), key, row["category"] or "", row["seed"]


def _tell_of_maps(cells: Sequence[Cell], out: Path) -> None:
    """Say how many cells have no maps, for they were finished before maps were asked for."""
    folders = [cell.folder(out) for cell in cells]
    if bare := [each for each in folders if (each / "cell.json").exists() and not (each / "maps").exists()]:
        many = f"{bare[0]} and {len(bare) - 1} more were" if len(bare) > 1 else f"{bare[0]} was"
        text = f"{many} finished without --keep-maps: remove what shall be measured again for its maps"
        print(f"geoad: warning: {text}", file=sys.stderr)


def _outcomes(cells: Sequence[Cell], arguments: Namespace, out: Path) -> Iterator[tuple[Cell, list[Row] | str]]:
    """Yield each cell with its rows, or with what went wrong, as it ends: one after the other, or in processes."""
    options = {"device": arguments.device, "keep_maps": arguments.keep_maps, "debug": arguments.debug}
    if arguments.jobs == 1:
        yield from ((cell, measure(cell, out=out, progress=True, **options)) for cell in cells)
        return
    if arguments.threads is None:
        ask_threads(1)  # the processes are the parallelism
    yield from in_processes(cells, arguments.jobs, partial(measure, out=out, **options))


def in_processes(cells: Sequence[Any], jobs: int, measure: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """Yield each cell with what `measure` returns, as it ends; of one whose process dies, a line that says so.

    >>> from math import sqrt
    >>> sorted(in_processes([1.0, 9.0], 1, sqrt))
    [(1.0, 1.0), (9.0, 3.0)]
    """
    waiting = deque(cells)
    while waiting:
        lost = list[Any]()  # one has died, and has taken others along
        for cell, outcome in _side_by_side(waiting, jobs, measure):
            if outcome == DIED:
                lost.append(cell)
            else:
                yield cell, outcome
        for cell in lost:
            yield from _side_by_side(deque([cell]), 1, measure)


def _side_by_side(waiting: deque[Any], jobs: int, measure: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    """Take cells from those `waiting` and yield each as it ends; with DIED, those that ran when a process died.

    No process is given a cell before it has done with the last, so that an interrupt waits for none that has not begun.
    """
    running, broken = dict[Future[Any], Any](), False
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin_worker) as pool:
        try:
            while running or (waiting and not broken):
                while waiting and len(running) < jobs and not broken:
                    try:
                        running[pool.submit(measure, waiting[0])] = waiting[0]
                        waiting.popleft()
                    except BrokenExecutor:  # a process died with nothing to do
                        broken = True
                for task in wait(running, return_when=FIRST_COMPLETED).done:
                    cell = running.pop(task)
                    if isinstance(task.exception(), BrokenExecutor):
                        broken = True
                        yield cell, DIED
                    else:
                        yield cell, task.result()
            if broken:
                _kill_workers()
        except (KeyboardInterrupt, Stopped):
            print("geoad: trainings end with a checkpoint; Ctrl-C again ends them at once", file=sys.stderr, flush=True)
            try:
                for process in active_children():
                    process.terminate()
                wait(running, timeout=GRACE)
            finally:
                _kill_workers()
            raise
        except BaseException:
            _kill_workers()
            raise


def _kill_workers() -> None:
    """End the processes of a pool that is not used any more: it waits for them, and they do not hear its SIGTERM."""
    for process in active_children():
        process.kill()


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and do not die of SIGTERM: who dies takes the other processes along."""
    follow_parent(interrupts=False)
    signal.signal(signal.SIGTERM, lambda *_: None)


def measure(cell: Cell, *, out: Path, debug: bool = False, **options: Any) -> list[Row] | str:
    """Return the rows of a cell, or in one line why there are none; raise Stopped at an interrupt."""
    with warnings_in_a_line(), Stop() as stop:
        outcome: list[Row] | str
        try:
            outcome = run_cell(cell, out, stop=stop, **options)
        except Stopped:
            raise
        except Exception as error:
            if debug:
                traceback.print_exc()
            outcome = describe(error)
    if stop():  # no further cell is begun
        raise Stopped(
            f"stopped, and {cell.name}: {outcome}" if isinstance(outcome, str) else f"stopped after {cell.name}"
        )
    return outcome


def _line(cell: Cell, rows: Sequence[Row]) -> str:
    """Say what a cell gave."""
    area = next(row["value"] for row in rows if row["metric"] == "au_pro" and row["limit"] == 0.3)
    told = "-" if area is None else f"{area:.3f}"
    return f"{cell.name}: AU-PRO@0.3 {told}, {rows[0]['cpu_s']:.1f} CPU s"
