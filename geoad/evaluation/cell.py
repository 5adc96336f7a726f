"""One cell of a benchmark: a method fitted to a category under a seed, its maps evaluated, its row on disk."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any

from geoad._digest import digest_of
from geoad._lock import locked
from geoad._whole_file import remove_drafts, write_whole
from geoad.data import open_dataset
from geoad.data.dataset import Dataset
from geoad.detectors import make_detector
from geoad.detectors.base import Detector, OddScan
from geoad.evaluation.evaluate import Settings, evaluate_folder
from geoad.evaluation.export import export_maps
from geoad.evaluation.heard import hear_warnings
from geoad.evaluation.reconstruction_picture import draw_reconstructions, watch_reconstructions
from geoad.evaluation.results import environment, write_json
from geoad.evaluation.rows import Row
from geoad.evaluation.run import Run
from geoad.training import checkpoint
from geoad.training.stop import never
from geoad.training.trainer import Trainer

KEPT = ("au_pro", "pixel_auroc", "image_auroc")


@dataclass(frozen=True, eq=False)
class Cell:
    """What is measured: `key` names the method's folder, `method` and `source` its row in the table.

    `params` are keywords of `detector`; `category` is None for a dataset without; `limits` are AU-PRO's.

    >>> Cell("depth-vm", "Depth VM", "3D", "depth-vm", {}, "sim3d", Path("scans"), "bagel").name
    'depth-vm bagel seed 0'
    """

    key: str
    method: str
    source: str
    detector: str
    params: dict[str, Any]
    dataset: str
    root: Path
    category: str | None
    seed: int = 0
    limits: Sequence[float] = (0.3,)
    facts: dict[str, Any] = field(default_factory=dict)
    precision: str = "32-true"

    @property
    def name(self) -> str:
        """The cell in a few words."""
        return " ".join([self.key, *([self.category] if self.category else []), f"seed {self.seed}"])

    def folder(self, out: Path) -> Path:
        """Return the cell's place in the folder of a benchmark."""
        return out / "cells" / self.key / (self.category or "all") / f"seed-{self.seed}"

    def split(self, name: str) -> Dataset:
        """Open a split of its data."""
        return open_dataset(self.dataset, self.root, category=self.category, split=name)


def read_cell(cell: Cell, out: Path) -> list[Row] | None:
    """Return the rows of a finished cell, None if it is not finished.

    >>> read_cell(Cell("a", "A", "3D", "a", {}, "sim3d", Path("scans"), None), Path("no such folder")) is None
    True
    """
    path = cell.folder(out) / "cell.json"
    return read_rows(path) if path.is_file() else None


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a cell.json, each with the machine and the commit that measured it.

    If there is anything to tell, also with "begun_at", the commit of an interrupted training that this one went on
    with, and "warned", what detectors found odd in scans.

    Raises ValueError that names the file for anything else.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "cell.json"
    ...     write_json(path, {"machine": "a computer", "commit": "c0ffee", "rows": [{"value": 0.5}]})
    ...     read_rows(path)
    [{'value': 0.5, 'machine': 'a computer', 'commit': 'c0ffee'}]
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        made = {key: content[key] for key in ("machine", "commit")}
        made |= {key: content[key] for key in ("begun_at", "warned") if content.get(key)}
        return [{**row, **made} for row in content["rows"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not the results of a cell ({error}): remove it to measure again") from error


def run_cell(
    cell: Cell,
    out: Path,
    *,
    device: str = "auto",
    keep_maps: bool = False,
    progress: bool = False,
    stop: Callable[[], bool] = never,
) -> list[Row]:
    """Return the rows of a cell: those on disk, or of a detector fitted, scored and evaluated now.

    A cell that was interrupted goes on from its training's checkpoint; `stop()` ends it with one. Each row has
    "cpu_s", the CPU seconds of this process from fitting to numbers; "resumed" says that an earlier one had begun.
    Beside `cell.json` lie the training's log and, where the method reconstructs, `reconstruction.png`, and of a
    validation scan every 500 steps and at a stage's end `reconstructions/STAGE-STEP.png`; maps are kept if asked for.

    Raises whatever opening, fitting, scoring or evaluating raises, and ValueError for a folder of another config or
    other scans and for a cell that another process is measuring.

    >>> import tempfile
    >>> from geoad.data.sim3d import make_sim3d
    >>> from geoad.data.sim3d.plan import Counts, Size
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = make_sim3d(f"{folder}/scans", categories=["dowel"], size=Size(64, Counts(2, 1, 1, 1)))
    ...     cell = Cell("depth-vm", "Depth VM", "3D", "depth-vm", {}, "sim3d", root, "dowel")
    ...     rows = run_cell(cell, Path(folder) / "out")
    >>> [(row["metric"], row["limit"]) for row in rows]
    [('au_pro', 0.3), ('pixel_auroc', None), ('image_auroc', None)]
    """
    with locked(cell.folder(out)):
        for place in (cell.folder(out), cell.folder(out) / "training"):
            remove_drafts(place)
        detector = make_detector(cell.detector, **cell.params)
        run = Run.create(cell.folder(out), _config(cell, detector), mended=True)
        if (rows := read_cell(cell, out)) is None:
            trainer = Trainer(
                seed=cell.seed,
                device=device,
                precision=cell.precision,
                folder=run.folder / "training",
                log=run.folder / "log",
                progress=progress,
                stop=stop,
            )
            rows = _measure(cell, detector, run, trainer, keep_maps)
        shutil.rmtree(run.folder / "training", ignore_errors=True)  # what only an interrupted training needs
        return rows


def _config(cell: Cell, detector: Detector) -> dict[str, Any]:
    """Return all that a cell's numbers depend on."""
    data = {"dataset": cell.dataset, "root": str(cell.root.resolve()), "category": cell.category}
    data["scans"] = digest_of(cell.split(name).digest() for name in ("train", "validation", "test"))
    made = {"detector": cell.detector, "params": detector.config, "seed": cell.seed, "precision": cell.precision}
    return {**made, **data, "limits": list(cell.limits), **cell.facts}


def _measure(cell: Cell, detector: Detector, run: Run, trainer: Trainer, keep_maps: bool) -> list[Row]:
    """Fit, score and evaluate, write cell.json, and return its rows."""
    begun, resumed = time.process_time(), (run.folder / "training" / checkpoint.NAME).exists()
    made = environment()
    if resumed and (first := json.loads((run.folder / "environment.json").read_bytes())["commit"]) != made["commit"]:
        made["begun_at"] = first
    train, validation = cell.split("train"), cell.split("validation")
    watch_reconstructions(detector, validation if len(validation) else train, run.folder)
    notes = run.folder / "warned.txt"
    if not resumed:
        notes.unlink(missing_ok=True)  # of an attempt that this one does not go on with
    with _heard(notes) as warned:
        detector.fit(train, validation=validation, trainer=trainer)
        rows = _evaluate(cell, detector, run)
    took = {"cpu_s": round(time.process_time() - begun, 2), "resumed": resumed}
    rows = [{**row, **cell.facts, "params": run.config["params"], **took} for row in rows]
    if not keep_maps:
        shutil.rmtree(run.maps)
    path = run.folder / "cell.json"
    write_json(path, {**made, "config": run.config, "warned": warned, "rows": rows})  # with it, the cell is finished
    notes.unlink(missing_ok=True)
    return read_rows(path)


@contextmanager
def _heard(file: Path) -> Iterator[list[str]]:
    """Yield what detectors have warned of, and will have, which is shown as ever; a file keeps it for who goes on."""
    lines = file.read_bytes().decode(errors="surrogateescape") if file.exists() else ""  # names may be no UTF-8
    told = lines.splitlines()

    def hear(text: str, category: type[Warning]) -> None:
        if issubclass(category, OddScan) and text not in told:
            told.append(text)
            write_whole(file, "\n".join(told).encode(errors="surrogateescape"))

    with hear_warnings(hear):  # those of each cell, not of each process
        yield told


def _evaluate(cell: Cell, detector: Detector, run: Run) -> list[Row]:
    """Score the test split into maps, and return their numbers; draw reconstructions where there are any."""
    test = cell.split("test")
    export_maps(detector, test, run.maps, category=cell.category, overwrite=True, pictures=False)
    settings = Settings(limits=tuple(cell.limits))
    found = evaluate_folder(run.maps, test, settings, category=cell.category, method=cell.method, seed=cell.seed)
    if (picture := draw_reconstructions(detector, test)) is not None:
        write_whole(run.folder / "reconstruction.png", partial(picture.save, format="png"))
    kept = [row for row in found.rows if row["metric"] in KEPT]
    labels = {"source": cell.source, "detector": cell.detector, "key": cell.key, "precision": cell.precision}
    return [{**row, **labels, "value": None if isnan(row["value"]) else row["value"]} for row in kept]
