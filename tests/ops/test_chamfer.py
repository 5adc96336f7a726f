"""Chamfer distance: closed forms, symmetry and gradients (spec 7.4)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.ops import chamfer_numba
from geoad.ops.chamfer import chamfer, chamfer_each
from tests.ops.clouds import KINDS, cloud, clouds

RNG = np.random.default_rng(0)


def slow(a: np.ndarray, b: np.ndarray) -> float:
    sq_dist = ((a[:, None] - b[None]) ** 2).sum(-1)
    return float(sq_dist.min(1).mean() + sq_dist.min(0).mean())


def test_closed_form() -> None:
    assert chamfer(np.zeros((1, 3)), np.array([[1.0, 0, 0], [0, 2, 0]])) == 3.5


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000))
def test_equals_the_full_matrix(m: int, r: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(m, 3)), rng.normal(size=(r, 3))
    assert chamfer(a, b) == pytest.approx(slow(a, b), rel=1e-12)
    assert chamfer(a, b) == pytest.approx(chamfer(b, a), rel=1e-12)
    assert chamfer(a[rng.permutation(m)], b) == pytest.approx(chamfer(a, b), rel=1e-12)
    assert chamfer(a, a) == 0


@settings(max_examples=80)
@given(clouds(min_size=1), clouds(min_size=1), st.integers(0, 9))
def test_the_tree_finds_the_same_partners(a: np.ndarray, b: np.ndarray, seed: int) -> None:
    """Ties included: the lowest index of several."""
    if seed < 4:  # lattices are at the same place, and points coincide
        b = np.concatenate([b, a[: len(a) // 2]])
    if seed == 9:
        b = b.copy()
        b[:: 1 + len(b) // 3] = np.nan
    np.testing.assert_array_equal(chamfer_numba._nearest_in_tree(b, a), chamfer_numba._nearest(a.T.copy(), b.T.copy()))


@pytest.mark.parametrize("kind", KINDS)
def test_large_clouds(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = cloud(kind, 3000, 1), cloud(kind, 3100, 2)
    assert len(a) * len(b) >= chamfer_numba.LARGE
    for other in (b, b + np.float32(7)):
        found = chamfer_numba.nearest(a, other)
        with monkeypatch.context() as change:
            change.setattr(chamfer_numba, "LARGE", np.inf)
            for mine, theirs in zip(found, chamfer_numba.nearest(a, other), strict=True):
                np.testing.assert_array_equal(mine, theirs)


def test_large_clouds_in_double_precision_are_compared_in_it() -> None:
    """Two candidates that are one point in single precision."""
    a = np.tile([[1.0, 0, 0]], (3000, 1))
    b = np.concatenate([np.full((3000, 3), 9.0), [[1 + 2e-9, 0, 0], [1 + 1e-9, 0, 0]]])
    assert set(chamfer_numba.nearest(a, b)[0].tolist()) == {3001}


def test_gradients() -> None:
    a, b = (torch.from_numpy(RNG.normal(size=(n, 3))).requires_grad_() for n in (7, 5))
    assert torch.autograd.gradcheck(chamfer, (a, b))


def test_numbers_of_any_kind() -> None:
    a, b = np.array([[1, 2, 3], [250, 0, 9]]), np.array([[0, 2, 3], [255, 7, 0]])
    expected = slow(a.astype(float), b.astype(float))
    for kind in (np.uint8, np.int64, np.float16, np.float32):
        assert chamfer(a.astype(kind), b.astype(kind)) == pytest.approx(expected)
        assert chamfer(a.astype(kind), b.astype(float)) == chamfer(a.astype(float), b.astype(kind)) == expected
    for tensor in (torch.from_numpy(a), torch.from_numpy(a).float(), torch.from_numpy(a).bfloat16()):
        assert chamfer(tensor, torch.from_numpy(b).to(tensor.dtype)).item() == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize(
    ("a", "b", "error", "message"),
    [
        (np.zeros((0, 3)), np.zeros((1, 3)), ValueError, "a must hold at least one point"),
        (np.zeros((1, 3)), np.zeros((0, 3)), ValueError, "b must hold at least one point"),
        (np.zeros((2, 2)), np.zeros((1, 3)), ValueError, "a must have shape"),
        ([[0.0, 0, 0]], np.zeros((1, 3)), TypeError, "a must be a numpy array or a torch tensor, got list"),
        (np.zeros((1, 3)), torch.zeros(1, 3), TypeError, "a and b must be of one kind, got ndarray and Tensor"),
        (np.zeros((1, 3), bool), np.zeros((1, 3)), TypeError, "a must hold real numbers, got bool"),
        (
            torch.zeros(1, 3),
            torch.zeros(1, 3, device="meta"),
            ValueError,
            "a and b must be on one device, got cpu and meta",
        ),
    ],
)
def test_bad_input(a: object, b: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        chamfer(a, b)


def test_many_pairs_at_once() -> None:
    """The same as one by one, gradients of both sides included."""
    a = torch.from_numpy(RNG.normal(size=(3, 6, 3))).requires_grad_()
    b = [torch.from_numpy(RNG.normal(size=(n, 3))).requires_grad_() for n in (4, 1, 9)]
    together, alone = chamfer_each(a, b), torch.stack([chamfer(p, q) for p, q in zip(a, b, strict=True)])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=0)
    weights = torch.from_numpy(RNG.normal(size=3))
    sides = (torch.autograd.grad((result * weights).sum(), [a, *b]) for result in (together, alone))
    for mine, theirs in zip(*sides, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)
    with pytest.raises(ValueError, match="b must hold at least one point"):
        chamfer_each(a, [*b[:2], b[0][:0]])
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        chamfer_each(a, b[:2])


def test_partners_by_number_beyond_one_vector() -> None:
    """Ties and points without a distance, in both precisions and at lengths that fill no vector."""
    for dtype in (np.float32, np.float64):
        for m in (1, 31, 32, 33, 70):
            a, b = RNG.integers(0, 3, (m, 3)).astype(dtype), RNG.integers(0, 3, (45, 3)).astype(dtype)
            a[m // 2] = np.nan
            expected = np.where(np.isnan(a[:, 0]), 0, ((a[:, None] - b[None]) ** 2).sum(-1).argmin(1))
            np.testing.assert_array_equal(chamfer_numba.nearest(a, b)[0], expected)


@pytest.mark.parametrize("kind", [np.float16, torch.float16, torch.bfloat16])
def test_halves_are_squared_as_singles(kind: type | torch.dtype) -> None:
    a, b = np.full((1, 3), 300.0), np.zeros((1, 3))
    pair = [torch.tensor(c, dtype=kind) if isinstance(kind, torch.dtype) else c.astype(kind) for c in (a, b)]
    assert float(chamfer(*pair)) == 540_000
    if isinstance(kind, torch.dtype):
        assert chamfer_each(pair[0][None], [pair[1]]).tolist() == [540_000]
