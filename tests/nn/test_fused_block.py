"""A residual block as one operation against its parts, forward and backward."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from geoad.nn import fused_block
from geoad.nn.local_features import ResidualBlock

ROWS = {"whole": (23, 23), "cone": (17, 9)}


def case(width: int, dtype: torch.dtype = torch.float64, k: int = 5) -> tuple[ResidualBlock, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    points = torch.rand(23, 3, dtype=dtype)
    return ResidualBlock(width).to(dtype), points, torch.randint(23, (23, k)), torch.randn(23, width, dtype=dtype)


def by_parts(monkeypatch: pytest.MonkeyPatch, block: ResidualBlock, *arguments: object) -> Tensor:
    with monkeypatch.context() as change:
        change.setattr(fused_block, "serves", lambda points: False)
        return block(*arguments)  # type: ignore[no-any-return]


@pytest.mark.parametrize("width", [4, 8, 12, 48])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("single", [False, True])
def test_equals_its_parts(monkeypatch: pytest.MonkeyPatch, width: int, rows: str, single: bool) -> None:
    block, points, index, features = case(width)
    index[: ROWS[rows][1]] %= ROWS[rows][0]  # closed: the second aggregation reads what the first has made
    features = (features[:1] if single else features).requires_grad_()
    scale = torch.tensor(3.0, dtype=points.dtype, requires_grad=True)
    arguments = points, index, features, scale, ROWS[rows]
    fused, parts = block(*arguments), by_parts(monkeypatch, block, *arguments)
    torch.testing.assert_close(fused, parts, rtol=1e-12, atol=1e-13)
    leaves = [features, scale, *block.parameters()]
    weights = torch.randn_like(fused)
    sides = (torch.autograd.grad((result * weights).sum(), leaves) for result in (fused, parts))
    for mine, theirs in zip(*sides, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-11)


def test_gradients_in_double() -> None:
    block, points, index, features = case(8)
    leaves = [features.requires_grad_(), *block.parameters()]
    scale = torch.tensor(1.0, dtype=points.dtype)
    assert torch.autograd.gradcheck(lambda f, *_: block(points, index, f, scale, (23, 23)), leaves, fast_mode=True)


def test_what_needs_no_gradient_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    block, points, index, features = case(8, torch.float32)
    arguments = points, index, features, torch.tensor(1.0), (23, 23)
    expected = block(*arguments)
    with torch.no_grad():
        assert torch.equal(block(*arguments), expected)
    with torch.inference_mode():
        assert torch.equal(block(*arguments), expected)
    block.requires_grad_(False)
    block.leave.weight.requires_grad_()
    both = block(*arguments), by_parts(monkeypatch, block, *arguments)
    torch.testing.assert_close(*(torch.autograd.grad(result.sum(), block.leave.weight)[0] for result in both))


def test_half_precision_and_coordinates_with_gradient_go_by_parts() -> None:
    block, points, index, features = case(8, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert not fused_block.serves(points)
        result = block(points, index, features, torch.tensor(1.0), (23, 23))
    torch.testing.assert_close(
        result.float(), block(points, index, features, torch.tensor(1.0), (23, 23)), rtol=0.1, atol=0.1
    )
    assert not fused_block.serves(points.requires_grad_()) and not fused_block.serves(points.detach().to("meta"))


def test_a_second_derivative_is_refused_not_wrong() -> None:
    block, points, index, features = case(8)
    leaves = [features.requires_grad_(), *block.parameters()]
    for leaf in leaves:  # derivatives of named inputs pass torch's own refusal by
        total = block(points, index, features, torch.tensor(1.0, dtype=points.dtype), (23, 23)).square().sum()
        with pytest.raises(NotImplementedError, match="no second derivative here: let its points require a gradient"):
            torch.autograd.grad(total, leaf, create_graph=True)
    total = block(points.requires_grad_(), index, features, torch.tensor(1.0, dtype=points.dtype), (23, 23))
    (gradient,) = torch.autograd.grad(total.square().sum(), block.leave.weight, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), block.skip.weight)[0].abs().max() > 0
