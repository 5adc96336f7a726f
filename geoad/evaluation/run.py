"""A run folder: what was asked, where it was done, the trained detector, its maps and its numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoad._lock import locked
from geoad._safetensors import read_safetensors, write_safetensors
from geoad._whole_file import check_empty, make_folder, write_whole
from geoad.evaluation.results import environment, write_json
from geoad.metrics import Threshold

if TYPE_CHECKING:
    from torch import nn

    from geoad.detectors.base import Detector

Config = dict[str, Any]
ABSENT = object()
TRAINING = "training/checkpoint.pt"  # of a training that was interrupted


@dataclass(frozen=True)
class Run:
    """A folder with `config.json` (JSON values; "detector" and "params" make the detector) and `environment.json`.

    `checkpoint` is the trained detector's file, there once training has ended; `maps` the folder for its maps.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = Run.create(f"{folder}/run", {"detector": "3d-st", "params": {"d": 64}, "seed": 0})
    ...     run.checkpoint.name, run.is_trained, Run.open(f"{folder}/run").config["params"]
    ('checkpoint.safetensors', False, {'d': 64})
    """

    folder: Path
    config: Config

    @property
    def checkpoint(self) -> Path:
        """The trained detector."""
        return self.folder / "checkpoint.safetensors"

    @property
    def threshold(self) -> Path:
        """The threshold that `fit` took from validation parts, for anybody to edit."""
        return self.folder / "threshold.json"

    @property
    def maps(self) -> Path:
        """The folder for maps."""
        return self.folder / "maps"

    @property
    def is_trained(self) -> bool:
        """Whether the trained detector is there."""
        return self.checkpoint.is_file()

    @classmethod
    def create(cls, folder: str | Path, config: Mapping[str, Any], *, mended: bool = False) -> Run:
        """Make the folder, or resume one with the same config.

        Weights that the detector is made of, such as a teacher's, are copied into it: it may be moved, and so may they.

        With `mended` a run that has learnt nothing yet takes the new config: what was wrong with the first attempt has
        been mended. Who asks for it locks `folder`/training before learning, and sees then whether the config is still
        this one.

        Raises ValueError for a folder with another config, naming the keys that differ, or with other things in it;
        OSError if it cannot be made or written; TypeError if the config is not made of JSON values.
        """
        folder = Path(folder)
        asked: Config = json.loads(json.dumps(dict(config)))  # tuples become the lists they are read back as
        make_folder(folder)
        if (folder / "config.json").exists():
            run = cls.open(folder)
            if mended and run.config != asked and not run._has_learnt:
                run = run._begin_anew(asked)
            _check_same(folder, run.config, asked)
        else:
            check_empty(folder, but=["environment.json"])  # of a run that has just begun
            run = cls._begin(folder, asked)
        run._keep_weights()
        return run

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Open a run; raise FileNotFoundError if there is none, ValueError if its config is damaged."""
        path = Path(folder) / "config.json"
        if not path.is_file():
            runs = sorted(place.parent.name for place in Path(folder).glob("*/config.json"))
            mend = f"holds runs of {', '.join(runs)}: give one of them" if runs else "give the --out of geoad fit"
            raise FileNotFoundError(f"{folder}: is no run folder (no config.json): {mend}")
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: not readable as JSON ({error}): fit again into a new folder") from error
        if not isinstance(config, dict):
            raise ValueError(f"{path}: a config is a JSON object, got {type(config).__name__}: fit into a new folder")
        return cls(Path(folder), config)

    @classmethod
    def _begin(cls, folder: Path, asked: Config) -> Run:
        write_json(folder / "environment.json", environment())
        write_json(folder / "config.json", asked)  # with it, the folder is a run
        return cls(folder, asked)

    @property
    def _has_learnt(self) -> bool:
        """Whether anything is there that another config would lose: a checkpoint, or a cell's numbers."""
        return self.is_trained or any((self.folder / name).exists() for name in (TRAINING, "cell.json"))

    def _begin_anew(self, asked: Config) -> Run:
        """Return the run with another config: the first attempt has failed, and what was wrong is mended."""
        with locked(self.folder / "training"):  # nobody else is about to learn by the old one
            if self._has_learnt:  # meanwhile
                return self
            (self.folder / "log").unlink(missing_ok=True)
            shutil.rmtree(self.folder / "reconstructions", ignore_errors=True)
            for _, _, own in _weights(self.folder, self.config.get("params", {})):
                own.unlink(missing_ok=True)
            return self._begin(self.folder, asked)

    def make_detector(self) -> Detector:
        """Return a new, untrained detector of this run's name and parameters."""
        from geoad.detectors import make_detector

        params = self.config.get("params", {})
        return make_detector(self._name, **{**params, **kept_weights(self.folder, params)})

    def save_detector(self, detector: nn.Module) -> None:
        """Write the detector's parameters and buffers to `checkpoint`, whole or not at all.

        A folder that was removed meanwhile is made again: training may have taken days.
        """
        from geoad.training.state import copy_state

        if not (self.folder / "config.json").exists():
            self._begin(self.folder, self.config)._keep_weights()
        write_safetensors(self.checkpoint, copy_state(detector), {"detector": self._name})

    def load_detector(self) -> Detector:
        """Return the trained detector, on the CPU and in evaluation mode.

        Raises FileNotFoundError before training has ended; OSError if the file cannot be opened; ValueError if it is
        truncated, of another detector, or of other shapes.
        """
        import torch

        from geoad.training.state import free_shapes, load_state, state_mismatch

        name, state = self._read_checkpoint()
        if name != self._name:
            raise self._fault(f"is of detector {name!r}, expected {self._name!r}")
        with torch.random.fork_rng([]):  # what is drawn here is overwritten
            detector = self.make_detector()
        free = free_shapes(detector)
        if reason := state_mismatch(detector, state, free):
            raise self._fault(f"is of other parameters: {reason}")
        load_state(detector, state, free)
        return detector.eval()

    def digest(self) -> str:
        """Return what tells the trained detector from others: its name, and a hash of its weights and parameters."""
        params = json.dumps(self.config.get("params", {}), sort_keys=True)
        return f"{self._name} {sha256(self.checkpoint.read_bytes() + params.encode()).hexdigest()[:16]}"

    def load_threshold(self) -> Threshold | None:
        """Return the threshold of good parts, None where the run has none; raise ValueError if the file is damaged."""
        return Threshold.load(self.threshold) if self.threshold.exists() else None

    @property
    def _name(self) -> str:
        """The detector's registered name."""
        name = self.config.get("detector")
        if not isinstance(name, str):
            raise ValueError(f"{self.folder}/config.json: names no detector: fit again into a new folder")
        return name

    def _keep_weights(self) -> None:
        """Copy the weights that the detector is made of, while they are there: training may take days."""
        for _, given, own in _weights(self.folder, self.config.get("params", {})):
            if given.is_file() and not own.exists():
                write_whole(own, given.read_bytes())

    def _read_checkpoint(self) -> tuple[str | None, dict[str, Any]]:
        """Return the detector's name and its tensors."""
        if not self.is_trained:
            raise FileNotFoundError(f"{self.checkpoint}: no such file: training has not ended; repeat the fit command")
        try:
            state, note = read_safetensors(self.checkpoint)
        except ValueError as error:
            raise self._fault(f"is truncated or no safetensors file ({error})") from error
        return note.get("detector"), state

    def _fault(self, reason: str) -> ValueError:
        """Return the error of a checkpoint that cannot be used."""
        return ValueError(f"{self.checkpoint}: {reason}: remove it and repeat the fit command")


def kept_weights(folder: Path, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a detector that name files of weights which the run in `folder` keeps, and those files.

    >>> kept_weights(Path("no such run"), {"teacher": "mine.safetensors", "k": 8})
    {}
    """
    return {name: str(own) for name, _, own in _weights(folder, params) if own.is_file()}


def _weights(folder: Path, params: Mapping[str, Any]) -> Iterator[tuple[str, Path, Path]]:
    """Yield the parameters that name a file of weights: the name, the file, and where a run keeps it."""
    for name, value in params.items():
        if isinstance(value, str) and value.endswith(".safetensors"):
            yield name, Path(value), folder / f"{name}.safetensors"


def read_threshold(path: str | Path, category: str | None = None) -> Threshold:
    """Read a threshold.json, that of a run, or that of a category's run in a folder of runs.

    >>> read_threshold("no such run")
    Traceback (most recent call last):
    FileNotFoundError: no such run: holds no threshold: give a threshold.json, or a run fitted with validation parts
    """
    path = Path(path)
    places = [path, path / "threshold.json", *([path / category / "threshold.json"] if category else [])]
    for place in places:
        if place.is_file():
            return Threshold.load(place)
    of = f" of {category}" if category else ""
    mend = "give a threshold.json, or a run fitted with validation parts"
    raise FileNotFoundError(f"{path}: holds no threshold{of}: {mend}")


def _check_same(folder: Path, there: Config, asked: Config) -> None:
    """Raise ValueError that names what differs."""
    old, new = dict(_flat(there)), dict(_flat(asked))
    if "scans" in new:
        old.setdefault("scans", new["scans"])  # of a run that did not note its own
    keys = [key for key in {**old, **new} if old.get(key, ABSENT) != new.get(key, ABSENT)]
    if keys == ["scans"]:
        raise ValueError(f"{folder}: scans were added, removed or changed since this run began: choose a new folder")
    keys = [key for key in keys if key != "scans"]  # a hash tells nobody anything
    if keys:
        told = ", ".join(f"{key} = {_shown(old, key)} there, {_shown(new, key)} now" for key in keys)
        mend = ", or correct it in config.json if that is the same data elsewhere" if keys == ["root"] else ""
        raise ValueError(f"{folder}: holds a run with another config ({told}): choose a new folder{mend}")


def _flat(config: Config, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested objects under dotted keys."""
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(config: Config, key: str) -> str:
    return json.dumps(config[key]) if key in config else "absent"
