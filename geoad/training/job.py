"""One training, in this process or in one for each device."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from geoad.training.batches import Batches, stack
from geoad.training.cache import Cache
from geoad.training.checkpoint import plain_keywords
from geoad.training.device import open_fabric
from geoad.training.heap import kept_memory
from geoad.training.log import Log
from geoad.training.monitor import Monitor
from geoad.training.processes import run_processes
from geoad.training.progress import ProgressBar, Relay
from geoad.training.ranks import ALONE, Ranks, joined
from geoad.training.run import StageRun
from geoad.training.seed import own_randomness
from geoad.training.state import copy_state, free_shapes, load_state
from geoad.training.stop import never


@dataclass(kw_only=True)
class Job:
    """A module, its prepared samples, and what the trainer was told; `path` is the checkpoint's.

    `data` are the digests of the training and validation samples.

    >>> from geoad.training.stage import Visit
    >>> seen = []
    >>> module = torch.nn.Linear(1, 1)
    >>> module.stages = lambda: iter([Visit("look", lambda batch: seen.append(float(batch["x"])))])
    >>> train = Cache([1.0, 2.0], lambda sample: {"x": torch.tensor(sample)}, 1e6, Path("unused"))
    >>> job = Job(module=module, train=train, validation=None, seed=0, precision="32-true", path=None, log=None)
    >>> job.run("cpu", ProgressBar())
    >>> seen
    [1.0, 2.0]
    """

    module: Any
    train: Cache
    validation: Cache | None
    seed: int
    precision: str
    path: Path | None
    log: Path | None
    data: tuple[str | None, str | None] | None = None
    checkpoint_every: int = 500
    stop: Callable[[], bool] = never

    def run(self, device: str, bar: ProgressBar, ranks: Ranks = ALONE) -> None:
        """Run the stages in this process, one of `ranks`."""
        fabric = open_fabric(device, self.precision)
        with own_randomness(fabric.device), kept_memory():
            free = free_shapes(self.module)
            fabric.to_device(self.module)
            StageRun(
                fabric=fabric,
                module=self.module,
                batches=Batches(
                    self.train,
                    self.validation,
                    collate=getattr(self.module, "collate", stack),
                    move=fabric.to_device,
                    seed=self.seed,
                    ranks=ranks,
                ),
                monitor=Monitor(bar, Log(self.log if ranks.first else None)),
                free=free,
                path=self.path,
                checkpoint_every=self.checkpoint_every,
                facts={
                    "seed": self.seed,
                    "samples": len(self.train),
                    "fingerprint": self.train.fingerprint,
                    "keywords": plain_keywords(self.module),
                    "precision": self.precision,
                    "data": self.data,
                    "held_out": (len(self.validation), self.validation.fingerprint) if self.validation else (0, ""),
                },
                ranks=ranks,
                stop=self.stop,
            ).execute()

    def run_on(self, devices: list[str], bar: ProgressBar) -> None:
        """Run the stages in a process for each device, and take over the state with which the first ends."""
        self.module.cpu()

        def hear(told: tuple[Any, ...]) -> None:
            getattr(bar, told[0])(*told[1:])

        with tempfile.TemporaryDirectory(prefix="geoad-") as folder:
            state = run_processes(len(devices), self._work, devices, Path(folder) / "meeting", hear=hear)
        grown = {name: (0,) * tensor.dim() for name, tensor in self.module.state_dict().items()}
        load_state(self.module, torch.load(io.BytesIO(state), weights_only=True), grown)
        self.module.to(devices[0])

    def _work(self, rank: int, tell: Callable[[Any], None], devices: list[str], meeting: Path) -> bytes:
        """Do one process's part and return the state; the caches are filled first, each by its share."""
        if devices[rank] != "cpu":
            torch.cuda.set_device(devices[rank])  # for kernels that ask for the current device
        bar = ProgressBar() if rank else Relay(tell)
        with joined(rank, len(devices), meeting, devices[rank]) as ranks:
            for cache in filter(None, (self.train, self.validation)):
                self._fill(cache, ranks, bar)
            self.run(devices[rank], bar, ranks)
        state = io.BytesIO()
        torch.save(copy_state(self.module), state)
        return state.getvalue()

    def _fill(self, cache: Cache, ranks: Ranks, bar: ProgressBar) -> None:
        """Prepare every sample once, in one of the processes; the rest read its file."""
        bar.start("preparation", len(cache), 0)
        for position in range(ranks.rank, len(cache), ranks.size):
            cache.fill(position)
            bar.advance(position + 1, "")
        ranks.wait()
