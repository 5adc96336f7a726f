"""The fused aggregation against its plain form, forward and backward."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from geoad.ops.aggregate import BACKENDS, aggregate


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
    points, index, weight, bias, features = case(9000, 9000, 8, (16, 16), torch.float32)
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: (a[0][:, :2], *a[1:]), r"points must have shape \(n, 3\), got \(11, 2\)"),
        (lambda a: (a[0], a[1] - 1, *a[2:]), r"index must lie in \[0, 11\), got values from -1"),
        (lambda a: (a[0], a[1] + 11, *a[2:]), r"index must lie in \[0, 11\)"),
        (lambda a: (*a[:4], a[4][:5]), r"features must have shape \(11, d_f\), got \(5, 6\)"),
        (lambda a: (*a[:3], a[3][:2], a[4]), r"bias must have shape \(4,\), got \(2,\)"),
    ],
)
def test_bad_input_is_named(change, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        aggregate(*change(case(11, 7, 5, (4, 6))))
    with pytest.raises(ValueError, match=r"unknown backend 'nunba' .did you mean 'numba'"):
        aggregate(*case(11, 7, 5, (4, 6)), backend="nunba")
