"""Encoder and decoder of voxel grids that halve and double their size four times (thesis 9.3)."""

from __future__ import annotations

from torch import nn

from geoad.nn.convolution import Conv3d, ConvTranspose3d, InstanceNorm3d

UNITS = (1, 2, 4, 8)
"""Widths of the four layers that halve the grid, in units of the first."""
SHRINK: int = 2 ** len(UNITS)
SMALLEST = 2 * SHRINK
"""Below it the last feature maps are single cells, which have no instance norm."""
SLOPE = 0.2


def voxel_encoder(channels: int, latent: int, *, size: int = 64, width: int = 32) -> nn.Sequential:
    """Return a network from grids (B, C, size, size, size) to (B, latent, 1, 1, 1).

    The thesis takes the network of Simarro Viana et al. and prints no layer; here: convolutions of kernel 4 and stride
    2 to 32, 64, 128 and 256 channels, instance norm but for the first, LeakyReLU of slope 0.2, and a last kernel that
    covers what is left.

    Raises ValueError for a size that is no multiple of 16, or below 32.

    >>> sum(parameter.numel() for parameter in voxel_encoder(1, 128).parameters())
    4852320
    """
    layers, before = list[nn.Module](), channels
    for number, units in enumerate(UNITS):
        layers.append(Conv3d(before, units * width, 4, 2, 1))
        layers += [InstanceNorm3d(units * width)] if number else []
        layers.append(nn.LeakyReLU(SLOPE, inplace=True))
        before = units * width
    return nn.Sequential(*layers, Conv3d(before, latent, _last_kernel(size)))


def voxel_decoder(channels: int, latent: int, *, size: int = 64, width: int = 32) -> nn.Sequential:
    """Return the mirror image of `voxel_encoder`: transposed convolutions, batch norm and ReLU, and tanh at the end.

    >>> sum(parameter.numel() for parameter in voxel_decoder(1, 128).parameters())
    4853153
    """
    layers: list[nn.Module] = [ConvTranspose3d(latent, UNITS[-1] * width, _last_kernel(size))]
    for before, after in zip(reversed(UNITS), (*reversed(UNITS[:-1]), 0), strict=True):
        layers += [nn.BatchNorm3d(before * width), nn.ReLU(inplace=True)]
        layers.append(ConvTranspose3d(before * width, after * width or channels, 4, 2, 1))
    return nn.Sequential(*layers, nn.Tanh())


def _last_kernel(size: int) -> int:
    """Return the side of the last feature maps, which one kernel covers."""
    if size % SHRINK or size < SMALLEST:
        raise ValueError(f"resolution must be a multiple of {SHRINK}, at least {SMALLEST}, got {size}")
    return size // SHRINK
