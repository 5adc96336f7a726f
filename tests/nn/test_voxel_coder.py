"""Shapes and sizes of the voxel networks; the Gaussian's divergence."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from geoad.detectors.voxels.voxel_vae import divergence
from geoad.nn.voxel_coder import voxel_decoder, voxel_encoder


@pytest.mark.parametrize(("channels", "latent"), [(1, 128), (3, 512)])
def test_encoder_has_the_weights_of_its_layers(channels: int, latent: int) -> None:
    widths = [channels, 32, 64, 128, 256, latent]
    expected = sum(a * b * 64 + b for a, b in pairwise(widths))
    assert sum(p.numel() for p in voxel_encoder(channels, latent).parameters()) == expected


def test_shapes_go_there_and_back() -> None:
    grids = torch.randn(2, 3, 32, 32, 32)
    code = voxel_encoder(3, 7, size=32, width=4)(grids)
    made = voxel_decoder(3, 7, size=32, width=4)(code)
    assert code.shape == (2, 7, 1, 1, 1) and made.shape == grids.shape and made.abs().max() <= 1


@pytest.mark.parametrize("size", [16, 40, 0])
def test_bad_sizes(size: int) -> None:
    with pytest.raises(ValueError, match=f"resolution must be a multiple of 16, at least 32, got {size}"):
        voxel_encoder(1, 2, size=size)


def test_divergence_of_known_gaussians() -> None:
    zero = torch.zeros(1, 1)
    assert float(divergence(zero, zero)) == 0
    assert float(divergence(zero + 1, zero)) == 0.5
    assert float(divergence(zero, zero + 1)) == pytest.approx((math.e - 2) / 2)


def test_what_stands_between_the_convolutions() -> None:
    encoder, decoder = voxel_encoder(1, 8, size=32, width=2), voxel_decoder(1, 8, size=32, width=2)
    kinds = [[type(layer).__name__ for layer in network] for network in (encoder, decoder)]
    norm = ["Conv3d", "InstanceNorm3d", "LeakyReLU"]
    assert kinds[0] == ["Conv3d", "LeakyReLU", *3 * norm, "Conv3d"]
    assert kinds[1] == [*4 * ["ConvTranspose3d", "BatchNorm3d", "ReLU"], "ConvTranspose3d", "Tanh"]
    assert {layer.negative_slope for layer in encoder if hasattr(layer, "negative_slope")} == {0.2}
