"""The variation model on depth images: how unusual is the distance at each pixel (thesis 9.3, Steger 2018)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from geoad.detectors.deviation_scores import Reduce, check_deviation_keywords, deviation_scores
from geoad.detectors.images.depth_detector import DepthDetector
from geoad.detectors.images.depth_image import Source, depth_channels, zoom_nearest
from geoad.nn.moments import Moments
from geoad.sample import Sample
from geoad.training.stage import Batch, Stage, Visit


class DepthVariationModel(DepthDetector):
    """Mean and standard deviation of each pixel over aligned good scans; scores are |J - mean| / max(deviation, floor).

    Depth is divided by the largest of the training set; an invalid pixel has depth 0 and takes part as any other. With
    `source` "depth+rgb" the colours are three channels more, in 0..1; `reduce` joins the channels. The thesis gives no
    scale and no `floor`; the default is a step of 8-bit images. Scans must show the part in the same place at the same
    size: one of another size than the first is read, and scored, at its nearest pixels.

    Raises ValueError for a sample that is no organised scan, or without colours if the source needs them.

    >>> import numpy as np
    >>> from geoad.checks import synthetic_scan
    >>> detector = DepthVariationModel().fit([synthetic_scan(seed) for seed in range(4)])
    >>> defective = synthetic_scan(9, defect=True)
    >>> pixels = detector.score(defective).pixels
    >>> pixels.shape, bool(np.median(pixels[defective.mask]) > np.median(pixels[~defective.mask]))
    ((32, 40), True)
    """

    size: Tensor

    def __init__(self, *, source: Source = "depth", floor: float = 1 / 255, reduce: Reduce = "norm") -> None:
        super().__init__(source=source)
        check_deviation_keywords(reduce, floor)
        self.floor, self.reduce = floor, reduce
        self.register_buffer("size", torch.zeros(2, dtype=torch.int64))
        self.moments = Moments(0)

    def prepare(self, sample: Sample) -> Batch:
        """Return the channels (C, H, W): depth in metres, 0 where invalid, and colours in 0..1 if asked for."""
        return {"image": torch.from_numpy(depth_channels(sample, self.rgb))}

    def stages(self) -> Iterator[Stage]:
        """Find the size and the scale, then the moments of the pixels."""
        yield Visit("scale", self._see_scale)
        yield Visit("moments", self._see_pixels)

    def pixel_scores(self, image: Tensor, shape: tuple[int, int]) -> Tensor:
        """Score every pixel of the training set's image, and hand the scores to the nearest pixels of this one."""
        scores = deviation_scores(self._scaled(image), self.moments, self.floor, self.reduce).float()
        return zoom_nearest(scores[None], shape)[0]

    def _see_scale(self, batch: Batch) -> None:
        channels = batch["image"][0]
        self.see_depth(batch, channels[0])
        if not self.size.any():
            self.size = torch.tensor(channels.shape[1:], device=self.device)
            self.moments = Moments(channels.numel()).to(self.device)

    def _see_pixels(self, batch: Batch) -> None:
        self.moments.see(self._scaled(batch["image"][0]).reshape(1, -1))

    def _scaled(self, channels: Tensor) -> Tensor:
        """Return channels (C, H, W) at the size of the training set, depth in units of its largest."""
        scaled = zoom_nearest(channels, (int(self.size[0]), int(self.size[1]))).double()
        scaled[0] /= self.farthest.clamp_min(torch.finfo(torch.float32).tiny)
        return scaled
