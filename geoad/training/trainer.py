"""The one trainer: it knows stages and the reserved key "total", and never what a tensor stands for."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from geoad import _check
from geoad._digest import digest_samples
from geoad.training import checkpoint
from geoad.training.cache import Cache
from geoad.training.device import check_precision, device_name, devices_of
from geoad.training.job import Job
from geoad.training.progress import ProgressBar, progress_bar
from geoad.training.seed import own_randomness
from geoad.training.stop import never

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
SCRATCH = "geoad-cache"
"""The folder of prepared samples, which is removed: a name that nobody else has for something."""


M = TypeVar("M", bound=nn.Module)


class Trainer:
    """Runs the stages of a module over samples, and resumes where it was killed.

    A module has `prepare(sample)`, which returns a dict of CPU tensors and is pure, so that it is called once a sample
    and the result kept; `stages()`, an iterator of stages, usually a generator; and, if stacking is not the way to
    join prepared samples to a batch, `collate(list of dicts)`. If it has `watch(stage, step)`, that is called after
    every `checkpoint_every` steps of a stage with gradients and at its end, in evaluation mode: to draw what is learnt.
    If it has `config`, the keywords that made it, it does not go on from a checkpoint of others.

    `device` is "auto", "cpu", "cuda" or "cuda:1"; `precision` one of "32-true", "bf16-mixed", "16-mixed". With a
    `folder` it writes `checkpoint.pt` there every `checkpoint_every` steps and at each stage's end, and a second run
    goes on from it: on the CPU of the same machine to the same weights, bit for bit. `log` is a file of JSON lines.
    `memory` bytes of prepared samples are kept in memory, more go to files; or, if the module says
    `prepared_on_disk = False`, are prepared again when they are needed. `progress` shows a bar. `stop()` is asked
    after each step (`training.stop.Stop` knows hours and signals): if it says yes, the checkpoint is written and
    `Stopped` raised; a `Visit` is not written, and begins again.

    Prepared samples that do not fit go to `geoad-cache` in the folder, which is removed at the end. A checkpoint goes
    on with the same samples alone, if these, or each of a list, have a `digest()`, as datasets and `Sample` do; of
    others their number and the first one must be the same.

    A batch has the key "sample": positions in `samples` (in `validation`: -1 - position). Torch's generator is seeded
    for each step by (seed, stage, step), between stages by (seed, stage), and left as it was found. A resumed
    training runs `stages()` from its start and skips the stages that are done: the code between them runs again, with
    the checkpoint's state loaded, so it must not depend on what later stages change.

    `devices` processes share each batch, on a GPU each or all on the CPU. They end with the weights of one process up
    to rounding, as far as totals are means over samples and draw nothing at random: each process draws its own, and
    batch norm sees each process's share. `run` starts them, in a script as in a notebook, and takes over parameters and
    buffers, nothing else. For that, module and samples can be pickled, their classes imported (so they are not written
    in a notebook's cell), and a script's top level stands under `if __name__ == "__main__":`. Every process visits all
    samples; each sample is prepared by one. What one of them raises ends all. A run resumes with any number of devices.
    Several machines cannot share.

    Raises ValueError for no samples, more devices than GPUs, a total, a gradient or an outcome that is not finite, and
    a checkpoint that is not of this run.

    >>> import torch
    >>> from geoad.training.stage import Visit
    >>> class Sum(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.register_buffer("sum", torch.zeros(()))
    ...     def prepare(self, sample):
    ...         return {"x": torch.tensor(sample)}
    ...     def stages(self):
    ...         yield Visit("sum", self.see)
    ...     def see(self, batch):
    ...         self.sum += batch["x"].sum()
    >>> Trainer(device="cpu").run(Sum(), [1.0, 2.0]).sum
    tensor(3.)
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        device: str | torch.device = "auto",
        devices: int = 1,
        precision: str = "32-true",
        folder: str | Path | None = None,
        checkpoint_every: int = 500,
        progress: bool = False,
        log: str | Path | None = None,
        memory: float = 4e9,
        stop: Callable[[], bool] = never,
    ) -> None:
        numbers = {"seed": seed, "devices": devices, "checkpoint_every": checkpoint_every, "memory": memory}
        _check.kinds(Trainer.__init__, numbers)
        _check.one_of("precision", precision, PRECISIONS)
        _check.positive(checkpoint_every=checkpoint_every, devices=devices)
        _check.not_negative(seed=seed)
        if not memory >= 0:
            raise ValueError(f"memory must be 0 or more bytes, got {memory}")
        if devices > 1 and stop is not never:
            raise ValueError(f"stop is asked in one process and devices must be 1 with it, got {devices}")
        device = device_name(device)
        devices_of(device, devices)  # this and the next say now what would come after hours of preparation
        check_precision(precision, device)
        self.seed, self.devices = int(seed), int(devices)
        self.device, self.precision = device, precision
        self.folder = None if folder is None else Path(folder)
        self.checkpoint_every, self.progress, self.memory = checkpoint_every, progress, memory
        self.log = None if log is None else Path(log)
        self.stop = stop

    def run(self, module: M, samples: Sequence[Any], validation: Sequence[Any] | None = None) -> M:
        """Train `module` in place and return it, in evaluation mode and without gradients."""
        if not len(samples):
            raise ValueError("samples must hold at least one sample, got none")
        devices = devices_of(self.device, self.devices)
        with (
            torch.inference_mode(False),
            torch.enable_grad(),  # also where the caller has switched them off
            _no_autocast(),  # `precision` says what is halved, and nobody else
            own_randomness(),
            _scratch(self.folder) as scratch,
            progress_bar() if self.progress else ProgressBar() as bar,
        ):
            if self._checkpoint is None or not self._checkpoint.exists():
                shutil.rmtree(scratch, ignore_errors=True)  # prepared by a run that this one does not continue
            train, held_out = self._caches(module, samples, validation, scratch)
            job = Job(
                module=module,
                train=train,
                validation=held_out,
                seed=self.seed,
                precision=self.precision,
                path=self._checkpoint,
                checkpoint_every=self.checkpoint_every,
                log=self.log,
                data=None if self.folder is None else (digest_samples(samples), digest_samples(validation)),
                stop=self.stop,
            )
            if len(devices) == 1:
                job.run(devices[0], bar)
            else:
                job.run_on(devices, bar)
            shutil.rmtree(scratch, ignore_errors=True)
        module.zero_grad(set_to_none=True)
        return module.eval()

    @property
    def _checkpoint(self) -> Path | None:
        return None if self.folder is None else self.folder / checkpoint.NAME

    def _caches(
        self, module: Any, samples: Sequence[Any], validation: Sequence[Any] | None, scratch: Path
    ) -> tuple[Cache, Cache | None]:
        """Return the prepared samples and validation samples; all processes share the memory."""
        memory = self.memory / self.devices
        how = {"shared": self.devices > 1, "files": getattr(module, "prepared_on_disk", True)}
        train = Cache(samples, module.prepare, memory, scratch / "train", **how)
        if validation is None or not len(validation):
            return train, None
        left = max(memory - train.bytes, 0) if train.in_memory else memory
        return train, Cache(validation, module.prepare, left, scratch / "validation", **how)


@contextmanager
def _no_autocast() -> Iterator[None]:
    """Switch a caller's autocast off, and with it the cache of halves: it would be emptied when the caller's ends."""
    if not any(map(torch.is_autocast_enabled, ("cpu", "cuda"))):
        yield
        return
    with torch.autocast("cpu", enabled=False, cache_enabled=False), torch.autocast("cuda", enabled=False):
        yield


@contextmanager
def _scratch(folder: Path | None) -> Iterator[Path]:
    """Yield the place for prepared samples: beside the checkpoint, or a temporary folder."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder / SCRATCH
        return
    with tempfile.TemporaryDirectory(prefix="geoad-") as temporary:
        yield Path(temporary) / SCRATCH
