"""What detectors of depth images share: their source, depth in units of the training set's, and what is odd in it."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

from geoad import _check
from geoad.detectors.base import Detector
from geoad.detectors.images.depth_image import Source, other_unit, usual_depth
from geoad.detectors.stray import stray_depth
from geoad.sample import AnomalyMap, Sample
from geoad.training.stage import Batch


class DepthDetector(Detector):
    """A detector of depth images, with `source` "depth+rgb" of their colours too; depth is divided by `farthest`.

    A method prepares one tensor (C, H, W), its first channel the depth in metres; its first stage calls `see_depth`
    with that of each scan; and `pixel_scores` maps such a tensor to scores.

    >>> from geoad.checks import synthetic_scan
    >>> from geoad.detectors.images.depth_image import depth_channels
    >>> from geoad.training.stage import Visit
    >>> class Height(DepthDetector):
    ...     def __init__(self):
    ...         super().__init__(source="depth")
    ...     def prepare(self, sample):
    ...         return {"image": torch.from_numpy(depth_channels(sample))}
    ...     def stages(self):
    ...         yield Visit("scale", lambda batch: self.see_depth(batch, batch["image"][:, 0]))
    ...     def pixel_scores(self, image, shape):
    ...         return 1 - image[0] / self.farthest
    >>> Height().fit([synthetic_scan(0)]).score(synthetic_scan(0)).pixels.shape
    (32, 40)
    """

    farthest: Tensor

    def __init__(self, *, source: Source) -> None:
        super().__init__()
        _check.one_of("source", source, get_args(Source))
        self.rgb = source == "depth+rgb"
        self.register_buffer("farthest", torch.zeros(()))

    def see_depth(self, batch: Batch, depth: Tensor) -> None:
        """Take the depths (..., H, W) of a training scan, 0 where invalid; warn of what is odd in them."""
        if (stray := stray_depth(depth.cpu().numpy())) is not None:
            self.warn_of_training("stray", batch, f"{stray}: depth is divided by the largest: remove it")
        self.compare_unit(batch, usual_depth(depth), "a median depth of {}")
        self.farthest = torch.maximum(self.farthest, depth.max())

    def pixel_scores(self, image: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return the scores of a prepared image (C, H, W), as many as its scan's `shape` has pixels."""
        raise NotImplementedError(f"{type(self).__name__} has no pixel_scores(image, shape)")

    def map(self, sample: Sample) -> AnomalyMap:
        """Score every pixel."""
        image = self.prepare(sample)["image"].to(self.device)
        if (odd := other_unit(image[0], self.farthest)) is not None:
            self.warn_once("unit", sample.place, odd)
        pixels = self.pixel_scores(image, sample.shape).cpu().numpy()
        return AnomalyMap(pixels, valid=sample.scan().valid)
