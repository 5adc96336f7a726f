"""Muon: what matrices and what vectors move by."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from geoad.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(8, 8), (4, 20), (20, 4), (1, 5), (1, 1)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    found = orthogonal(matrix)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    values = torch.linalg.svdvals(found)
    assert found.shape == matrix.shape and float(values.min()) > 0.5 and float(values.max()) < 1.3
    assert float((found * (left @ right)).sum() / (found.norm() * (left @ right).norm())) > 0.97


def test_no_gradient_no_step() -> None:
    assert torch.equal(orthogonal(torch.zeros(3, 3)), torch.zeros(3, 3))
    weight = nn.Parameter(torch.ones(2, 2))
    Muon([weight], lr=0.1).step()
    assert torch.equal(weight.detach(), torch.ones(2, 2))


def test_vectors_follow_adam() -> None:
    mine, theirs = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
    target = torch.arange(5.0)
    optimizers = [(mine, Muon([mine], lr=0.01)), (theirs, torch.optim.Adam([theirs], lr=0.01))]
    for _ in range(20):
        for vector, optimizer in optimizers:
            optimizer.zero_grad()
            (vector - target).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_vectors_decay_as_in_adamw() -> None:
    mine, theirs = (nn.Parameter(torch.ones(5)) for _ in range(2))
    rules: dict[str, Any] = {"lr": 0.01, "betas": (0.5, 0.9), "weight_decay": 0.1}
    for vector, optimizer in ((mine, Muon([mine], **rules)), (theirs, torch.optim.AdamW([theirs], **rules))):
        for step in range(5):
            vector.grad = (vector.detach() - step).sin()
            optimizer.step()
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_matrices_follow_torch() -> None:
    torch.manual_seed(0)
    mine = nn.Parameter(torch.randn(6, 4))
    theirs = nn.Parameter(mine.detach().clone())
    target = torch.randn(6, 4)
    reference = torch.optim.Muon([theirs], lr=0.05, weight_decay=0.1, momentum=0.95, adjust_lr_fn="original")
    optimizers = [(mine, Muon([mine], lr=0.01, weight_decay=0.1)), (theirs, reference)]
    for _ in range(5):
        for matrix, optimizer in optimizers:
            optimizer.zero_grad()
            (matrix - target).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(mine, theirs, rtol=0.05, atol=0.05)  # theirs iterates in bfloat16


def test_a_large_gradient_is_remembered_as_in_torch() -> None:
    torch.manual_seed(0)
    mine = nn.Parameter(torch.randn(6, 4))
    theirs = nn.Parameter(mine.detach().clone())
    reference = torch.optim.Muon([theirs], lr=0.05, weight_decay=0.0, momentum=0.5, adjust_lr_fn="original")
    optimizers = [(mine, Muon([mine], lr=0.01, momentum=0.5)), (theirs, reference)]
    for step in range(8):
        gradient = torch.randn(6, 4) * (8 if step == 0 else 1)
        for matrix, optimizer in optimizers:
            matrix.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(mine, theirs, rtol=0.05, atol=0.05)


def test_weight_decay_and_the_shape_of_a_matrix_scale_its_steps() -> None:
    torch.manual_seed(0)
    for rows, stretch in ((6, 1.5**0.5), (4, 1.0), (3, 1.0)):
        weight = nn.Parameter(torch.randn(rows, 4))
        before = weight.detach().clone()
        weight.grad = torch.zeros_like(weight)
        Muon([weight], lr=0.01, weight_decay=0.1).step()
        torch.testing.assert_close(weight.detach(), before * (1 - 5 * 0.01 * stretch * 0.1), rtol=1e-6, atol=0)
        weight.grad = torch.randn(rows, 4)
        Muon([weight], lr=0.01).step()
        moved = torch.linalg.svdvals(before * (1 - 5 * 0.01 * stretch * 0.1) - weight.detach()) / (5 * 0.01 * stretch)
        assert float(moved.min()) > 0.65 and float(moved.max()) < 1.25


def test_learns_flat_directions_that_descent_leaves() -> None:
    slopes, left = torch.diag(torch.tensor([1.0, 1e-2, 1e-3])), {}
    for make, rate in ((Muon, 0.01), (torch.optim.SGD, 0.5)):
        weight = nn.Parameter(torch.zeros(3, 3))
        optimizer = make([weight], lr=rate)
        for step in range(200):
            optimizer.param_groups[0]["lr"] = rate * (1 - step / 200)
            optimizer.zero_grad()
            ((weight - torch.eye(3)) @ slopes).square().sum().backward()
            optimizer.step()
        left[make] = float((weight.detach() - torch.eye(3)).abs().max())
    assert left[Muon] < 0.2 and left[torch.optim.SGD] > 0.9


def test_state_goes_on() -> None:
    def run(steps: int, optimizer: Muon, layer: nn.Linear) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            layer(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    whole = nn.Linear(3, 2)
    part = nn.Linear(3, 2)
    part.load_state_dict(whole.state_dict())
    run(6, Muon(whole.parameters(), lr=0.01), whole)
    first = Muon(part.parameters(), lr=0.01)
    run(3, first, part)
    second = Muon(part.parameters(), lr=0.5)
    second.load_state_dict(first.state_dict())
    run(3, second, part)
    assert torch.equal(whole.weight, part.weight) and torch.equal(whole.bias, part.bias)
