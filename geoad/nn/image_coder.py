"""Encoder and decoder of images that halve and double their size five times (thesis table 9.2)."""

from __future__ import annotations

from torch import nn

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
        layers += [nn.Conv2d(before, units * width, kernel, stride, 1), *_norm(units * width)]
        before = units * width
    return nn.Sequential(*layers, nn.Conv2d(before, latent, _last_kernel(size)))


def image_decoder(channels: int, latent: int, *, size: int = 256, width: int = 32) -> nn.Sequential:
    """Return the mirror image of `image_encoder`, of transposed convolutions: (B, latent, 1, 1) to (B, C, size, size).

    >>> sum(parameter.numel() for parameter in image_decoder(1, 128).parameters())
    597985
    """
    widths = [channels, *(units * width for units, _, _ in LAYERS)]
    layers: list[nn.Module] = [nn.ConvTranspose2d(latent, widths[-1], _last_kernel(size)), *_norm(widths[-1])]
    for number in reversed(range(len(LAYERS))):
        _, kernel, stride = LAYERS[number]
        layers.append(nn.ConvTranspose2d(widths[number + 1], widths[number], kernel, stride, 1))
        layers += _norm(widths[number]) if number else []
    return nn.Sequential(*layers)


def _norm(width: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(width), nn.LeakyReLU(SLOPE)]


def _last_kernel(size: int) -> int:
    """Return the side of the last feature maps, which one kernel covers."""
    if size % SHRINK or size < SMALLEST:
        raise ValueError(f"size must be a multiple of {SHRINK}, at least {SMALLEST}, got {size}")
    return size // SHRINK
