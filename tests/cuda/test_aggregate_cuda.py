"""The CUDA kernels of `aggregate` against its plain form and its CPU kernels."""

from __future__ import annotations

import gc

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import leaky_relu, linear

from geoad.ops import _cuda, aggregate_cuda, aggregate_numba
from geoad.ops.aggregate import aggregate

SLOPES = (0.2, 0.0, 1.0, -0.5, 1.5)
WIDTHS = [(0, 3), (3, 0), (1, 1), (16, 16), (32, 32), (33, 7), (48, 130), (4, 36), (70, 2)]


def case(n: int, m: int, k: int, widths: tuple[int, int], seed: int = 0) -> tuple[Tensor, ...]:
    """Return points, index, weight, bias and features in float64."""
    draw = torch.Generator().manual_seed(seed)
    shapes = (n, 3), (widths[0], 4), (widths[0],), (n, widths[1])
    points, weight, bias, features = (torch.randn(*s, generator=draw, dtype=torch.float64) for s in shapes)
    return points, torch.randint(n, (m, k), generator=draw, dtype=torch.int32), weight, bias, features


def plain(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor, slope: float) -> Tensor:
    neighbours = index.long()
    offset = points[: len(index), None] - points[neighbours]
    geometry = torch.cat([offset, offset.norm(dim=-1, keepdim=True)], -1)
    embedded = leaky_relu(linear(geometry, weight, bias), slope).mean(1)
    return torch.cat([embedded, features[neighbours].mean(1)], -1)


def run(arguments: tuple[Tensor, ...], gradient: Tensor, slope: float, device: torch.device) -> list[Tensor]:
    """Return what the kernels make, back on the CPU: the result and the gradients of weight, bias and features."""
    points, index, weight, bias, features = (tensor.to(device) for tensor in arguments)
    gradient = gradient.to(device)
    out = aggregate_cuda.forward(points, index, weight, bias, features, slope)
    by_weight, by_bias = aggregate_cuda.backward_weight(points, index, weight, bias, gradient, slope)
    by_features = aggregate_cuda.backward_features(len(points), index, gradient, len(weight))
    return [tensor.cpu() for tensor in (out, by_weight, by_bias, by_features)]


def check(arguments: tuple[Tensor, ...], slope: float, device: torch.device) -> None:
    leaves = [tensor.clone().requires_grad_() for tensor in arguments[2:]]
    expected = plain(*arguments[:2], *leaves, slope)
    gradient = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wanted = torch.autograd.grad(expected, leaves, gradient, materialize_grads=True, allow_unused=True)
    for found, want in zip(run(arguments, gradient, slope, device), [expected.detach(), *wanted], strict=True):
        assert found.shape == want.shape
        torch.testing.assert_close(found, want, rtol=1e-12, atol=1e-12 * max(1, len(arguments[1])))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 40), st.floats(0, 1), st.integers(1, 70), st.integers(0, 40), st.integers(0, 40),
    st.sampled_from(SLOPES), st.integers(0, 2**31),
)  # fmt: skip
def test_equals_the_plain_form(device, n, share, k, width, rest, slope, seed):
    check(case(n, max(1, int(n * share)), k, (width, rest), seed), slope, device)


@pytest.mark.parametrize("widths", WIDTHS)
def test_every_width(device, widths):
    check(case(21, 15, 5, widths), 0.2, device)


@pytest.mark.parametrize("k", [1, 31, 32, 33, 64, 100])
def test_every_number_of_neighbours(device, k):
    check(case(12, 12, k, (8, 12)), 0.2, device)


def test_several_blocks_of_rows(device):
    check(case(300, 200, 6, (5, 9)), 0.2, device)


def test_a_point_that_all_rows_share(device):
    points, index, *others = case(150, 150, 3, (2, 20))
    index[:, 1:] = 7
    check((points, index, *others), 0.2, device)


def test_unaligned_rows(device):
    points, index, weight, bias, features = case(20, 20, 4, (4, 8))
    shifted = torch.empty(161, dtype=torch.float64)[1:].view(20, 8).copy_(features)
    assert shifted.data_ptr() % 16 != 0
    check((points, index, weight, bias, shifted), 0.2, device)


def test_float32_is_close_to_the_cpu_kernels(device):
    points, index, weight, bias, features = (
        t.float() if t.is_floating_point() else t for t in case(90, 80, 9, (16, 20))
    )
    gradient = torch.randn(80, 36, generator=torch.Generator().manual_seed(1))
    expected = [
        aggregate_numba.forward(points, index, weight, bias, features, 0.2),
        *aggregate_numba.backward_weight(points, index, weight, bias, gradient, 0.2),
        aggregate_numba.backward_features(len(points), index, gradient, 16),
    ]
    results = run((points, index, weight, bias, features), gradient, 0.2, device)
    for found, want in zip(results, expected, strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, want, rtol=1e-5, atol=2e-5)
    for first, second in zip(results, run((points, index, weight, bias, features), gradient, 0.2, device), strict=True):
        assert torch.equal(first, second)


def test_bits_do_not_depend_on_the_order_of_threads(in_every_order):
    arguments = [t.float() if t.is_floating_point() else t for t in case(150, 140, 40, (20, 36))]
    gradient = torch.randn(140, 56, generator=torch.Generator().manual_seed(1))
    first, *others = in_every_order(lambda: run(arguments, gradient, 0.2, torch.device("cpu")))
    assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))


def test_no_row_and_no_neighbour(device):
    for arguments, rows in (((4, 4, 0, (3, 2)), 4), ((4, 0, 2, (3, 2)), 0), ((1, 0, 2, (3, 2)), 0)):
        results = run(case(*arguments), torch.ones(rows, 5).double(), 0.2, device)
        assert results[0].shape == (rows, 5) and not any(tensor.any() for tensor in results)


@pytest.fixture
def operator(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """The operator of torch with these kernels behind it, also where the shim runs them on CPU tensors."""
    for name in ("forward", "backward_weight", "backward_features"):
        monkeypatch.setattr(aggregate_numba, name, getattr(aggregate_cuda, name))
    return device


def test_gradients_in_double(operator):
    points, index, *leaves = (tensor.to(operator) for tensor in case(9, 6, 4, (3, 5)))
    leaves = [leaf.requires_grad_() for leaf in leaves]
    assert torch.autograd.gradcheck(lambda w, b, f: aggregate(points, index, w, b, f), leaves)


def test_tensors_as_callers_have_them(operator):
    points, index, *leaves = (tensor.to(operator) for tensor in case(11, 7, 5, (4, 6)))
    expected = aggregate(points, index, *leaves)
    strided = [t.T.contiguous().T for t in (points, index.long(), leaves[0], leaves[2])]
    assert torch.equal(aggregate(*strided[:3], leaves[1], strided[3]), expected)
    for wrong in (index - 1, index + 11, index.long() + 2**40):
        with pytest.raises(ValueError, match=r"index must lie in \[0, 11\), got values from"):
            aggregate(points, wrong, *leaves)
    with torch.inference_mode():
        assert torch.equal(aggregate(points, index.clone(), *leaves), expected)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_what_an_index_gives_is_kept_as_long_as_the_index(operator, monkeypatch, dtype):
    points, index, *leaves = (tensor.to(operator) for tensor in case(11, 7, 5, (4, 6)))
    index, leaves = index.to(dtype), [leaf.requires_grad_() for leaf in leaves]
    kept, made = aggregate_cuda._graphs, []
    build = aggregate_cuda._Graph
    monkeypatch.setattr(aggregate_cuda, "_Graph", lambda *arguments: made.append(1) or build(*arguments))
    gc.collect()
    before = len(kept)
    for _ in range(2):
        first = torch.autograd.grad(aggregate(points, index, *leaves).sum(), leaves)
    assert len(made) == 1 and len(kept) == before + 1
    index.copy_(index.flip(0))
    second = torch.autograd.grad(aggregate(points, index, *leaves)[:3].sum(), leaves)
    assert len(made) == 2 and not torch.equal(first[2], second[2])
    other = torch.autograd.grad(aggregate(points, index.clone(), *leaves)[:3].sum(), leaves)
    assert all(torch.equal(a, b) for a, b in zip(second, other, strict=True))
    for other_stream, capturing, count in ((5, True, 3), (5, False, 4), (5, False, 4)):
        monkeypatch.setattr(_cuda, "stream", lambda _, number=other_stream: number)
        monkeypatch.setattr(_cuda, "is_capturing", lambda _, now=capturing: now)
        aggregate_cuda._graph(index, 11)
        assert len(made) == count
    monkeypatch.setattr(_cuda, "is_capturing", lambda _: True)
    graph = aggregate_cuda._graph(index, 11)
    recorded = graph.transposed(11)
    assert graph._transposed is None
    monkeypatch.setattr(_cuda, "is_capturing", lambda _: False)
    assert all(torch.equal(a, b) for a, b in zip(recorded, graph.transposed(11), strict=True))
    assert graph._transposed is not None
    del index, graph
    gc.collect()
    assert len(kept) == before


@pytest.mark.gpu
def test_it_can_be_captured_once_its_index_was_seen():
    if (reason := _cuda.why_not()) is not None:
        pytest.skip(reason)
    arguments = [tensor.cuda() for tensor in case(500, 500, 8, (16, 16))]
    expected, recording = aggregate(*arguments), torch.cuda.CUDAGraph()
    with torch.cuda.graph(recording):
        found = aggregate(*arguments)
    recording.replay()
    torch.cuda.synchronize()
    assert torch.equal(found, expected)
