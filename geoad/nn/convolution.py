"""The convolutions and the instance norm of coders, as torch's: but for what costs a CPU its time in training a GAN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geoad.nn.contraction import FORMATS, convolve, convolve_transposed
from geoad.nn.instance_norm import instance_norm


class _Laid:
    """A convolution whose weight lies channels last, except where it covers the whole map and is a plain matrix."""

    weight: Tensor

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__(before, after, kernel, stride, padding)  # type: ignore[call-arg]
        if padding:
            # a single channel would stay as it is, and the convolution would not know what is wanted of it
            laid = self.weight.data.movedim(1, -1).clone(memory_format=torch.contiguous_format)
            self.weight.data = laid.movedim(-1, 1)


class Conv2d(_Laid, nn.Conv2d):
    """`torch.nn.Conv2d` of one kernel, stride and padding: maps (B, C, H, W) to (B, O, H', W').

    >>> Conv2d(1, 3, 4, 2, 1)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 3, 4, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of maps (B, C, H, W)."""
        return _convolved(self, input)


class Conv3d(_Laid, nn.Conv3d):
    """`torch.nn.Conv3d` of one kernel, stride and padding: grids (B, C, X, Y, Z) to (B, O, X', Y', Z').

    >>> Conv3d(1, 3, 4, 2, 1)(torch.zeros(2, 1, 8, 8, 8)).shape
    torch.Size([2, 3, 4, 4, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of grids (B, C, X, Y, Z)."""
        return _convolved(self, input)


class ConvTranspose2d(_Laid, nn.ConvTranspose2d):
    """`torch.nn.ConvTranspose2d` of one kernel, stride and padding: maps (B, O, H', W') to (B, C, H, W).

    >>> ConvTranspose2d(3, 1, 4, 2, 1)(torch.zeros(2, 3, 4, 4)).shape
    torch.Size([2, 1, 8, 8])
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return the transposed convolution of maps (B, O, H', W')."""
        assert output_size is None
        return _transposed(self, input)


class ConvTranspose3d(_Laid, nn.ConvTranspose3d):
    """`torch.nn.ConvTranspose3d` of one kernel, stride and padding: grids (B, O, X', Y', Z') to (B, C, X, Y, Z).

    >>> ConvTranspose3d(3, 1, 4, 2, 1)(torch.zeros(2, 3, 4, 4, 4)).shape
    torch.Size([2, 1, 8, 8, 8])
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return the transposed convolution of grids (B, O, X', Y', Z')."""
        assert output_size is None
        return _transposed(self, input)


class InstanceNorm2d(nn.InstanceNorm2d):
    """`torch.nn.InstanceNorm2d` without parameters: maps (B, C, H, W), of mean 0 and variance 1 each.

    >>> InstanceNorm2d(1)(torch.tensor([[[[1.0, 3.0]]]])).round(decimals=3).tolist()
    [[[[-1.0, 1.0]]]]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the maps, normed."""
        return instance_norm(input, self.eps)


class InstanceNorm3d(nn.InstanceNorm3d):
    """`torch.nn.InstanceNorm3d` without parameters: grids (B, C, X, Y, Z), of mean 0 and variance 1 each.

    >>> InstanceNorm3d(1)(torch.tensor([[[[[1.0, 3.0]]]]])).round(decimals=3).tolist()
    [[[[[-1.0, 1.0]]]]]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the grids, normed."""
        return instance_norm(input, self.eps)


def _convolved(layer: nn.Conv2d | nn.Conv3d, maps: Tensor) -> Tensor:
    assert layer.bias is not None
    return convolve(_laid(maps), layer.weight, layer.bias, layer.stride[0], int(layer.padding[0]))


def _transposed(layer: nn.ConvTranspose2d | nn.ConvTranspose3d, maps: Tensor) -> Tensor:
    assert layer.bias is not None
    return convolve_transposed(_laid(maps), layer.weight, layer.bias, layer.stride[0], int(layer.padding[0]))


def _laid(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=FORMATS[maps.dim()])
