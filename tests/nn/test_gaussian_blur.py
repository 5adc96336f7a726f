"""The blur of grids against scipy's."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import gaussian_filter

from geoad.nn.gaussian_blur import gaussian_blur


@pytest.mark.parametrize("deviation", [0.2, 0.5, 1.3, 4.0])
@pytest.mark.parametrize("shape", [(40,), (3, 9), (7, 8, 2)])
def test_equals_scipy(deviation: float, shape: tuple[int, ...]) -> None:
    grid = torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = gaussian_filter(grid.numpy(), deviation, mode="nearest")
    torch.testing.assert_close(gaussian_blur(grid, deviation).numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("deviation", [-1.0, float("nan")])
def test_a_deviation_is_not_negative(deviation: float) -> None:
    with pytest.raises(ValueError, match="deviation must be 0 or more"):
        gaussian_blur(torch.ones(5), deviation)


def test_no_deviation_changes_nothing() -> None:
    grid = torch.rand(3, 4, 5)
    assert gaussian_blur(grid, 0.0) is grid
    assert torch.allclose(gaussian_blur(torch.full((5, 6), 2.0), 1.0), torch.tensor(2.0))
