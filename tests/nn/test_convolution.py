"""Convolutions and instance norm: torch's outputs, gradients and second derivatives; and nothing nobody asked for."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from geoad.nn import contraction, convolution
from geoad.nn.convolution import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d, InstanceNorm2d, InstanceNorm3d
from geoad.nn.image_coder import image_decoder, image_encoder
from geoad.nn.instance_norm import instance_norm
from geoad.nn.voxel_coder import voxel_decoder, voxel_encoder
from geoad.nn.wasserstein import gradient_penalty

LAYERS = {
    "to one channel, by blocks": (Conv3d, (1, 8, 4, 2, 1), 8),
    "of more channels than places, as matrices": (Conv3d, (5, 96, 4, 2, 1), 8),
    "of more places than channels": (Conv3d, (6, 8, 4, 2, 1), 12),
    "that covers the grid": (Conv3d, (6, 8, 4), 4),
    "whose kernel leaves cells out": (Conv3d, (2, 5, 4, 2, 1), 9),
    "whose kernel is of no whole strides": (Conv2d, (6, 40, 3, 2, 1), 8),
    "of stride 1": (Conv2d, (6, 8, 3, 1, 1), 8),
    "of images to colours": (Conv2d, (4, 8, 4, 2, 1), 16),
    "transposed, by blocks": (ConvTranspose3d, (8, 1, 4, 2, 1), 4),
    "transposed, as matrices": (ConvTranspose3d, (96, 5, 4, 2, 1), 4),
    "transposed, of more places than channels": (ConvTranspose3d, (8, 6, 4, 2, 1), 6),
    "transposed, of a code": (ConvTranspose3d, (8, 6, 4), 1),
    "transposed, of images": (ConvTranspose2d, (8, 6, 3, 1, 1), 8),
}
TWINS = {Conv2d: nn.Conv2d, Conv3d: nn.Conv3d, ConvTranspose2d: nn.ConvTranspose2d, ConvTranspose3d: nn.ConvTranspose3d}
NORMS = {InstanceNorm2d: nn.InstanceNorm2d, InstanceNorm3d: nn.InstanceNorm3d}


def maps_of(kind: type[nn.Module], shape: tuple[int, ...], side: int, **options: Any) -> Tensor:
    dimensions = 2 if kind.__name__.endswith("2d") else 3
    return torch.randn(2, shape[0], *[side] * dimensions, generator=torch.Generator().manual_seed(1), **options)


def derivatives(layer: nn.Module, maps: Tensor) -> list[Tensor]:
    """Return the outcome, its gradients, and the gradients of a penalty on the first of them."""
    maps = maps.clone().requires_grad_()
    made = layer(maps)
    first = torch.autograd.grad(made.sin().sum(), [maps, *layer.parameters()], create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), [maps, *layer.parameters()])
    return [made, *first, *second]


def assert_close(got: list[Tensor], expected: list[Tensor], share: float) -> None:
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).norm() <= share * theirs.norm()


@pytest.mark.parametrize("name", LAYERS)
def test_a_convolution_is_torchs(name: str) -> None:
    kind, shape, side = LAYERS[name]
    torch.manual_seed(0)
    theirs = TWINS[kind](*shape)
    torch.manual_seed(0)
    ours = kind(*shape)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    maps = maps_of(kind, shape, side)
    assert_close(derivatives(ours, maps), derivatives(theirs, maps), 1e-4)
    maps = maps.double()
    assert_close(derivatives(ours.double(), maps), derivatives(theirs.double(), maps), 1e-12)


@pytest.mark.parametrize("few", [0, 4])
@pytest.mark.parametrize("many", [2, 40])
def test_derivatives_of_a_convolution(few: int, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contraction, "FEW", few)
    maps = maps_of(Conv2d, (1,), 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(many, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(many, dtype=torch.float64, requires_grad=True)
    there = lambda *given: contraction.convolve(*given, 2, 1)  # noqa: E731
    back = lambda *given: contraction.convolve_transposed(*given, 2, 1)  # noqa: E731
    for function, given in (
        (there, (maps, weight, bias)),
        (back, (there(maps, weight, bias).detach(), weight, bias[:1])),
    ):
        given = tuple(tensor.detach().requires_grad_() for tensor in given)
        assert torch.autograd.gradcheck(function, given, fast_mode=True)
        assert torch.autograd.gradgradcheck(function, given, fast_mode=True)


@pytest.mark.parametrize("kind", NORMS)
def test_an_instance_norm_is_torchs(kind: type[nn.Module]) -> None:
    maps = 5 + maps_of(kind, (3,), 6)
    assert_close(derivatives(kind(3), maps), derivatives(NORMS[kind](3), maps), 1e-4)
    last = maps.contiguous(memory_format=contraction.FORMATS[maps.dim()])
    assert_close(derivatives(kind(3), last), derivatives(NORMS[kind](3), maps), 1e-4)


@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_derivatives_of_the_instance_norm(eps: float) -> None:
    maps = maps_of(InstanceNorm2d, (3,), 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: instance_norm(x, eps), maps)
    assert torch.autograd.gradgradcheck(lambda x: instance_norm(x, eps), maps)
    (first,) = torch.autograd.grad((instance_norm(maps, eps) * maps).sum(), maps, create_graph=True)
    with pytest.raises(NotImplementedError, match="no third derivative here"):
        torch.autograd.grad(first.square().sum(), maps, create_graph=True)


def plain(network: nn.Sequential) -> nn.Sequential:
    """Return torch's own layers with the parameters of a coder."""
    layers = list[nn.Module]()
    for layer in network:
        if type(layer) in TWINS:
            twin = TWINS[type(layer)](
                layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding
            )
            twin.load_state_dict(layer.state_dict())
            layers.append(twin)
        elif type(layer) in NORMS:
            layers.append(NORMS[type(layer)](layer.num_features))
        else:
            layers.append(nn.LeakyReLU(layer.negative_slope) if isinstance(layer, nn.LeakyReLU) else layer)
    return nn.Sequential(*layers)


@pytest.mark.parametrize(("encoder", "decoder", "sides"), [
    (voxel_encoder, voxel_decoder, (32, 32, 32)),
    (image_encoder, image_decoder, (64, 64)),
])  # fmt: skip
def test_a_coder_is_one_of_torchs_layers(
    encoder: Callable[..., nn.Sequential], decoder: Callable[..., nn.Sequential], sides: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    critic, generator = (make(1, 4, size=sides[0], width=4).double() for make in (encoder, decoder))
    codes = torch.randn(2, 4, *[1] * len(sides), dtype=torch.float64)
    twins = plain(critic).double(), plain(generator).double()
    assert list(critic.state_dict()) == list(twins[0].state_dict())
    assert list(generator.state_dict()) == list(twins[1].state_dict())
    kept = [parameter for name, parameter in critic.named_parameters() if parameter.dim() > 1]
    theirs = [parameter for name, parameter in twins[0].named_parameters() if parameter.dim() > 1]
    fakes = generator(codes), twins[1](codes)
    assert_close([fakes[0]], [fakes[1]], 1e-9)
    penalties = []
    for network, fake, parameters in zip((critic.float(), twins[0].float()), fakes, (kept, theirs), strict=True):
        torch.manual_seed(1)
        penalty = gradient_penalty(lambda x, to=network: to(x).mean(1), torch.rand(2, 1, *sides), fake)
        penalties.append([penalty, *torch.autograd.grad(penalty, parameters)])
    assert_close(*penalties, 2e-3)  # a sign that rounding changes is a step of a slope


def test_what_nobody_asks_for_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = list[str]()
    contract = contraction.contract

    def counted(given: dict[Any, Tensor], form: contraction.Form) -> Tensor:
        missing.extend({"maps", "weight", "outcome"} - set(given))
        return contract(given, form)

    monkeypatch.setattr(contraction, "contract", counted)
    network = nn.Sequential(Conv2d(1, 8, 4, 2, 1), Conv2d(8, 8, 4, 2, 1), nn.Flatten())
    maps = torch.randn(2, 1, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(maps).sum(), maps, create_graph=True)
    assert missing == ["outcome"] * 2 + ["maps"] * 2
    missing.clear()
    gradient.square().sum().backward(inputs=list(network.parameters()))
    assert sorted(missing) == ["outcome", "weight", "weight"]  # of the second layer the tangent; of both the weights
    missing.clear()
    network(maps.detach()).sum().backward()
    assert sorted(missing) == ["maps", "outcome", "outcome", "weight", "weight"]


@pytest.mark.parametrize("name", LAYERS)
def test_under_autocast_it_is_as_precise_as_torchs(name: str) -> None:
    kind, shape, side = LAYERS[name]
    ours, theirs, maps = kind(*shape), TWINS[kind](*shape), maps_of(kind, shape, side)
    theirs.load_state_dict(ours.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        made, expected = ours(maps), theirs(maps)
        normed = instance_norm(made)
    assert made.dtype == expected.dtype == normed.dtype == torch.bfloat16
    assert_close([made.float()], [expected.float()], 0.01)
    made.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in ours.parameters())


def test_weights_lie_channels_last_and_load_from_those_that_do_not() -> None:
    layers = [Conv3d(a, b, 4, 2, 1) for a, b in pairwise((1, 4, 8))]
    assert all(layer.weight.stride(1) == 1 for layer in layers)
    state = {name: tensor.contiguous() for name, tensor in layers[1].state_dict().items()}
    other = convolution.Conv3d(4, 8, 4, 2, 1)
    other.load_state_dict(state)
    assert torch.equal(other.weight, layers[1].weight) and other.weight.stride(1) == 1
