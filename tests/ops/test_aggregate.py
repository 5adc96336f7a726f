"""The fused aggregation against its plain form, forward and backward."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from geoad.ops.aggregate import aggregate

BACKENDS = ("numba", "torch")  # those of CPU tensors; tests/cuda holds the third


def case(
    n: int, m: int, k: int, widths: tuple[int, int], dtype: torch.dtype = torch.float64, seed: int = 0
) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(seed)
    shapes = (n, 3), (widths[0], 4), (widths[0],), (n, widths[1])
    points, weight, bias, features = (torch.randn(*s, generator=draw, dtype=dtype) for s in shapes)
    return points, torch.randint(n, (m, k), generator=draw), weight, bias, features


def naive(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor, slope: float) -> Tensor:
    """Concatenate per edge, then average: what the thesis draws."""
    rows = []
    for i, neighbours in enumerate(index):
        edges = []
        for j in neighbours:
            offset = points[i] - points[j]
            z = weight @ torch.cat([offset, offset.norm()[None]]) + bias
            edges.append(torch.cat([torch.where(z > 0, z, slope * z), features[j]]))
        rows.append(torch.stack(edges).mean(0))
    return torch.stack(rows)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("slope", [0.2, 0.0, 1.0])
def test_equals_concatenation_then_mean(backend: str, slope: float) -> None:
    arguments = case(11, 7, 5, (4, 6))
    result = aggregate(*arguments, slope=slope, backend=backend)
    assert result.shape == (7, 10)
    torch.testing.assert_close(result, naive(*arguments, slope), rtol=1e-12, atol=1e-12)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 20), st.integers(0, 20), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_backends_agree(n: int, k: int, width: int, rest: int, seed: int) -> None:
    arguments = case(n, n, k, (width, rest), seed=seed)
    torch.testing.assert_close(aggregate(*arguments), aggregate(*arguments, backend="torch"), rtol=1e-10, atol=1e-10)


def test_gradients_in_double() -> None:
    points, index, weight, bias, features = case(9, 6, 4, (3, 5))
    leaves = [t.requires_grad_() for t in (weight, bias, features)]
    assert torch.autograd.gradcheck(lambda w, b, f: aggregate(points, index, w, b, f), leaves)


@pytest.mark.parametrize("n", [9000])
def test_float32_gradients_of_many_blocks(n: int) -> None:
    points, index, weight, bias, features = case(n, n, 8, (16, 16), torch.float32)
    leaves = [t.requires_grad_() for t in (weight, bias, features)]
    gradients = {}
    for backend in BACKENDS:
        out = aggregate(points, index, weight, bias, features, backend=backend)
        gradients[backend] = torch.autograd.grad(out.square().sum(), leaves)
    for fused, plain in zip(*gradients.values(), strict=True):
        torch.testing.assert_close(fused, plain, rtol=2e-4, atol=2e-4 * float(plain.abs().max()))


def test_threads_change_no_bit() -> None:
    points, index, weight, bias, features = case(9000, 9000, 8, (16, 40), torch.float32)
    leaves = [t.requires_grad_() for t in (weight, bias, features)]
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            out = aggregate(points, index, weight, bias, features)
            results.append([out, *torch.autograd.grad(out.sum(), leaves)])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_concurrent_calls_and_forks_agree() -> None:
    arguments = case(5000, 5000, 8, (16, 16), torch.float32)
    expected = aggregate(*arguments)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: aggregate(*arguments), range(8)))
    assert all(torch.equal(result, expected) for result in results)
    if hasattr(os, "fork"):
        child = multiprocessing.get_context("fork").Process(target=exit_unless_equal, args=(arguments, expected))
        child.start()
        child.join(60)
        assert child.exitcode == 0


def exit_unless_equal(arguments: tuple[Tensor, ...], expected: Tensor) -> None:
    sys.exit(not torch.equal(aggregate(*arguments), expected))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("n", "m", "k", "widths"), [(5, 0, 3, (2, 2)), (0, 0, 3, (2, 2)), (4, 4, 1, (0, 3)), (4, 3, 1, (3, 0))]
)
def test_nothing_of_something(backend: str, n: int, m: int, k: int, widths: tuple[int, int]) -> None:
    draw = case(max(n, 1), m, k, widths)
    points, index, weight, bias, features = draw[0][:n], draw[1], draw[2], draw[3], draw[4][:n]
    leaves = [t.requires_grad_() for t in (weight, bias, features)]
    out = aggregate(points, index, weight, bias, features, backend=backend)
    assert out.shape == (m, sum(widths))
    torch.testing.assert_close(out, naive(points, index, weight, bias, features, 0.2) if m else out)
    gradients = torch.autograd.grad(out.sum(), leaves, allow_unused=True, materialize_grads=True)
    assert [g.shape for g in gradients] == [t.shape for t in leaves]


def test_strides_and_index_types_change_no_bit() -> None:
    points, index, weight, bias, features = case(11, 7, 5, (4, 6), torch.float32)
    expected = aggregate(points, index, weight, bias, features)
    strided = [t.T.contiguous().T for t in (points, index, weight, features)]
    spaced = torch.stack([bias, bias], 1)[:, 0]
    assert not any(t.is_contiguous() for t in (*strided, spaced))
    again = aggregate(*strided[:3], spaced, strided[3])
    assert torch.equal(again, expected)
    assert torch.equal(aggregate(points, index.int(), weight, bias, features), expected)
    plain = aggregate(*strided[:3], spaced, strided[3], backend="torch")
    torch.testing.assert_close(plain, expected)


def test_coordinates_have_a_gradient_in_plain_torch_only() -> None:
    points, *others = case(6, 6, 3, (2, 2))
    points.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: aggregate(p, *others), points)
    with torch.no_grad():
        assert torch.equal(aggregate(points, *others), aggregate(points.detach(), *others))
    with pytest.raises(
        ValueError, match=r'"numba" has no gradient for points: pass points.detach\(\) or backend="torch"'
    ):
        aggregate(points, *others, backend="numba")


def test_derivatives_forwards_are_those_of_plain_torch_or_refused() -> None:
    points, index, weight, bias, features = case(6, 6, 3, (2, 2))
    for place, tensor in ((0, points), (2, weight), (4, features)):

        def run(x: Tensor, place: int = place, backend: str | None = None) -> Tensor:
            inputs = [points, index, weight, bias, features]
            inputs[place] = x
            return aggregate(*inputs, backend=backend)  # type: ignore[misc]

        assert torch.autograd.gradcheck(run, tensor.clone().requires_grad_(), check_forward_ad=True)
        with pytest.raises(ValueError, match='"numba" has no derivatives forwards: use backend="torch"'):
            torch.func.jvp(lambda x: run(x, backend="numba"), (tensor,), (torch.ones_like(tensor),))


def test_second_derivatives_are_finite_where_neighbours_coincide() -> None:
    points, _, *others = case(6, 2, 3, (2, 2))
    points[1] = points[0]
    points.requires_grad_()
    total = aggregate(points, torch.tensor([[1, 2, 0], [2, 3, 4]]), *others).square().sum()
    (gradient,) = torch.autograd.grad(total, points, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), points)[0].isfinite().all() and gradient.isfinite().all()


def test_a_second_derivative_is_refused_not_wrong() -> None:
    points, index, weight, bias, features = case(6, 6, 3, (2, 2))
    leaves = [t.requires_grad_() for t in (weight, bias, features)]
    for leaf in leaves:
        out = aggregate(points, index, weight, bias, features).square().sum()
        (gradient,) = torch.autograd.grad(out, leaf, create_graph=True)
        with pytest.raises(NotImplementedError, match='no second derivative here: use backend="torch"'):
            torch.autograd.grad(gradient.sum(), leaves)
    plain = aggregate(points, index, weight, bias, features, backend="torch").square().sum()
    (gradient,) = torch.autograd.grad(plain, weight, create_graph=True)
    torch.autograd.grad(gradient.sum(), weight)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_autocast_computes_in_float32(backend: str, half: torch.dtype) -> None:
    points, index, weight, bias, features = case(11, 7, 5, (4, 6), torch.float32)
    coarse = features.to(half)
    expected = aggregate(points, index, weight, bias, coarse.float(), backend=backend)
    coarse.requires_grad_()
    with torch.autocast("cpu", half):
        out = aggregate(points, index, weight, bias, coarse, backend=backend)
    assert out.dtype == torch.float32 and torch.equal(out, expected)
    (gradient,) = torch.autograd.grad(out.sum(), coarse)
    assert gradient.dtype == half


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: (a[0][:, :2], *a[1:]), r"points must have shape \(n, 3\), got \(11, 2\)"),
        (lambda a: (a[0], a[1] - 1, *a[2:]), r"index must lie in \[0, 11\), got values from -1"),
        (lambda a: (a[0], a[1] + 11, *a[2:]), r"index must lie in \[0, 11\)"),
        (lambda a: (*a[:4], a[4][:5]), r"features must have shape \(11, d_f\), got \(5, 6\)"),
        (lambda a: (*a[:3], a[3][:2], a[4]), r"bias must have shape \(4,\), got \(2,\)"),
        (lambda a: (a[0], a[1] + 2**40, *a[2:]), r"index must lie in \[0, 11\), got values from 1099511"),
        (lambda a: (a[0], a[1][:, :0], *a[2:]), r"index must name a neighbour or more a row, got shape \(7, 0\)"),
        (lambda a: (a[0], a[1].repeat(2, 1), *a[2:]), r"index must have at most one row a point \(11\), got 14"),
        (lambda a: (a[0], a[1].to("meta"), *a[2:]), "index must be where points are, on cpu, got index on meta"),
    ],
)
def test_bad_input_is_named(change, message) -> None:  # type: ignore[no-untyped-def]
    for backend in BACKENDS:
        with pytest.raises(ValueError, match=message):
            aggregate(*change(case(11, 7, 5, (4, 6))), backend=backend)
    with pytest.raises(ValueError, match=r"unknown backend 'nunba' .did you mean 'numba'"):
        aggregate(*case(11, 7, 5, (4, 6)), backend="nunba")
    with pytest.raises(ValueError, match='"numba" needs points on cpu, got points on meta'):
        aggregate(*(t.to("meta") for t in case(11, 7, 5, (4, 6))), backend="numba")
    with pytest.raises(ValueError, match='"cuda" needs points on cuda, got points on cpu'):
        aggregate(*case(11, 7, 5, (4, 6)), backend="cuda")


@pytest.mark.parametrize(
    ("place", "dtype", "message"),
    [
        (0, torch.bfloat16, "points must be float32 or float64, got torch.bfloat16"),
        (1, torch.int16, "index must be int32 or int64, got torch.int16"),
        (1, torch.float32, "index must be int32 or int64, got torch.float32"),
        (2, torch.float32, "weight must have the dtype of points, torch.float64, got torch.float32"),
        (4, torch.float16, "features must have the dtype of points, torch.float64, got torch.float16"),
    ],
)
def test_types_that_do_not_fit_are_named(place: int, dtype: torch.dtype, message: str) -> None:
    arguments = list(case(11, 7, 5, (4, 6)))
    arguments[place] = arguments[place].to(dtype)
    for backend in BACKENDS:
        with pytest.raises(TypeError, match=message):
            aggregate(*arguments, backend=backend)


@pytest.mark.slow
def test_equals_concatenation_then_mean_at_the_size_of_the_thesis() -> None:
    """Spec 7.5 with 64 000 points and k = 32."""
    points, index, weight, bias, features = case(64_000, 64_000, 32, (16, 16))
    result = aggregate(points, index, weight, bias, features, slope=0.2)
    for rows in torch.arange(64_000).split(8000):
        offset = points[rows, None] - points[index[rows]]
        z = torch.cat([offset, offset.norm(dim=-1, keepdim=True)], -1) @ weight.T + bias
        edges = torch.cat([torch.nn.functional.leaky_relu(z, 0.2), features[index[rows]]], -1)
        torch.testing.assert_close(result[rows], edges.mean(1), rtol=1e-11, atol=1e-11)


def test_arrays_are_refused() -> None:
    points, index, *rest = case(5, 5, 2, (2, 2))
    with pytest.raises(TypeError, match="index must be a torch tensor, got ndarray"):
        aggregate(points, index.numpy(), *rest)


def test_a_bias_learns_where_the_weight_is_frozen():
    points, features, weight = torch.rand(9, 3), torch.rand(9, 2), torch.rand(3, 4)
    bias, index = torch.rand(3, requires_grad=True), torch.randint(9, (9, 4))
    totals = [aggregate(points, index, weight, bias, features, backend=name).sum() for name in ("numba", "torch")]
    (one,), (two,) = (torch.autograd.grad(total, bias, allow_unused=True) for total in totals)
    torch.testing.assert_close(one, two)
