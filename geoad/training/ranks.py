"""The processes of one training: what they must agree on, and how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
from torch import Tensor, distributed, nn

PATIENCE = timedelta(hours=1)  # for the slowest process; one that died is noticed by its parent, at once


@dataclass(frozen=True)
class Ranks:
    """Process number `rank` of `size`; alone, nothing is to be agreed on and every method leaves things as they are.

    >>> alone = Ranks()
    >>> alone.first, alone.place, alone.totals(3.0, 2)
    (True, (), (3.0, 2))
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    @property
    def place(self) -> tuple[int, ...]:
        """What makes this process's random numbers its own; the first draws what a lone process draws."""
        return (self.rank,) if self.rank else ()

    def average(
        self, parameters: Sequence[nn.Parameter], losses: dict[str, Tensor], weight: float
    ) -> dict[str, Tensor]:
        """Make each gradient the mean over the whole batch, `weight` being this share's part; return the mean losses.

        As in one process, a parameter that no share reached has no gradient, not one of zeros.
        """
        if self.size == 1:
            return losses
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        reached = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32)
        means = [loss.detach().float().mean() for loss in losses.values()]
        *sums, reached = _summed([weight * tensor for tensor in (*gradients, *means, reached)])
        for parameter, gradient, was_reached in zip(parameters, sums, reached.tolist(), strict=False):
            # Laid out as the parameter lies: a fused optimiser goes through both as they are in memory.
            parameter.grad = torch.empty_like(parameter).copy_(gradient) if was_reached else None
        return dict(zip(losses, sums[len(parameters) :], strict=True))

    def agree(self, tensors: Iterable[Tensor]) -> None:
        """Give the tensors the values that they have in the first process."""
        if self.size > 1:
            for tensor in tensors:
                values = tensor.contiguous()
                distributed.broadcast(values, 0)
                tensor.copy_(values)

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self.totals(0.0)

    def totals(self, *numbers: float) -> tuple[float, ...]:
        """Return each number's sum over the processes."""
        if self.size == 1:
            return numbers
        (sums,) = _summed([torch.tensor(numbers, dtype=torch.float64)])
        return tuple(sums.tolist())


ALONE = Ranks()


@contextmanager
def joined(rank: int, size: int, meeting: Path, device: str = "cpu") -> Iterator[Ranks]:
    """Join the other processes, which know the same file `meeting`; it must not exist before the first of them.

    On a GPU tensors go by NCCL, on the CPU by gloo.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, joined(0, 1, Path(folder) / "meeting") as ranks:
    ...     ranks.size
    1
    """
    backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend, f"file://{meeting}", PATIENCE, world_size=size, rank=rank)
    yield Ranks(rank, size)
    distributed.destroy_process_group()  # not after an error: it could wait for processes that wait for this one


def _summed(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return each tensor's sum over the processes; all of them travel as one message, from the first one's device."""
    flat = torch.cat([tensor.reshape(-1).to(tensors[0].device) for tensor in tensors])
    distributed.all_reduce(flat)
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    return [part.view_as(tensor).to(tensor) for part, tensor in zip(parts, tensors, strict=True)]
