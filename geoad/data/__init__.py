"""Datasets: a folder on disk seen as a lazy sequence of samples.

>>> sorted(list_datasets())
['folder', 'mvtec3d', 'sim3d']
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoad import _check
from geoad._lazy import lazy, load

if TYPE_CHECKING:
    from geoad.data.check import Report, check_dataset
    from geoad.data.dataset import Dataset, Entry, Fault
    from geoad.data.rotated import Rotated
    from geoad.data.scan_file import read_scan
    from geoad.data.tree_writer import write_scan

DATASETS = {
    "folder": "geoad.data.folder:Folder",
    "mvtec3d": "geoad.data.mvtec3d:MVTec3D",
    "sim3d": "geoad.data.mvtec3d:Sim3D",
}

_DESCRIPTIONS = {
    "folder": "your own scans: .tiff .npy .pcd .ply .off .obj .stl, flat and all good, or train/good and test/<kind>",
    "mvtec3d": "MVTec 3D-AD: ten categories from a structured-light sensor, 41 kinds of defects, official splits",
    "sim3d": "simulated scans with exact ground truth, in the tree of mvtec3d (geoad data make sim3d ROOT)",
}

_HOME = {
    "Dataset": "geoad.data.dataset",
    "Entry": "geoad.data.dataset",
    "Fault": "geoad.data.dataset",
    "Report": "geoad.data.check",
    "Rotated": "geoad.data.rotated",
    "check_dataset": "geoad.data.check",
    "read_scan": "geoad.data.scan_file",
    "write_scan": "geoad.data.tree_writer",
}

__all__ = [
    "DATASETS",
    "Dataset",
    "Entry",
    "Fault",
    "Report",
    "Rotated",
    "check_dataset",
    "list_categories",
    "list_datasets",
    "open_dataset",
    "read_scan",
    "write_scan",
]


def open_dataset(
    name: str, root: str | Path, *, category: str | None = None, split: str = "train", **options: Any
) -> Dataset:
    """Open a split of a dataset; nothing is read but the names of its files.

    `options` are keywords of the dataset's class (`folder`: points, seed). Raises ValueError for an unknown dataset,
    category or split, listing the known ones, and for the first fault of the tree, naming file and mend.

    >>> open_dataset("mvtec", ".")
    Traceback (most recent call last):
    ValueError: unknown dataset 'mvtec' (did you mean 'mvtec3d'?); known: folder, mvtec3d, sim3d
    """
    return dataset_class(name)(root, category=category, split=split, **options)


def list_datasets() -> dict[str, str]:
    """Return {name: what it is, in one line}.

    >>> list_datasets()["sim3d"]
    'simulated scans with exact ground truth, in the tree of mvtec3d (geoad data make sim3d ROOT)'
    """
    return dict(_DESCRIPTIONS)


def list_categories(name: str, root: str | Path) -> list[str]:
    """Return the categories of a dataset on disk, [] if it has none.

    >>> list_categories("folder", ".")
    []
    """
    if not Path(root).is_dir():
        raise FileNotFoundError(f"{root}: no such folder: give the folder that holds the dataset")
    return dataset_class(name).categories(Path(root))


def dataset_class(name: str) -> type[Dataset]:
    """Return the class that `name` stands for in DATASETS.

    >>> dataset_class("folder").__name__
    'Folder'
    """
    _check.one_of("dataset", name, DATASETS)
    found: type[Dataset] = load(DATASETS[name])
    return found


__getattr__, __dir__ = lazy(__name__, _HOME)
