"""The sparse form of `Moments` against the dense one, on random grids."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from geoad.nn.moments import Moments
from geoad.nn.sparse_moments import SparseMoments

SIZE = 500


def random_grids(channels: int, count: int = 12) -> list[tuple[Tensor, Tensor]]:
    """Occupied cells, not in order, and their values; one grid is empty."""
    generator = torch.Generator().manual_seed(channels)
    sizes = [0, *torch.randint(1, 60, (count - 1,), generator=generator).tolist()]
    cells = [torch.randperm(SIZE // 2, generator=generator)[:size] * 2 for size in sizes]
    return [(each, torch.rand(channels, len(each), generator=generator)) for each in cells]


def dense(grid: tuple[Tensor, Tensor]) -> Tensor:
    full = torch.full((len(grid[1]), SIZE), -1.0)
    full[:, grid[0]] = grid[1]
    return full.reshape(1, -1)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_bits_as_the_dense_form_at_every_cell(channels: int) -> None:
    sparse, full = SparseMoments(channels), Moments(channels * SIZE)
    for grid in random_grids(channels):
        sparse.see(*grid)
        full.see(dense(grid))
    found = sparse.at(torch.arange(SIZE))
    assert torch.equal(found.mean.flatten(), full.mean) and torch.equal(found.std.flatten(), full.std)


def test_only_cells_that_were_seen_are_kept() -> None:
    grids = random_grids(1)
    sparse = SparseMoments(1)
    for grid in grids:
        sparse.see(*grid)
    assert sparse.cells.tolist() == sorted(set(torch.cat([cells for cells, _ in grids]).tolist()))
    assert sparse.mean.shape == sparse.squares.shape == (1, len(sparse.cells))
    asked = torch.tensor([499, 2, 0, 498, 2])  # in any order, twice, and never seen
    assert torch.equal(sparse.at(asked).mean, sparse.at(torch.arange(SIZE)).mean[:, asked])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("left_out", [0, 4, 11])
def test_leaving_one_out_is_not_having_seen_it(channels: int, left_out: int) -> None:
    grids = random_grids(channels)
    everything, others = SparseMoments(channels), SparseMoments(channels)
    for number, grid in enumerate(grids):
        everything.see(*grid)
        if number != left_out:
            others.see(*grid)
    found, row = everything.without(*grids[left_out])
    expected = others.at(everything.cells)
    torch.testing.assert_close(found.mean, expected.mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.std, expected.std, rtol=0, atol=1e-6)  # the root of what is left of rounding
    assert torch.equal(
        row.float().reshape(-1), dense(grids[left_out]).reshape(channels, -1)[:, everything.cells].reshape(-1)
    )


def test_what_cannot_be_seen_or_left_out_is_named() -> None:
    moments = SparseMoments(3)
    with pytest.raises(ValueError, match=r"values must have shape \(3, 2\), got \(2, 3\)"):
        moments.see(torch.tensor([0, 1]), torch.zeros(2, 3))
    moments.see(torch.tensor([0]), torch.zeros(3, 1))
    for cell in (-1, 2**32 + 5):
        with pytest.raises(ValueError, match=r"cells must lie in \[0, 2147483648\)"):
            moments.see(torch.tensor([cell]), torch.zeros(3, 1))
        with pytest.raises(ValueError, match=r"cells must lie in \[0, 2147483648\)"):
            moments.at(torch.tensor([cell]))
    assert not moments.at(torch.tensor([7])).std.any()
    with pytest.raises(ValueError, match="at least two grids can be left out, got 1"):
        moments.without(torch.tensor([0]), torch.zeros(3, 1))
    with pytest.raises(ValueError, match="channels must be positive, got 0"):
        SparseMoments(0)
