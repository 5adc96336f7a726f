"""The aggregation as an operator: torch's own checks, shapes without data, compilation."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from geoad.ops import _cuda, aggregate_numba
from geoad.ops.aggregate import _choose, aggregate

OPERATORS = torch.ops.geoad


def case(dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(0)
    points, weight, bias, features = (
        torch.randn(*shape, generator=draw, dtype=dtype) for shape in ((9, 3), (4, 4), (4,), (9, 6))
    )
    return points, torch.randint(9, (7, 5), generator=draw), weight, bias, features


def test_opcheck() -> None:
    points, index, weight, bias, features = case()
    leaves = [t.clone().requires_grad_() for t in (weight, bias, features)]
    gradient = torch.randn(7, 10, generator=torch.Generator().manual_seed(1))
    torch.library.opcheck(OPERATORS.aggregate_forward, (points, index, *leaves, 0.2))
    torch.library.opcheck(OPERATORS.aggregate_backward_weight, (points, index, weight, bias, gradient, 0.2))
    torch.library.opcheck(OPERATORS.aggregate_backward_features, (9, index, gradient, 4))


def test_compiled_without_a_break() -> None:
    points, index, weight, bias, features = case()
    leaves = [t.requires_grad_() for t in (weight, bias, features)]

    def loss(weight: Tensor, bias: Tensor, features: Tensor) -> Tensor:
        return aggregate(points, index, 2 * weight, bias, features.sin()).square().sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    expected, got = (torch.autograd.grad(f(*leaves), leaves) for f in (loss, compiled))
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)
    whole = torch.compile(aggregate, fullgraph=True, backend="eager", dynamic=True)
    with torch.no_grad(), pytest.raises(ValueError, match=r"index must lie in \[0, 9\), got values from 9"):
        whole(points, index + 9, weight, bias, features)


def test_it_is_not_captured_with_its_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("forward", "backward_weight", "backward_features"):
        assert torch.Tag.cudagraph_unsafe in getattr(OPERATORS, f"aggregate_{name}").default.tags
    there = SimpleNamespace(device=torch.device("cuda"), requires_grad=False)
    monkeypatch.setattr(_cuda, "is_live", lambda: pytest.fail("a compiler cannot follow"))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert _choose(None, there, forwards=False) == "cuda"


@pytest.mark.parametrize("backend", [None, "torch"])
def test_shapes_without_data(backend: str | None) -> None:
    arguments = case(torch.float64)
    with FakeTensorMode() as mode:
        fakes = [mode.from_tensor(t) for t in arguments]
        fakes[2].requires_grad_()
        out = aggregate(*fakes, backend=backend)
        (gradient,) = torch.autograd.grad(out.sum(), fakes[2])
    assert out.shape == (7, 10) and out.dtype == torch.float64 and out.device.type == "cpu"
    assert gradient.shape == (4, 4)
    there = aggregate(*(t.to("meta") for t in arguments), backend=backend)
    assert there.shape == (7, 10) and there.is_meta


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_inference_mode(backend: str) -> None:
    expected = aggregate(*case(), backend=backend)
    with torch.inference_mode():
        assert torch.equal(aggregate(*case(), backend=backend), expected)


def test_new_tensors_share_no_memory() -> None:
    points, index, weight, bias, _ = case()
    by_weight, by_bias = OPERATORS.aggregate_backward_weight(points, index, weight[:1], bias[:1], torch.ones(7, 7), 0.2)
    assert by_weight.untyped_storage().data_ptr() != by_bias.untyped_storage().data_ptr()


def test_gradients_of_a_table_beyond_the_points_are_refused() -> None:
    index, gradient = torch.full((5, 2), 10**6), torch.zeros(5, 8)
    with pytest.raises(ValueError, match=r"index must lie in \[0, 5\), got values from 1000000"):
        aggregate_numba.backward_features(5, index, gradient, 4)
    with pytest.raises(ValueError, match=r"index must lie in \[0, 5\), got values from 1000000"):
        aggregate_numba.backward_weight(torch.zeros(5, 3), index, torch.zeros(4, 4), torch.zeros(4), gradient, 0.2)
