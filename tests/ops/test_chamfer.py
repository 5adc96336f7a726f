"""Chamfer distance: closed forms, symmetry and gradients (spec 7.4)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.ops.chamfer import chamfer

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


def test_gradients() -> None:
    a, b = (torch.from_numpy(RNG.normal(size=(n, 3))).requires_grad_() for n in (7, 5))
    assert torch.autograd.gradcheck(chamfer, (a, b))


@pytest.mark.parametrize(
    ("a", "message"), [(np.zeros((0, 3)), "a must hold at least one point"), (np.zeros((2, 2)), "a must have shape")]
)
def test_bad_input(a: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chamfer(a, np.zeros((1, 3)))
