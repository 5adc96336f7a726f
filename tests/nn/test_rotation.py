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
