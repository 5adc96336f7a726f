"""Write a simulated data set: `geoad data make sim3d ROOT`."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from geoad import _check
from geoad.data.sim3d import CATEGORIES, get_category, store
from geoad.data.sim3d.plan import CAMERA, SIZES, Entry, Size, plan
from geoad.data.sim3d.scan import simulate
from geoad.data.sim3d.sensor import Sensor

VERSION = "sim3d-1"  # frozen: whoever changes a byte of a scan changes the version
SMALLEST = 64  # pixels
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def make_sim3d(
    root: str | Path,
    *,
    categories: Sequence[str] | None = None,
    size: str | Size = "tiny",
    scale: float = 1.0,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
    jobs: int = 1,
) -> Path:
    """Simulate scans of the `categories` (None: all) into `root`, in MVTec 3D-AD's tree, and return `root`.

    `size` is "tiny", "small", "full" or a `Size`; `scale` multiplies the sides of its images. `progress(done, total)`
    is called after every scan; `jobs` processes share the work. The same arguments give the same bytes. An interrupted
    run goes on where it stopped: files appear whole, finished ones are not written again. `manifest.json` holds the
    settings and every file's SHA-256.

    Raises ValueError for an unknown category or size, for a root that holds other files or was made with other
    settings, and OSError if the disk is too small.

    >>> import tempfile
    >>> from geoad.data.sim3d.plan import Counts
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = make_sim3d(folder, categories=["foam"], size=Size(64, Counts(1, 1, 1, 0)))
    ...     sorted(path.name for path in (root / "foam" / "test" / "good").iterdir())
    ['gt', 'rgb', 'xyz']
    """
    root, names, size = Path(root), _categories(categories), _size(size, scale)
    _check.positive("jobs", jobs)
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    entries = [entry for name in names for entry in plan(get_category(name), size)]
    cameras = [name / CAMERA for name in map(PurePosixPath, names)]
    paths = [path for entry in entries for path in entry.paths.values()]
    manifest = store.claim(root, _settings(names, size, seed), [*paths, *cameras])
    todo = [entry for entry in entries if not all((root / path).exists() for path in entry.paths.values())]
    _check_room(root, todo, size)
    files = _write_cameras(root, names, size)
    for done, written in enumerate(_work(root, todo, size, seed, jobs), start=len(entries) - len(todo) + 1):
        files |= written
        if progress is not None:
            progress(done, len(entries))
    _finish(root, manifest, files, [*paths, *cameras])
    return root


def write_scan(root: Path, entry: Entry, pixels: int, seed: int) -> dict[str, str]:
    """Simulate one scan and write the files that are missing; return their SHA-256 by path.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(write_scan(Path(folder), Entry("foam", "train", "good", 0), pixels=64, seed=0))
    ['foam/train/good/rgb/000.png', 'foam/train/good/xyz/000.tiff']
    """
    scan = simulate(get_category(entry.category), entry.kind, entry.seed(seed), pixels=pixels)
    written = {}
    for part, path in entry.paths.items():
        if (root / path).exists():
            continue
        if part == "xyz":
            written[path.as_posix()] = store.write_xyz(root / path, scan.xyz)
        else:
            image = scan.rgb if part == "rgb" else np.where(scan.mask, 255, 0).astype(np.uint8)
            written[path.as_posix()] = store.write_png(root / path, image)
    return written


def _categories(names: Sequence[str] | None) -> list[str]:
    """The chosen categories, checked, in the order of the registry."""
    if isinstance(names, str):
        raise TypeError(f"categories must be a sequence of names, got the string {names!r}: write [{names!r}]")
    for name in names or ():
        _check.one_of("category", name, CATEGORIES)
    chosen = [name for name in CATEGORIES if names is None or name in names]
    if not chosen:
        raise ValueError(f"categories must name at least one of {', '.join(CATEGORIES)}")
    return chosen


def _size(size: str | Size, scale: float) -> Size:
    """The size, scaled and checked."""
    if isinstance(size, str):
        _check.one_of("size", size, SIZES)
        size = SIZES[size]
    _check.positive("scale", scale)
    size = replace(size, scale=size.scale * scale)
    for name in CATEGORIES:
        if (pixels := size.longest(get_category(name).shape)) < SMALLEST:
            raise ValueError(f"images must have {SMALLEST} pixels or more, or no defect can be seen, got {pixels}")
    if size.counts is not None and (min(asdict(size.counts).values()) < 0 or size.counts.train == 0):
        raise ValueError(f"size.counts must be 0 or more, and train positive, got {size.counts}")
    return size


def _settings(names: list[str], size: Size, seed: int) -> dict[str, Any]:
    """What decides the bytes, as the manifest holds it."""
    return {"simulator": VERSION, "categories": names, "size": asdict(size), "seed": seed, "sensor": asdict(Sensor())}


def _check_room(root: Path, todo: list[Entry], size: Size) -> None:
    """Raise OSError unless the disk holds what is still to be written: 16 bytes a pixel."""
    pixels = {name: _pixels(name, size) for name in {entry.category for entry in todo}}
    need = 16 * sum(pixels[entry.category] for entry in todo)
    free = shutil.disk_usage(root).free
    if need > free:
        raise OSError(
            errno.ENOSPC, f"{root} needs {need / 1e9:.1f} GB, {free / 1e9:.1f} GB are free: choose a smaller size"
        )


def _pixels(name: str, size: Size) -> int:
    category = get_category(name)
    camera = category.station(size.longest(category.shape)).camera
    return camera.image_width * camera.image_height


def _write_cameras(root: Path, names: list[str], size: Size) -> dict[str, str]:
    """Write the calibration of every category that has none yet."""
    written = {}
    for name in names:
        path = Path(name) / CAMERA
        if not (root / path).exists():
            category = get_category(name)
            camera = category.station(size.longest(category.shape)).camera
            written[path.as_posix()] = store.publish(root / path, camera.save)
    return written


def _work(root: Path, todo: list[Entry], size: Size, seed: int, jobs: int) -> Iterator[dict[str, str]]:
    """Yield the checksums of every scan as it is written."""
    pixels = {name: size.longest(get_category(name).shape) for name in {entry.category for entry in todo}}
    if jobs == 1 or len(todo) < 2:
        yield from (write_scan(root, entry, pixels[entry.category], seed) for entry in todo)
        return
    with _single_threaded(), ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        try:
            pending = {pool.submit(write_scan, root, entry, pixels[entry.category], seed) for entry in todo}
            yield from _results(pending)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _results(pending: set[Future[dict[str, str]]]) -> Iterator[dict[str, str]]:
    """Yield results as they come."""
    while pending:
        finished, pending = wait(pending, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in finished)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Let processes started meanwhile use one thread each: the processes are the parallelism."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _finish(root: Path, manifest: dict[str, Any], files: dict[str, str], paths: Iterable[PurePosixPath]) -> None:
    """Complete the manifest: checksums of what was written now, recorded ones, and those of an interrupted run."""
    known = manifest["files"] | files
    table = {path.as_posix(): known.get(path.as_posix()) or store.checksum(root / path) for path in paths}
    table = dict(sorted(table.items()))
    if not manifest["complete"] or table != manifest["files"]:
        store.save(root, {**manifest, "complete": True, "files": table})
