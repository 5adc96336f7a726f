"""The first loop: a detector scores a dataset, and every map goes to disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from geoad._lock import locked
from geoad._whole_file import make_folder, write_whole
from geoad.data.dataset import Dataset, entries_of, is_in_dataset
from geoad.data.listing import files_below
from geoad.evaluation.cloud_file import write_scored_cloud
from geoad.evaluation.map_file import SUFFIXES, read_map, write_map
from geoad.evaluation.map_folder import map_base
from geoad.evaluation.part_scores import forget_scores, known_scores, write_scores
from geoad.evaluation.picture import draw_picture, extent_of, scale_limits
from geoad.sample import AnomalyMap, Sample

MAKER = "made_by.txt"
"""The file in a split's folder that says which run made its maps."""
CLOUD = ".scores.ply"
WRITTEN = (".tiff", ".png", ".mask.png", CLOUD)
"""What is written of a sample."""


class Scorer(Protocol):
    """Whatever gives a sample a map: any detector.

    >>> import numpy as np
    >>> class Height:
    ...     def score(self, sample):
    ...         return AnomalyMap(sample.xyz.xyz[..., 2])
    >>> scorer: Scorer = Height()
    """

    def score(self, sample: Sample) -> AnomalyMap:
        """Return the map of a sample, of the sample's size."""


class Exported(NamedTuple):
    """One scored sample: its name, the part's score, the map's file, and the seconds that scoring took.

    Of a map that an earlier call has made, `seconds` is None.

    >>> Exported("test/hole/003", 1.5, Path("maps/test/hole/003.tiff"), 0.2).beside(".png").as_posix()
    'maps/test/hole/003.png'
    """

    name: str
    score: float
    path: Path
    seconds: float | None = None

    def beside(self, suffix: str) -> Path:
        """Return the path of what lies beside the map; a name may hold a dot, so the suffix is put on, not replaced."""
        return self.path.with_name(self.path.name.removesuffix(".tiff") + suffix)


def export_maps(
    detector: Scorer,
    dataset: Dataset,
    folder: str | Path,
    *,
    category: str | None = None,
    progress: Callable[[Exported], object] | None = None,
    drawn: Callable[[int], object] | None = None,
    overwrite: bool = False,
    pictures: bool = True,
    maker: str | None = None,
) -> list[Exported]:
    """Score every sample, write FOLDER[/CATEGORY]/<sample name>.tiff and a picture .png beside, return what was done.

    The scores of whole parts go to FOLDER[/CATEGORY]/scores.json.

    `progress` is called after every map. Pictures follow when all maps are there, on one colour scale for all of them,
    so that a good part looks cool beside a defective one; `drawn` is told how many there are. Of a cloud, or of points
    on a mesh, there is also <sample name>.scores.ply: the points, their scores and the colours of these.

    A folder that holds maps of this split is refused unless `overwrite`: then files of the same name are replaced and
    no other is touched. `maker` is any text that tells this detector on this data from others: maps that a call with
    the same text has left there, before it was interrupted, are kept, and only the others are made. Whatever
    `overwrite` says, no file of the dataset is replaced. Raises ValueError for a map of another size than its sample,
    and for a split whose maps another process is making.

    >>> import tempfile
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from geoad.geometry.xyz_image import XYZImage
    >>> class Parts(list):
    ...     entries = [SimpleNamespace(name="test/hole/000")]
    >>> parts = Parts([Sample(xyz=XYZImage(np.ones((4, 5, 3))), name="test/hole/000")])
    >>> detector = SimpleNamespace(score=lambda sample: AnomalyMap(sample.xyz.xyz[..., 2]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     done = export_maps(detector, parts, folder, category="bagel")
    ...     sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("[!.]*.*"))
    ['bagel/scores.json', 'bagel/test/hole/000.png', 'bagel/test/hole/000.tiff']
    """
    base = map_base(folder, category)
    names = [entry.name for entry in entries_of(dataset)]
    check_sources(base, dataset)
    make_folder(base)
    done = list[Exported]()
    with ExitStack() as alone:
        for split in _splits(names):  # and not the base, where other splits may be written
            alone.enter_context(locked(base / split))
        kept = _begin(base, names, maker, overwrite)
        for i, name in enumerate(names):
            path = base / f"{name}.tiff"
            if name in kept:
                done.append(Exported(name, kept[name], path))
            else:
                done.append(_export(detector, dataset[i], name, path))
                write_scores(base, {name: done[-1].score})
            if progress is not None:
                progress(done[-1])
    if pictures and not all(each.beside(".png").exists() and each.name in kept for each in done):
        draw_maps(dataset, done, drawn)
    return done


def _begin(base: Path, names: Sequence[str], maker: str | None, overwrite: bool) -> dict[str, float]:
    """Make room for maps, say who makes them, and return the scores of those that are kept."""
    kept = dict[str, float]()
    if not overwrite and maker is not None and _is_of(base, names, maker):
        scores = known_scores(base)
        kept = {name: scores[name] for name in names if name in scores and (base / f"{name}.tiff").exists()}
    elif not overwrite:
        check_free(base, names)
    forget_scores(base, set(names) - kept.keys())  # until they are known again
    for name in set(names) - kept.keys():
        for suffix in WRITTEN[1:]:  # of a map that is about to be replaced
            (base / f"{name}{suffix}").unlink(missing_ok=True)
    for split in _splits(names):
        if maker is not None:
            write_whole(base / split / MAKER, f"{maker}\n".encode(errors="surrogateescape"))
        else:
            (base / split / MAKER).unlink(missing_ok=True)
    return kept


def check_sources(base: Path, dataset: Dataset) -> None:
    """Raise FileExistsError if a map of the dataset, or what lies beside it, would replace one of its own files.

    So it does if a map would come to lie among the scans of a tree, where it would be taken for one, or if what is
    written of two samples has one name.

    >>> from types import SimpleNamespace
    >>> entry = SimpleNamespace(name="part", xyz=Path("scans/part.tiff"))
    >>> check_sources(Path("scans"), SimpleNamespace(entries=[entry]))
    Traceback (most recent call last):
    FileExistsError: scans/part.tiff: is a file of the dataset: choose another folder for the maps
    """
    files = (getattr(entry, kind, None) for entry in dataset.entries for kind in ("xyz", "rgb", "mask"))
    sources = {path.resolve() for path in files if path is not None}
    folders, written = {path.parent for path in sources}, dict[Path, str]()
    if hasattr(dataset, "root") and is_in_dataset(base, dataset.root, dataset.category):
        raise FileExistsError(f"{base}: is the dataset, or in it: choose another folder for the maps")
    for name, path in ((entry.name, base / f"{entry.name}{end}") for entry in dataset.entries for end in WRITTEN):
        if (other := written.setdefault(path, name)) != name:
            raise FileExistsError(f"{path}: would be written of {other} and of {name}: rename one of the two")
        if path.resolve() in sources:
            raise FileExistsError(f"{path}: is a file of the dataset: choose another folder for the maps")
    for folder in {path.parent for path in written}:
        if folder.resolve() in folders:
            told = "holds scans of the dataset, and a map would be taken for one: choose another folder for the maps"
            raise FileExistsError(f"{folder}: {told}")


def _splits(names: Sequence[str]) -> list[str]:
    """Return the folders of the splits that samples are of; a name without has none."""
    return sorted({name.partition("/")[0] for name in names if "/" in name})


def _is_of(base: Path, names: Sequence[str], maker: str) -> bool:
    """Whether `maker` has begun the maps of these samples."""
    marks = [base / split / MAKER for split in _splits(names)]
    return bool(marks) and all(mark.exists() and _read(mark).strip() == maker for mark in marks)


def _read(mark: Path) -> str:
    """Return a text that may name files whose names are no UTF-8."""
    return mark.read_text(encoding="utf-8", errors="surrogateescape")


def check_free(base: Path, names: Sequence[str]) -> None:
    """Raise FileExistsError if files would be replaced, or maps mixed with those of another call.

    >>> check_free(Path("no such folder"), ["test/hole/000"])
    """
    for path in (path for split in _splits(names) for path in files_below(base / split, SUFFIXES)):
        told = "the folder holds maps of another run or other scans: choose another, or overwrite them"
        raise FileExistsError(f"{path}: {told}")
    for path in (base / f"{name}{suffix}" for name in names for suffix in WRITTEN):
        if path.exists():
            raise FileExistsError(f"{path}: is there already: choose another folder, or overwrite it")


def _export(detector: Scorer, sample: Sample, name: str, path: Path) -> Exported:
    """Score one sample and write its map."""
    start = time.perf_counter()
    anomaly_map = detector.score(sample)
    seconds = time.perf_counter() - start
    if anomaly_map.pixels.shape != sample.shape:
        raise ValueError(
            f"the map of {name} must be {sample.shape} like the sample, got {anomaly_map.pixels.shape} "
            f"from {type(detector).__name__}"
        )
    write_map(path, anomaly_map)
    assert anomaly_map.score is not None  # set by AnomalyMap itself
    return Exported(name, float(anomaly_map.score), path, seconds)


def draw_maps(dataset: Dataset, done: Sequence[Exported], drawn: Callable[[int], object] | None = None) -> None:
    """Draw a picture beside every map, and a cloud's points, all on one colour scale; `drawn` is told how many.

    >>> draw_maps([], [])
    """
    if not done:
        return
    maps = (AnomalyMap(read_map(each.path), score=each.score) for each in done)
    limits = scale_limits([extent_of(anomaly_map) for anomaly_map in maps])
    for i, each in enumerate(done):
        sample, scores = dataset[i], read_map(each.path)
        if sample.xyz is not None and not sample.xyz.organised:
            write_scored_cloud(each.beside(CLOUD), sample, scores, limits)
        picture = draw_picture(sample, AnomalyMap(scores, score=each.score), limits=limits)
        write_whole(each.beside(".png"), partial(picture.save, format="png", compress_level=1))  # a third of the time
        if drawn is not None:
            drawn(i + 1)
