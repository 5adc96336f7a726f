"""What processes agree on: gradients, losses, state of every kind of tensor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from geoad.training.processes import run_processes
from geoad.training.ranks import ALONE, Ranks, joined

PARTS = (0.75, 0.25)


def parameters(rank: int) -> list[torch.nn.Parameter]:
    """Four parameters: reached by both processes, by one of them, by the other, by none."""
    made = [torch.nn.Parameter(torch.zeros(2, 3, dtype=dtype)) for dtype in (torch.float64, *[torch.float32] * 3)]
    for number in (0, 1 + rank):
        made[number].grad = torch.full_like(made[number], 1.0 + rank)
    return made


def tensors(rank: int) -> list[torch.Tensor]:
    """Tensors of every kind that a state has; they differ between processes."""
    kinds = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8]
    made = [torch.full((3,), rank + 1, dtype=dtype) for dtype in kinds]
    return [*made, torch.tensor(rank == 0), torch.empty(0, 4), torch.arange(6.0).reshape(2, 3).T + rank]


def agree(rank: int, tell: Callable[[Any], None], meeting: Path) -> dict[str, Any]:
    with joined(rank, 2, meeting) as ranks:
        mine, state = parameters(rank), tensors(rank)
        losses = ranks.average(mine, {"total": torch.tensor(4.0 * rank), "b": torch.tensor([rank, 2.0])}, PARTS[rank])
        ranks.agree(state)
        tell((ranks.totals(rank + 1, 0.5), [value.tolist() for value in state]))
    gradients = [None if p.grad is None else (p.grad.dtype, p.grad.tolist()) for p in mine]
    return {"losses": {name: float(loss) for name, loss in losses.items()}, "gradients": gradients}


def test_two_processes_agree(tmp_path: Path) -> None:
    heard: list[Any] = []
    made = run_processes(2, agree, tmp_path / "meeting", hear=heard.append)
    assert made["losses"] == {"total": 1.0, "b": 0.75 * 1.0 + 0.25 * 1.5}
    means = [0.75 * 1 + 0.25 * 2, 0.75, 0.5]
    kinds = [torch.float64, torch.float32, torch.float32]
    expected = [(kind, [[mean] * 3] * 2) for kind, mean in zip(kinds, means, strict=True)]
    assert made["gradients"] == [*expected, None]
    assert heard == [((3.0, 1.0), [value.tolist() for value in tensors(0)])] * 2


def test_alone_everything_stays_as_it_is() -> None:
    mine, state = parameters(0), tensors(1)
    losses = {"total": torch.tensor(2.0)}
    assert ALONE.average(mine, losses, 1.0) is losses and mine[3].grad is None
    ALONE.agree(state)
    ALONE.wait()
    assert state[0].tolist() == [2.0] * 3


@pytest.mark.parametrize(("rank", "first", "place"), [(0, True, ()), (1, False, (1,))])
def test_the_first_writes_and_draws_what_a_lone_process_draws(rank: int, first: bool, place: tuple[int, ...]) -> None:
    assert (Ranks(rank, 2).first, Ranks(rank, 2).place) == (first, place)
