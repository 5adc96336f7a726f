"""Write a simulated data set: `geoad data make sim3d ROOT`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from geoad import _check
from geoad.data.sim3d import CATEGORIES, get_category, store
from geoad.data.sim3d.cloud_plan import CLOUD_SIZES, plan_clouds, write_cloud
from geoad.data.sim3d.plan import CAMERA, SIZES, PlannedScan, Size, plan
from geoad.data.sim3d.scan import simulate
from geoad.data.sim3d.sensor import Sensor
from geoad.data.sim3d.tree import fill

VERSION = "sim3d-1"  # frozen: whoever changes a byte of a scan changes the version
SMALLEST = 64  # pixels
FEWEST = 1000  # points of a cloud
BYTES = 16  # of a pixel on disk, at most
POINT_BYTES = 50  # of a point of a cloud, at most


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
    _check_numbers(jobs, seed)
    entries = [entry for name in names for entry in plan(get_category(name), size)]
    pixels = {name: size.longest(get_category(name).shape) for name in names}
    cameras = {name: get_category(name).station(pixels[name]).camera for name in names}
    fill(
        root,
        {**_settings(names, seed), "size": asdict(size), "sensor": asdict(Sensor())},
        entries,
        partial(write_scan, pixels=pixels, seed=seed),
        size=lambda entry: BYTES * cameras[entry.category].image_width * cameras[entry.category].image_height,
        besides={name / CAMERA: cameras[str(name)].save for name in map(PurePosixPath, names)},
        progress=progress,
        jobs=jobs,
    )
    return root


def make_clouds(
    root: str | Path,
    *,
    categories: Sequence[str] | None = None,
    size: str = "tiny",
    scale: float = 1.0,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
    jobs: int = 1,
) -> Path:
    """Simulate clouds of the `categories`, seen from all around, into `root`, in Real3D-AD's tree, and return `root`.

    A category holds train/*_template.pcd, test/*_good.pcd and test/*_<kind>.pcd, and of every defective part
    gt/*_<kind>.txt with a line "x y z label" a point, in mm. `scale` multiplies the number of points; all else is as
    in `make_sim3d`.

    >>> callable(make_clouds)
    True
    """
    root, names = Path(root), _categories(categories)
    _check_numbers(jobs, seed)
    _check.one_of("size", size, CLOUD_SIZES)
    _check.positive(scale=scale)
    points, counts = round(CLOUD_SIZES[size][0] * scale), CLOUD_SIZES[size][1]
    if points < FEWEST:
        raise ValueError(f"clouds must have {FEWEST} points or more, or no defect can be seen, got {points}")
    entries = [entry for name in names for entry in plan_clouds(get_category(name), counts)]
    fill(
        root,
        {**_settings(names, seed), "unorganised": True, "points": points, "counts": asdict(counts)},
        entries,
        partial(write_cloud, points=points, seed=seed),
        size=lambda _: POINT_BYTES * points,
        besides={},
        progress=progress,
        jobs=jobs,
    )
    return root


def write_scan(root: Path, entry: PlannedScan, pixels: Mapping[str, int], seed: int) -> dict[str, str]:
    """Simulate one scan and write the files that are missing; return their SHA-256 by path.

    `pixels` is the longer side of the images of each category.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(write_scan(Path(folder), PlannedScan("foam", "train", "good", 0), {"foam": 64}, seed=0))
    ['foam/train/good/rgb/000.png', 'foam/train/good/xyz/000.tiff']
    """
    scan = simulate(get_category(entry.category), entry.kind, entry.seed(seed), pixels=pixels[entry.category])
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
    _check.positive(scale=scale)
    size = replace(size, scale=size.scale * scale)
    for name in CATEGORIES:
        if (pixels := size.longest(get_category(name).shape)) < SMALLEST:
            raise ValueError(f"images must have {SMALLEST} pixels or more, or no defect can be seen, got {pixels}")
    if size.counts is not None and (min(asdict(size.counts).values()) < 0 or size.counts.train == 0):
        raise ValueError(f"size.counts must be 0 or more, and train positive, got {size.counts}")
    return size


def _check_numbers(jobs: int, seed: int) -> None:
    _check.positive(jobs=jobs)
    _check.not_negative(seed=seed)


def _settings(names: list[str], seed: int) -> dict[str, Any]:
    """What decides the bytes of any data set, as the manifest holds it."""
    return {"simulator": VERSION, "unorganised": False, "categories": names, "seed": _check.plain(seed)}
