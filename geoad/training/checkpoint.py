"""Where training stands, in one file that is always whole."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from geoad._digest import same_samples
from geoad.training.torch_file import write_torch

NAME, VERSION = "checkpoint.pt", 1
WEIGHTS = "weights"  # what a file of them is called, before its hash
LENGTHS = {"steps", "epochs"}  # whether they may be others is for the stage to say


@dataclass
class Checkpoint:
    """The state after `step` steps of stage number `stage` (0, 1, …); `best` is the state with the loss `best_loss`.

    `plan` is (name, steps) of the stage, `plans` are those of the stages before it; `seed`, `samples` (their number)
    and `fingerprint` (a hash of the first prepared sample) say of which run it is, `keywords` how its module was made,
    `precision` how it is trained, and `held_out` (number, hash of the first) which validation samples `best_loss` is
    of, `data` what all samples and all validation samples hash to, where they can say; None in files older than these.
    `scaler` is the state of what scales the losses of "16-mixed". `log` is for what a file that travels alone has to
    tell of the run.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "checkpoint.pt"
    ...     Checkpoint(0, 12, "3f0a", stage=1, step=500, plan=("student", 900), module={}).save(path)
    ...     Checkpoint.load(path).step
    500
    """

    seed: int
    samples: int
    fingerprint: str
    stage: int
    step: int
    plan: tuple[str, int]
    module: dict[str, Tensor]
    optimizers: list[dict[str, Any]] = field(default_factory=list)
    best_loss: float = inf
    best: dict[str, Tensor] | None = None
    keywords: dict[str, Any] = field(default_factory=dict)
    precision: str | None = None
    held_out: tuple[int, str] | None = None
    data: tuple[str | None, str | None] | None = None
    plans: list[tuple[str, int]] = field(default_factory=list)
    scaler: dict[str, Any] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    version: int = VERSION

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        content = {f.name: getattr(self, f.name) for f in fields(self)}
        write_torch(path, content)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint; raise ValueError that names the file if it is not a whole one of this version."""
        whole = io.BytesIO(path.read_bytes())  # so that what torch raises is about the content, not about the disk
        try:
            content = torch.load(whole, map_location="cpu", weights_only=True)
            if not isinstance(content, dict) or content.get("version") != VERSION:
                raise ValueError(f"not version {VERSION}")
            return cls(**content)
        except Exception as error:  # an unpickler raises whatever the bytes lead it to
            raise cannot_resume(path, "it is truncated, or not a checkpoint of this version") from error

    def check_run(
        self,
        path: Path,
        *,
        seed: int,
        samples: int,
        fingerprint: str,
        keywords: Mapping[str, Any] | None = None,
        precision: str | None = None,
        held_out: tuple[int, str] | None = None,
        data: tuple[str | None, str | None] | None = None,
    ) -> None:
        """Raise ValueError unless the checkpoint is of the run with these facts."""
        for name, now in (keywords or {}).items():
            then = self.keywords.get(name, now)
            if str(then).endswith(".safetensors") and str(now).startswith(WEIGHTS):
                continue  # checkpoints older than the hash of a file of weights have its path, which may be another now
            if name not in LENGTHS and then != now:
                raise cannot_resume(path, f"it is of {name} = {then!r}, not {now!r}")
        if self.seed != seed:
            raise cannot_resume(path, f"it is of seed {self.seed}, not {seed}")
        if self.samples != samples:
            raise cannot_resume(path, f"it is of {self.samples} samples, not {samples}")
        if self.fingerprint != fingerprint:
            raise cannot_resume(path, "its first prepared sample is another: other data or other parameters")
        if precision and self.precision and self.precision != precision:
            raise cannot_resume(path, f"it is of precision {self.precision}, not {precision}")
        if held_out and self.held_out and self.held_out[0] != held_out[0]:
            raise cannot_resume(path, f"it is of {self.held_out[0]} validation samples, not {held_out[0]}")
        if held_out and self.held_out and self.held_out[1] != held_out[1]:
            raise cannot_resume(path, "its first validation sample is another: other data")
        for kind, then, now in zip(("samples", "validation samples"), self.data or (), data or (), strict=False):
            if not same_samples(then, now):
                raise cannot_resume(path, f"its {kind} are others: some were added, removed or changed since")


def cannot_resume(path: Path, reason: str) -> ValueError:
    """Return the error for a checkpoint that cannot be used.

    >>> raise cannot_resume(Path("run/checkpoint.pt"), "it is of seed 0, not 1")
    Traceback (most recent call last):
    ValueError: cannot resume from run/checkpoint.pt: it is of seed 0, not 1; move it away to start afresh
    """
    return ValueError(f"cannot resume from {path}: {reason}; move it away to start afresh")


def plain_keywords(module: Any) -> dict[str, Any]:
    """Return what a checkpoint keeps of a module's `config`: values that JSON knows, as JSON has them.

    A file of weights is known by its content, wherever it lies.

    >>> module = torch.nn.Module()
    >>> module.config = {"rate": 0.5, "sizes": (1, 2), "teacher": len}
    >>> plain_keywords(module)
    {'rate': 0.5, 'sizes': [1, 2]}
    """
    kept = {}
    for name, value in getattr(module, "config", {}).items():
        with suppress(TypeError, ValueError):
            kept[name] = json.loads(json.dumps(value))
        if isinstance(value, str) and value.endswith(".safetensors") and Path(value).is_file():
            kept[name] = f"{WEIGHTS} {sha256(Path(value).read_bytes()).hexdigest()[:12]}"
    return kept
