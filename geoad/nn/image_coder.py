"""Encoder and decoder of images that halve and double their size five times (thesis table 9.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geoad.nn.convolution import Conv2d, ConvTranspose2d, InstanceNorm2d

LAYERS = ((1, 4, 2), (1, 4, 2), (1, 4, 2), (1, 3, 1), (2, 4, 2), (2, 3, 1), (4, 4, 2), (2, 3, 1), (1, 3, 1))
"""conv1 to conv9: width in units of the first, kernel, stride; the padding is 1."""
SHRINK = 32
SMALLEST = 2 * SHRINK
"""Below it the last feature maps are single pixels, which have no instance norm."""
SLOPE = 0.05


def image_encoder(channels: int, latent: int, *, size: int = 256, width: int = 32) -> nn.Sequential:
    """Return a network from images (B, C, size, size) to (B, latent, 1, 1): table 9.2 for the default size and width.

    Every layer but the last is a convolution, instance norm without parameters, and LeakyReLU of slope 0.05.

    Raises ValueError for a size that is no multiple of 32, or below 64.

    >>> sum(parameter.numel() for parameter in image_encoder(1, 128).parameters())
    598112
    """
    layers, before = list[nn.Module](), channels
    for units, kernel, stride in LAYERS:
        layers += [Conv2d(before, units * width, kernel, stride, 1), *_norm(units * width)]
        before = units * width
    return nn.Sequential(*layers, Conv2d(before, latent, _last_kernel(size)))


def image_decoder(channels: int, latent: int, *, size: int = 256, width: int = 32) -> nn.Sequential:
    """Return the mirror image of `image_encoder`, of transposed convolutions: (B, latent, 1, 1) to (B, C, size, size).

    >>> sum(parameter.numel() for parameter in image_decoder(1, 128).parameters())
    597985
    """
    widths = [channels, *(units * width for units, _, _ in LAYERS)]
    layers: list[nn.Module] = [ConvTranspose2d(latent, widths[-1], _last_kernel(size)), *_norm(widths[-1])]
    for number in reversed(range(len(LAYERS))):
        _, kernel, stride = LAYERS[number]
        layers.append(ConvTranspose2d(widths[number + 1], widths[number], kernel, stride, 1))
        layers += _norm(widths[number]) if number else []
    return nn.Sequential(*layers)


@torch.no_grad()
def start_decoder(decoder: nn.Sequential, mean: Tensor, std: Tensor) -> None:
    """Let a decoder begin with images of about this `mean` and `std` (C,), those of the data, in every channel.

    Torch begins with weights under which images are far more contrasted than any scan; and a critic with instance norm
    hardly sees the mean, so that a GAN would take long to find it.

    >>> decoder = image_decoder(1, 8, size=64)
    >>> start_decoder(decoder, torch.tensor([5.0]), torch.tensor([0.1]))
    >>> made = decoder(torch.randn(16, 8, 1, 1, generator=torch.Generator().manual_seed(0)))
    >>> bool((made.mean() - 5).abs() < 0.1), bool(0.03 < made.std() < 0.3)
    (True, True)
    """
    last = decoder[-1]
    assert isinstance(last, nn.ConvTranspose2d) and last.bias is not None
    taps = last.in_channels * last.kernel_size[0] ** 2 / last.stride[0] ** 2
    last.weight *= (std.to(last.weight) / (last.weight.std() * taps**0.5))[None, :, None, None]
    last.bias.copy_(mean)


def _norm(width: int) -> list[nn.Module]:
    return [InstanceNorm2d(width), nn.LeakyReLU(SLOPE, inplace=True)]


def _last_kernel(size: int) -> int:
    """Return the side of the last feature maps, which one kernel covers."""
    if size % SHRINK or size < SMALLEST:
        raise ValueError(f"size must be a multiple of {SHRINK}, at least {SMALLEST}, got {size}")
    return size // SHRINK
