"""Which clouds an unorganised data set holds, and where they lie: the tree of Real3D-AD and Anomaly-ShapeNet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from geoad.data.sim3d import get_category, store
from geoad.data.sim3d.category import Category, Counts
from geoad.data.sim3d.cloud import simulate_cloud

COLOUR = "color"  # the kind that no point shows
# points of a cloud, and how many clouds: four templates to train on, as the originals have
CLOUD_SIZES = {
    "tiny": (8192, Counts(4, 0, 6, 16)),
    "small": (32768, Counts(4, 0, 12, 32)),
    "full": (131072, Counts(4, 0, 50, 50)),
}


@dataclass(frozen=True)
class CloudEntry:
    """One cloud of the plan; `split` is "train" or "test".

    >>> {part: path.as_posix() for part, path in CloudEntry("foam", "test", "cut", 7).paths.items()}
    {'pcd': 'foam/test/007_cut.pcd', 'txt': 'foam/gt/007_cut.txt'}
    """

    category: str
    split: str
    kind: str
    index: int

    @property
    def paths(self) -> dict[str, PurePosixPath]:
        """The cloud's files below the root: the points, and for a defective part points with labels."""
        stem = f"{self.index:03d}_{'template' if self.split == 'train' else self.kind}"
        paths = {"pcd": PurePosixPath(self.category, self.split, f"{stem}.pcd")}
        if self.kind != "good":
            paths["txt"] = PurePosixPath(self.category, "gt", f"{stem}.txt")
        return paths

    def seed(self, seed: int) -> np.random.SeedSequence:
        """Return the stream of this cloud in the data set of `seed`."""
        return np.random.SeedSequence([seed, *f"{self.category}/{self.split}/cloud/{self.index:03d}".encode()])


def plan_clouds(category: Category, counts: Counts) -> list[CloudEntry]:
    """Return the clouds of a category; the test clouds are numbered through, the good ones first, none with a stain.

    >>> [entry.kind for entry in plan_clouds(get_category("rope"), Counts(1, 0, 1, 3))]
    ['good', 'good', 'contamination', 'cut', 'open']
    """
    defects = [kind for kind in category.kinds[1:] if kind != COLOUR]
    kinds = ["good"] * counts.good + sorted(defects[i % len(defects)] for i in range(counts.defective))
    train = [CloudEntry(category.name, "train", "good", i) for i in range(counts.train)]
    return train + [CloudEntry(category.name, "test", kind, i) for i, kind in enumerate(kinds)]


def write_cloud(root: Path, entry: CloudEntry, points: int, seed: int) -> dict[str, str]:
    """Simulate one cloud and write the files that are missing; return their SHA-256 by path.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(write_cloud(Path(folder), CloudEntry("dowel", "test", "cut", 0), 1000, seed=0))
    ['dowel/gt/000_cut.txt', 'dowel/test/000_cut.pcd']
    """
    cloud = simulate_cloud(get_category(entry.category), entry.kind, entry.seed(seed), points=points)
    written = {}
    for part, path in entry.paths.items():
        if not (root / path).exists():
            data = store.pcd_bytes(cloud.points) if part == "pcd" else store.txt_bytes(cloud.points, cloud.labels)
            written[path.as_posix()] = store.write_bytes(root / path, data)
    return written
