"""The first loop: a detector scores a dataset, and every map goes to disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from geoad._whole_file import make_folder, write_whole
from geoad.evaluation.map_file import SUFFIXES, read_map, write_map
from geoad.evaluation.map_folder import map_base
from geoad.evaluation.part_scores import write_scores
from geoad.evaluation.picture import draw_picture, extent_of, scale_limits
from geoad.sample import AnomalyMap, Sample

if TYPE_CHECKING:
    from geoad.data.dataset import Dataset


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

    >>> Exported("test/hole/003", 1.5, Path("maps/test/hole/003.tiff"), 0.2).beside(".png").as_posix()
    'maps/test/hole/003.png'
    """

    name: str
    score: float
    path: Path
    seconds: float

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
    overwrite: bool = False,
    pictures: bool = True,
) -> list[Exported]:
    """Score every sample, write FOLDER[/CATEGORY]/<sample name>.tiff and a picture .png beside, return what was done.

    The scores of whole parts go to FOLDER[/CATEGORY]/scores.json.

    `progress` is called after every map. Pictures follow when all maps are there, on one colour scale for all of them,
    so that a good part looks cool beside a defective one.

    A folder that holds maps of this split is refused unless `overwrite`: then files of the same name are replaced and
    no other is touched. Raises ValueError for a map of another size than its sample.

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
    ...     sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*.*"))
    ['bagel/scores.json', 'bagel/test/hole/000.png', 'bagel/test/hole/000.tiff']
    """
    base = map_base(folder, category)
    names = [entry.name for entry in dataset.entries]
    make_folder(base)
    if not overwrite:
        _check_free(base, names)
    done, extents = list[Exported](), list[tuple[float, float]]()
    for i, name in enumerate(names):
        exported, anomaly_map = _export(detector, dataset[i], name, base / f"{name}.tiff")
        done.append(exported)
        extents.append(extent_of(anomaly_map))
        if progress is not None:
            progress(exported)
    write_scores(base, {exported.name: exported.score for exported in done})
    if pictures and done:
        _draw(dataset, done, scale_limits(extents))
    return done


def _check_free(base: Path, names: Sequence[str]) -> None:
    """Raise FileExistsError if maps would be replaced, or mixed with those of another call."""
    for split in sorted({name.partition("/")[0] for name in names}):
        for path in sorted((base / split).rglob("*")):
            if path.suffix.lower() in SUFFIXES:
                raise FileExistsError(f"{path}: the folder holds maps already: overwrite them, or choose an empty one")


def _export(detector: Scorer, sample: Sample, name: str, path: Path) -> tuple[Exported, AnomalyMap]:
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
    return Exported(name, _score(anomaly_map), path, seconds), anomaly_map


def _score(anomaly_map: AnomalyMap) -> float:
    assert anomaly_map.score is not None  # set by AnomalyMap itself
    return float(anomaly_map.score)


def _draw(dataset: Dataset, done: Sequence[Exported], limits: tuple[float, float]) -> None:
    """Draw a picture beside every map, all on one scale."""
    for i, exported in enumerate(done):
        anomaly_map = AnomalyMap(read_map(exported.path), score=exported.score)
        picture = draw_picture(dataset[i], anomaly_map, limits=limits)
        write_whole(exported.beside(".png"), partial(picture.save, format="png"))
