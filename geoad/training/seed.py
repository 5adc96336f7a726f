"""Seeds that depend on where training stands, so that no state of a generator need be saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from threading import RLock

import torch

from geoad import _check

_ALONE = RLock()


def seed_of(*place: int | str) -> int:
    """Return a seed in [0, 2^63) for a place in the training, the same on every machine.

    >>> seed_of(0, "step", 1, 2) == seed_of(0, "step", 1, 2) != seed_of(0, "step", 2, 1)
    True
    """
    text = repr(_check.plain(place))  # numpy's numbers have another repr
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def seed_torch(seed: int, device: torch.device | None = None) -> None:
    """Seed torch's generators of the CPU and of `device`, and no others: `torch.manual_seed` would seed every GPU.

    >>> with own_randomness():
    ...     seed_torch(3)
    ...     one = torch.rand(())
    ...     seed_torch(3)
    ...     one == torch.rand(())
    tensor(True)
    """
    torch.default_generator.manual_seed(seed)
    if device is not None and device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@contextmanager
def own_randomness(device: torch.device | None = None) -> Iterator[None]:
    """Leave torch's generators of the CPU and of `device` as they were found.

    Torch has one generator for all threads: another thread that asks for its own randomness waits until this one is
    done. What others draw without asking, as for the weights of a new network, they draw from this one's.

    >>> before = torch.random.get_rng_state()
    >>> with own_randomness():
    ...     _ = torch.rand(3)
    >>> torch.equal(before, torch.random.get_rng_state())
    True
    """
    with _ALONE, torch.random.fork_rng([device] if device is not None and device.type == "cuda" else []):
        yield
