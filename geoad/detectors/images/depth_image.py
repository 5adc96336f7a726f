"""A scan as the image that depth methods see (thesis 9.3)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from geoad.detectors.unit import is_other_unit
from geoad.geometry.convert import xyz_to_depth
from geoad.sample import Sample

Source = Literal["depth", "depth+rgb"]
BEHIND = 0.05  # of a scan's points


def depth_channels(sample: Sample, rgb: bool = False) -> NDArray[np.float32]:
    """Return the channels (C, H, W): depth in metres, 0 where invalid, and with `rgb` the colours in 0..1.

    A few stray points that are not before the camera (z ≤ 0) count as invalid pixels.

    Raises ValueError that names the sample if it is no organised scan, has no valid pixel, more than `BEHIND` of them
    not before the camera, or no colours to give.

    >>> from geoad.checks import synthetic_scan
    >>> depth_channels(synthetic_scan(0), rgb=True).shape
    (4, 32, 40)
    """
    name, scan = sample.place, sample.scan()
    if not scan.organised:
        raise ValueError(f"{name} must be an organised scan for a depth method, got {sample.shape}: a cloud of one row")
    depth = xyz_to_depth(scan)
    behind, points = np.count_nonzero(depth[scan.valid] <= 0), np.count_nonzero(scan.valid)
    if behind > BEHIND * points:
        told = f"{behind} of {points} points do not: turn the scan into the camera's frame"
        raise ValueError(f"{name} must lie before the camera (z > 0) for a depth method, {told}")
    channels = [np.maximum(depth, 0)]
    if rgb:
        if sample.rgb is None:
            raise ValueError(f"{name} must have rgb for source 'depth+rgb', it has none")
        channels += list(np.moveaxis(sample.rgb, -1, 0).astype(np.float32) / 255)
    return np.stack(channels)


def usual_depth(depth: Tensor) -> float:
    """Return the median depth of the valid pixels.

    >>> usual_depth(torch.tensor([[0.0, 2.0]]))
    2.0
    """
    return float(depth[depth > 0].median())


def other_unit(depth: Tensor, farthest: Tensor) -> str | None:
    """Return what to tell of a scan whose depths (H, W), 0 where invalid, are not of the unit of the training set's.

    >>> other_unit(torch.tensor([[0.0, 500.0]]), torch.tensor(0.6))
    'is 500 away and the training set 0.6 at most: metres against millimetres?'
    >>> other_unit(torch.tensor([[0.0, 0.5]]), torch.tensor(0.6)) is None
    True
    """
    usual, most = usual_depth(depth), float(farthest)
    if not is_other_unit(usual, most):
        return None
    return f"is {usual:.3g} away and the training set {most:.3g} at most: metres against millimetres?"


def zoom_nearest(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Return values (C, H, W) at another size: those of the pixels whose centres are nearest; a copy.

    >>> zoom_nearest(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), (1, 2)).tolist()
    [[[2.0, 4.0]]]
    """
    rows, columns = (
        ((torch.arange(n, device=values.device) + 0.5) * (old / n)).long()
        for n, old in zip(size, values.shape[1:], strict=True)
    )
    return values[:, rows][:, :, columns]


def zoom_bilinear(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Return values (C, H, W) at another size, interpolated linearly between the centres of pixels.

    >>> zoom_bilinear(torch.tensor([[[0.0, 4.0]]]), (1, 4)).tolist()
    [[[0.0, 1.0, 3.0, 4.0]]]
    """
    return functional.interpolate(values[None], size, mode="bilinear", align_corners=False)[0]


def zoom(channels: Tensor, size: tuple[int, int]) -> Tensor:
    """Return channels (C, H, W) at another size: depth, the first, nearest, so that none is made up; colours bilinear.

    >>> image = torch.tensor([[[1.0, 3.0]], [[1.0, 3.0]]])
    >>> zoom(image, (1, 4)).tolist()
    [[[1.0, 1.0, 3.0, 3.0]], [[1.0, 1.5, 2.5, 3.0]]]
    """
    depth = zoom_nearest(channels[:1], size)
    return torch.cat([depth, zoom_bilinear(channels[1:], size)]) if len(channels) > 1 else depth
