"""`geoad score`: maps of a dataset's split, or of any scans, by a trained detector."""

from __future__ import annotations

import json
import re
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from geoad._digest import digest_of
from geoad.cli.arguments import UsageError, check_category, describe, one_line
from geoad.cli.scans import Scans, list_scans
from geoad.cli.warnings_in_a_line import warn
from geoad.data import list_categories, open_dataset
from geoad.data.dataset import Dataset, Entry
from geoad.detectors.base import Detector
from geoad.evaluation import Exported, Run, export_maps, read_map, write_mask
from geoad.evaluation.export import check_free, check_sources, draw_maps
from geoad.evaluation.heard import hear_warnings
from geoad.metrics import Threshold
from geoad.training.progress import progress_bar


class Scoring(NamedTuple):
    """A run and a split that it maps."""

    run: Run
    category: str | None
    dataset: Dataset


def run(arguments: Namespace) -> int:
    """Score what was asked for; 1 if anything could not be scored."""
    if bool(arguments.files) == (arguments.data is not None):
        raise UsageError("give either --data NAME:ROOT or scans to score")
    score = _score_files if arguments.files else _score_splits
    failed = 0
    for name, error in score(arguments):
        failed += 1
        told = re.sub(f"^{re.escape(name)}:? ", "", describe(error))
        print(f"geoad: error: {name}: {told}", file=sys.stderr)
    return 1 if failed else 0


def _score_splits(arguments: Namespace) -> Iterator[tuple[str, Exception]]:
    """Map whole splits, a category after the other; yield the categories that failed."""
    jobs = list(_jobs(arguments))
    for job in jobs:
        try:
            done = _score_split(job, arguments)
        except Exception as error:
            if len(jobs) == 1 or arguments.debug:
                raise
            yield job.category or "", error
            continue
        if not arguments.jsonl:
            _print_split(job, done, Path(arguments.out, job.category or ""))


def _jobs(arguments: Namespace) -> Iterator[Scoring]:
    """Yield a job for each category: of one run, or of a folder of runs."""
    name, root = arguments.data
    check_category(arguments.data, arguments.category)
    folder, categories = Path(arguments.run), list_categories(name, root)
    if (folder / "config.json").exists() or not folder.is_dir() or not categories:
        one = Run.open(folder)
        fitted = one.config.get("category")
        category = arguments.category or fitted
        if fitted and category != fitted:
            warn(f"{folder} was fitted to {fitted}, and scores {category}")
        yield Scoring(one, category, open_dataset(name, root, category=category, split=arguments.split))
        return
    for each in [arguments.category] if arguments.category else categories:
        yield Scoring(Run.open(folder / each), each, open_dataset(name, root, category=each, split=arguments.split))


def _score_split(job: Scoring, arguments: Namespace) -> list[Exported]:
    """Map one split, whole: a scan that cannot be scored is a fault of the dataset."""
    if not len(job.dataset):
        raise ValueError(f"{job.dataset.root}: holds no scan for {arguments.split}: choose another --split")
    detector = _load(job.run, arguments.device)
    name = f"{arguments.split} {job.category or ''}".strip()
    with progress_bar() as bar:
        bar.start(name, len(job.dataset), 0)
        files = {entry.name: entry for entry in job.dataset.entries}
        threshold = job.run.load_threshold()
        done, odd = list[Exported](), list[str]()
        detector.warns_of_each = arguments.jsonl

        def tell(exported: Exported) -> None:
            done.append(exported)
            bar.advance(len(done), "")
            _write_mask(exported, threshold)
            if arguments.jsonl:
                _print_line(files[exported.name], exported, threshold, warned=odd)
            odd.clear()

        def draw(count: int) -> None:
            if count == 1:
                bar.start(f"pictures of {name}", len(job.dataset), 0)
            bar.advance(count, "")

        with _noted(odd):
            export_maps(
                detector,
                job.dataset,
                arguments.out,
                category=job.category,
                progress=tell,
                drawn=draw,
                overwrite=arguments.overwrite,
                maker=f"{job.run.digest()} {_scans(job.dataset)}",
            )
    return done


def _scans(dataset: Dataset) -> str:
    """Return what tells these scans from others: where they lie, a hash of their sizes and times, and of the camera."""
    known = sha256(digest_of([dataset.camera]).encode())
    for path in (path for entry in dataset.entries for path in (entry.xyz, entry.rgb) if path is not None):
        facts = path.stat()
        known.update(f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}".encode(errors="surrogateescape"))
    return f"{dataset.NAME}:{dataset.root.resolve()} {known.hexdigest()[:16]}"


def _score_files(arguments: Namespace) -> Iterator[tuple[str, Exception]]:
    """Map scans one by one; yield those that failed."""
    run = Run.open(arguments.run)
    entries = list_scans(arguments.files)
    out, done = Path(arguments.out), dict[Entry, Exported]()
    check_sources(out, Scans(entries))
    if not arguments.overwrite:
        check_free(out, [entry.name for entry in entries])
    detector, threshold = _load(run, arguments.device), run.load_threshold()
    detector.warns_of_each = True  # nobody sees the files before one as of the same kind
    tell: Callable[..., None] = _print_line if arguments.jsonl else _print_score
    for entry in entries:
        odd = list[str]()
        try:
            with _noted(odd):
                (done[entry],) = export_maps(detector, Scans([entry]), out, overwrite=True, pictures=False)
            _write_mask(done[entry], threshold)
        except Exception as error:
            if arguments.debug:
                raise
            if arguments.jsonl:
                _print_line(entry, threshold=threshold, error=describe(error), warned=odd)
            yield str(entry.xyz), error
        else:
            tell(entry, done[entry], threshold, warned=odd)
    draw_maps(Scans(list(done)), list(done.values()))


def _noted(odd: list[str]) -> AbstractContextManager[None]:
    """Note what is warned of."""
    return hear_warnings(lambda text, _: odd.append(one_line(text)))


def _load(run: Run, device: str) -> Detector:
    """Load the detector of a run onto a device."""
    from geoad.training.device import torch_device

    return run.load_detector().to(torch_device(device))


def _write_mask(exported: Exported, threshold: Threshold | None) -> None:
    """Write which pixels are above the threshold, beside the map."""
    if threshold is not None:
        write_mask(exported.beside(".mask.png"), threshold.apply(read_map(exported.path)))


def _verdict(exported: Exported, threshold: Threshold | None) -> str | None:
    """Call a part good or defective; there is no verdict without a threshold."""
    if threshold is None:
        return None
    return "defective" if threshold.flags(exported.score) else "good"


def _print_split(job: Scoring, done: list[Exported], folder: Path) -> None:
    seconds = [exported.seconds for exported in done if exported.seconds is not None]
    took = f"{sum(seconds) / len(seconds):.2f} s a scan" if seconds else "all of them there already"
    threshold = job.run.load_threshold()
    flagged = sum(_verdict(exported, threshold) == "defective" for exported in done)
    said = "" if threshold is None else f", {flagged} defective (above {threshold.part_value:.4g}, {threshold.kind})"
    print(f"{job.category or job.dataset.NAME}: {len(done)} maps in {folder}, {took}{said}", flush=True)


def _print_score(entry: Entry, exported: Exported, threshold: Threshold | None, warned: list[str]) -> None:
    del warned  # told already
    verdict = _verdict(exported, threshold)
    print(f"{exported.score:.4g}  {f'{verdict}  ' if verdict else ''}{entry.xyz}  {exported.path}", flush=True)


def _print_line(
    entry: Entry,
    exported: Exported | None = None,
    threshold: Threshold | None = None,
    error: str | None = None,
    warned: Sequence[str] = (),
) -> None:
    """Print one part as a JSON object; "threshold" is the one of the part's score."""
    line: dict[str, Any] = {"path": str(entry.xyz or entry.rgb), "score": None, "verdict": None}
    line |= {"threshold": None if threshold is None else threshold.part_value}
    line |= {"latency": None, "map": None, "error": error, "warnings": list(warned)}
    if exported is not None:
        line |= {"score": exported.score, "verdict": _verdict(exported, threshold)}
        latency = None if exported.seconds is None else round(exported.seconds, 4)
        line |= {"latency": latency, "map": str(exported.path)}
    print(json.dumps(line), flush=True)
