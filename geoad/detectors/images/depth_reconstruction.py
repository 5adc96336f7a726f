"""What depth methods have in common that compare a scan with what a network makes of it (thesis 9.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoad import _check
from geoad.detectors.images.depth_detector import DepthDetector
from geoad.detectors.images.depth_image import Source, depth_channels, zoom, zoom_bilinear
from geoad.nn.default_dtype import float32_by_default
from geoad.nn.moments import Moments
from geoad.sample import Sample
from geoad.training.stage import Batch, Visit
from geoad.training.state import evaluating

Picture = NDArray[np.float32]


class DepthReconstruction(DepthDetector):
    """A square depth image in, its reconstruction out; scores are squared errors, summed over the channels.

    Depth is zoomed to `size` by the nearest pixel and divided by the largest of the images it learns from; an invalid
    pixel has depth 0 and is reconstructed as any other. With `stretch`, 0 stands for the smallest depth of these too:
    then a part half a metre away is more than a ripple on a constant. With `source` "depth+rgb" the colours are three
    channels more, in 0..1, zoomed bilinearly, as the map is on its way back. A method gives `reconstruct` and its
    stages.

    >>> from geoad.checks import synthetic_scan
    >>> class Flat(DepthReconstruction):
    ...     def __init__(self, *, size: int = 16):
    ...         super().__init__(source="depth", size=size, copies=0, stretch=False)
    ...     def stages(self):
    ...         yield from self.statistics()
    ...     def reconstruct(self, images):
    ...         return torch.ones_like(images)
    >>> found = Flat().fit([synthetic_scan(0)]).score(synthetic_scan(1))
    >>> found.pixels.shape, float(found.pixels.max())  # where nothing came back
    ((32, 40), 1.0)
    """

    nearest: Tensor

    def __init__(self, *, source: Source, size: int, copies: int, stretch: bool) -> None:
        super().__init__(source=source)
        _check.positive(size=size)
        _check.not_negative(copies=copies)
        self.size, self.copies, self.stretch = size, copies, stretch
        self.register_buffer("nearest", torch.full((), torch.inf))
        self.moments = Moments(self.channels)

    @property
    def channels(self) -> int:
        """How many an image has."""
        return 4 if self.rgb else 1

    def prepare(self, sample: Sample) -> Batch:
        """Return the image (C, size, size), depth in metres."""
        image = zoom(torch.from_numpy(depth_channels(sample, self.rgb)), (self.size, self.size))
        if not image[0].any():
            told = f"has no valid pixel left at size={self.size}: take a larger size"
            raise ValueError(f"{sample.place} {told}")
        return {"image": image}

    def statistics(self) -> Iterator[Visit]:
        """Yield the stages that find the smallest and the largest depth, and mean and deviation of each channel."""
        yield Visit("scale", self._see_scale)
        yield Visit("moments", self._see_moments)

    def _see_scale(self, batch: Batch) -> None:
        depth = batch["image"][:, 0]
        self.see_depth(batch, depth)
        self.nearest = torch.minimum(self.nearest, depth.where(depth != 0, torch.inf).min())

    def _see_moments(self, batch: Batch) -> None:
        self.moments.see(self.scaled(batch["image"]).movedim(1, -1).reshape(-1, self.channels))

    def scaled(self, images: Tensor) -> Tensor:
        """Return images (B, C, H, W) in metres in units of the training set's depth."""
        depth = images[:, :1]
        if self.stretch:
            span = self.farthest - self.nearest
            span = span.where(span > 0, self.farthest)  # a flat training set has no range
            depth = ((depth - self.nearest) / span).where(depth != 0, 0.0)
        else:
            depth = depth / self.farthest
        return torch.cat([depth, images[:, 1:]], 1)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return what the network makes of scaled images (B, C, size, size)."""
        raise NotImplementedError(f"{type(self).__name__} has no reconstruct(images)")

    def errors(self, images: Tensor) -> Tensor:
        """Return the scores (B, size, size) of scaled images."""
        return (images - self.reconstruct(images)).square().sum(1)

    def pixel_scores(self, image: Tensor, shape: tuple[int, int]) -> Tensor:
        """Score the pixels of the zoomed scan, and zoom the scores back."""
        return zoom_bilinear(self.errors(self.scaled(image[None])).float(), shape)[0]

    def reconstruction(self, sample: Sample) -> dict[str, Picture]:
        """Return pictures of a sample as the network sees it and of what it makes of it, by name, in 0..1.

        Depth is (size, size), near is bright and what is invalid black; colours are (size, size, 3). It may be asked
        for while the network is being trained; before that it raises NotFittedError.
        """
        if not self.farthest:
            self.check_fitted()
        image = self.prepare(sample)["image"]
        with evaluating(self), float32_by_default():
            images = self.scaled(image[None].to(self.device))
            made = {", reconstructed": self.reconstruct(images), **self.generated()}
        return _pictures(images, image[0].numpy() != 0, made)

    def generated(self) -> dict[str, Tensor]:
        """Return further images (1, C, size, size) to be drawn, by name: none, unless a method has some."""
        return {}


def _pictures(images: Tensor, valid: NDArray[np.bool_], made: Mapping[str, Tensor]) -> dict[str, Picture]:
    """Return pictures of a scaled image (1, C, H, W), and of what a network made, all as bright as the first."""
    arrays = {suffix: image[0].float().cpu().numpy() for suffix, image in {"": images, **made}.items()}
    seen = arrays[""][0][valid]
    near, far = float(seen.min(initial=np.inf)), float(seen.max(initial=-np.inf))
    shown = dict[str, Picture]()
    for suffix, (depth, *colours) in arrays.items():
        bright = (1 - 0.8 * (depth - near) / max(far - near, 1e-9)).clip(0, 1)
        # The invalid pixels of a scan are known; in what a network made, a depth that is far too small stands for one.
        there = depth > near - abs(near) / 2 if suffix else valid
        shown[f"depth{suffix}"] = np.where(there, bright, 0).astype(np.float32)
        if colours:
            shown[f"colours{suffix}"] = np.stack(colours, -1)
    return shown
