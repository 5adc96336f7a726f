"""A dataset in memory, and two detectors that know where to look."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from geoad.data.dataset import Entry
from geoad.detectors.base import Detector
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import AnomalyMap, Sample
from geoad.training.stage import Visit


class ToyDataset(Sequence):
    """Planes with bumps; 'good' has none, 'bump' one marked bump."""

    NAME = "toy"

    def __init__(self, kinds=("good", "bump", "bump"), *, shape=(24, 32), marked=True, seed=0):
        self.shape, self.marked, self.seed = shape, marked, seed
        self.entries = [Entry(f"test/{kind}/{i:03}", kind, None) for i, kind in enumerate(kinds)]

    def __len__(self):
        return len(self.entries)

    def label(self, i):
        return int(self.entries[i].kind != "good")

    def mask(self, i):
        if self.label(i) and not self.marked:
            return None
        return self._bump(i) > 0.5

    def __getitem__(self, i):
        rows, columns = np.indices(self.shape)
        noise = np.random.default_rng((self.seed, i)).normal(0, 1e-4, self.shape)
        z = 0.5 - 0.01 * self._bump(i) + noise
        xyz = np.dstack([columns * 1e-3, rows * 1e-3, z]).astype(np.float32)
        xyz[0, :5] = 0
        entry = self.entries[i]
        rgb = np.full((*self.shape, 3), 120, np.uint8)
        return Sample(
            xyz=XYZImage(xyz), rgb=rgb, mask=self.mask(i), label=self.label(i), kind=entry.kind, name=entry.name
        )

    def _bump(self, i):
        rows, columns = np.indices(self.shape)
        return self.label(i) * np.exp(-((rows - 12) ** 2 + (columns - 8 - i) ** 2) / 16)


class Height:
    """Scores how far a point stands out of the plane."""

    def score(self, sample):
        return AnomalyMap(np.where(sample.xyz.valid, np.maximum(0.5 - sample.xyz.xyz[..., 2], 0), 0))


class MeanDepth(Detector):
    """Remembers the mean depth of every good sample: a buffer whose length depends on the data."""

    def __init__(self, *, width: int = 2):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(width))
        self.register_buffer("depths", torch.empty(0, dtype=torch.float64))

    def prepare(self, sample: Sample) -> dict[str, torch.Tensor]:
        return {"depth": torch.tensor(float(sample.xyz.xyz[..., 2][sample.xyz.valid].mean()), dtype=torch.float64)}

    def stages(self) -> Iterator[Visit]:
        yield Visit("depths", self.see)

    def see(self, batch: dict[str, torch.Tensor]) -> None:
        self.depths = torch.cat([self.depths, batch["depth"]])

    def map(self, sample: Sample) -> AnomalyMap:
        return AnomalyMap(np.abs(sample.xyz.xyz[..., 2] - float(self.depths.mean())))
