"""Table 9.2: shapes, parameter counts, and what comes after each convolution."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from geoad.nn.image_coder import image_decoder, image_encoder

ENCODER = {(1, 128): 598_112, (1, 512): 1_384_928, (1, 2048): 4_532_192, (4, 128): 599_648, (4, 512): 1_386_464}
BOTH = {3: 1_198_147, 1: 1_196_097}  # by channels, of 128 latent dimensions


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("channels", "latent"), ENCODER)
def test_parameters_of_the_encoder(channels: int, latent: int) -> None:
    assert count(image_encoder(channels, latent)) == ENCODER[channels, latent]


@pytest.mark.parametrize("channels", BOTH)
def test_parameters_of_encoder_and_decoder(channels: int) -> None:
    assert count(image_encoder(channels, 128)) + count(image_decoder(channels, 128)) == BOTH[channels]


def test_shapes_of_the_table() -> None:
    encoder, sides, widths = image_encoder(4, 128), [], []
    image = torch.zeros(1, 4, 256, 256)
    for layer in encoder:
        image = layer(image)
        if isinstance(layer, nn.Conv2d):
            widths.append(image.shape[1])
            sides.append(image.shape[2])
    assert sides == [128, 64, 32, 32, 16, 16, 8, 8, 8, 1]
    assert widths == [32, 32, 32, 32, 64, 64, 128, 64, 32, 128]
    assert image_decoder(4, 128)(image).shape == (1, 4, 256, 256)


def test_instance_norm_and_leak_follow_all_but_the_last_convolution() -> None:
    for network in (image_encoder(1, 8, size=64, width=2), image_decoder(1, 8, size=64, width=2)):
        kinds = [type(layer).__name__ for layer in network]
        convolution = kinds[0]
        assert kinds == [convolution, "InstanceNorm2d", "LeakyReLU"] * 9 + [convolution]
        assert {layer.negative_slope for layer in network if isinstance(layer, nn.LeakyReLU)} == {0.05}


def test_a_small_size_ends_in_one_pixel_too() -> None:
    code = image_encoder(1, 7, size=96, width=2)(torch.rand(2, 1, 96, 96))
    assert code.shape == (2, 7, 1, 1) and image_decoder(1, 7, size=96, width=2)(code).shape == (2, 1, 96, 96)


@pytest.mark.parametrize("size", [32, 100, 0])
def test_other_sizes_are_refused(size: int) -> None:
    for make in (image_encoder, image_decoder):
        with pytest.raises(ValueError, match=f"size must be a multiple of 32, at least 64, got {size}"):
            make(1, 8, size=size)
