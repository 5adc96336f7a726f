"""Random rotations are rotations, and not always the same."""

from __future__ import annotations

import pytest
import torch

from geoad.nn.rotation import random_rotation


def test_random_rotations_are_rotations() -> None:
    found = []
    for seed in range(5):
        torch.manual_seed(seed)
        turn = random_rotation(torch.zeros(1, dtype=torch.float64))
        torch.testing.assert_close(turn @ turn.T, torch.eye(3, dtype=torch.float64))
        assert torch.linalg.det(turn) == pytest.approx(1)
        found.append(turn)
    assert not torch.allclose(found[0], found[1])


def test_random_rotations_are_uniform() -> None:
    torch.manual_seed(0)
    turns = torch.stack([random_rotation(torch.zeros(1, dtype=torch.float64)) for _ in range(2000)])
    traces = turns.diagonal(dim1=1, dim2=2).sum(1)
    assert turns.mean(0).abs().max() < 0.07 and abs(traces.var() - 1) < 0.15  # of Haar's measure on SO(3): 0 and 1
