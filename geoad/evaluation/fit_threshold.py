"""A threshold for a trained detector, from good parts that it was not trained on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad._whole_file import write_whole
from geoad.data.dataset import Dataset, entries_of
from geoad.evaluation.export import Scorer
from geoad.metrics import Threshold


def fit_threshold(detector: Scorer, dataset: Dataset, kind: str = "maximum", **options: Any) -> Threshold:
    """Score every good part once, and fit a threshold to the maps and the parts' own scores.

    `kind` and `options` as in `Threshold.fit`. Maps wait in a temporary folder, one is in memory at a time. Raises
    ValueError for a dataset with a defective part, naming it.

    >>> from types import SimpleNamespace
    >>> from geoad.geometry.xyz_image import XYZImage
    >>> from geoad.sample import AnomalyMap, Sample
    >>> class Parts(list):
    ...     entries = [SimpleNamespace(name="validation/good/000")]
    ...     label = staticmethod(lambda i: 0)
    >>> parts = Parts([Sample(xyz=XYZImage(np.ones((4, 5, 3))))])
    >>> detector = SimpleNamespace(score=lambda sample: AnomalyMap(sample.xyz.xyz[..., 2], score=3.0))
    >>> threshold = fit_threshold(detector, parts)
    >>> threshold.value, threshold.part_value
    (1.0, 3.0)
    """
    for i, entry in enumerate(entries_of(dataset)):
        if dataset.label(i):
            raise ValueError(f"{entry.name}: a threshold is fitted to good parts, and this one is defective")
    with TemporaryDirectory() as folder:
        scores = []
        for i in range(len(dataset)):
            anomaly_map = detector.score(dataset[i])
            write_whole(Path(folder, f"{i:06}.npy"), partial(np.save, arr=anomaly_map.pixels))
            scores.append(anomaly_map.score)
        parts = np.array(scores, np.float64)
        if (alike := int(np.count_nonzero(parts == parts.max(initial=-np.inf)))) > 1:
            told = f"{alike} of {len(parts)} good parts have the highest score of all, {parts.max():.4g}"
            mend = "a part that is no better may pass for good (voxel-vm: smooth=0.5 tells more of them apart)"
            warnings.warn(f"{told}: {mend}", stacklevel=2)
        return Threshold.fit(_Saved(Path(folder)), kind, scores=parts, **options)


class _Saved:
    """The maps of a folder, as often as they are read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (np.load(path) for path in sorted(self.folder.iterdir()))
