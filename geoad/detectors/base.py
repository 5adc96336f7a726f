"""What every method is to its users: keywords in, fit, score."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from geoad import _check
from geoad.data.rotated import Rotated
from geoad.detectors.unit import Lengths
from geoad.nn.default_dtype import float32_by_default
from geoad.sample import AnomalyMap, Sample
from geoad.training.seed import own_randomness, seed_of, seed_torch
from geoad.training.stage import Batch, Stage
from geoad.training.state import free_shapes, resize_buffers, state_mismatch
from geoad.training.trainer import Trainer


class NotFittedError(RuntimeError):
    """Raised by `score` before `fit`.

    >>> raise NotFittedError("Mean is not fitted")
    Traceback (most recent call last):
    geoad.detectors.base.NotFittedError: Mean is not fitted
    """


class OddScan(UserWarning):
    """Warned of what a detector finds odd in a scan, and of what it does with it.

    >>> warnings.warn("002.tiff has no camera", OddScan)
    """


class Detector(nn.Module):
    """A method. Its author writes `prepare`, `stages` and `map`, and a constructor that takes keywords only.

    `config` holds the constructor's keywords, defaults resolved (a constructor notes in `resolved` what it has made of
    None); those annotated as plain numbers, texts, True or False are checked to be such. All state is parameters and
    buffers; one whose size depends on the data is registered with a length of 0 there, and assigned when it is known.
    `supervised` marks methods that learn from masks: no other may read them. What `prepare` returns is kept in files
    where memory does not suffice; with `prepared_on_disk` False it is made again. `collate` joins prepared samples to a
    batch, if they cannot be stacked. A method whose protocol augments the training set gives `augment` too.
    `watch(stage, step)`, if set, is called now and then while it learns.

    >>> import numpy as np
    >>> from geoad.geometry.xyz_image import XYZImage
    >>> from geoad.training.stage import Visit
    >>> class MeanDepth(Detector):
    ...     def __init__(self, *, scale: float = 1.0):
    ...         super().__init__()
    ...         self.register_buffer("depths", torch.empty(0))
    ...     def prepare(self, sample):
    ...         return {"depth": torch.tensor(sample.xyz.xyz[..., 2].mean())}
    ...     def stages(self):
    ...         yield Visit("depths", self.see)
    ...     def see(self, batch):
    ...         self.depths = torch.cat([self.depths, batch["depth"]])
    ...     def map(self, sample):
    ...         error = abs(self.prepare(sample)["depth"] - self.depths.mean()) * self.config["scale"]
    ...         return AnomalyMap(np.full(sample.shape, float(error), np.float32))
    >>> scan = Sample(xyz=XYZImage(np.ones((4, 5, 3), np.float32)))
    >>> detector = MeanDepth(scale=3.0).fit([scan, scan])
    >>> detector.score(scan).pixels.shape, detector.config, len(detector.depths)
    ((4, 5), {'scale': 3.0}, 2)
    """

    supervised: ClassVar[bool] = False
    prepared_on_disk: ClassVar[bool] = True
    watch: Callable[[str, int], object] | None = None
    warns_of_each: bool = False
    copies: int = 0
    resolved: Mapping[str, Any] = MappingProxyType({})
    config: dict[str, Any]
    fitted: Tensor
    _free: dict[str, tuple[int, ...]]

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Make the constructor remember its keywords."""
        super().__init_subclass__(**keywords)
        construct = cls.__init__

        @wraps(construct)
        def remembering(self: Detector, **keywords: Any) -> None:
            # Plain numbers, lists and texts: what comes back from JSON and from a checkpoint.
            keywords = {name: _check.plain(value) for name, value in keywords.items()}
            if type(self) is cls:
                _check.kinds(construct, keywords)
            with torch.inference_mode(False), float32_by_default():  # what is made in that mode can never be learnt
                construct(self, **keywords)
            if type(self) is cls:  # not while a subclass is still constructing
                bound = signature(construct).bind(self, **keywords)
                bound.apply_defaults()
                given = {name: value for name, value in bound.arguments.items() if name != "self"}
                self.config = {**given, **self.resolved}
                self._free = free_shapes(self)

        cls.__init__ = remembering  # type: ignore[method-assign]

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        self._told, self._lengths = set[str](), Lengths()

    @classmethod
    def tiny(cls) -> dict[str, Any]:
        """Return keywords under which fit and score of eight small samples take under 10 s."""
        return {}

    def prepare(self, sample: Sample) -> Batch:
        """Return a sample as tensors on the CPU; pure, and the same for training and scoring."""
        raise NotImplementedError(f"{type(self).__name__} has no prepare(sample)")

    def augment(self, samples: Sequence[Sample], seed: int) -> Sequence[Sample]:
        """Return what to learn from: the samples, or `copies` of each, turned on their table."""
        return Rotated(samples, copies=self.copies, seed=seed, memory=0) if self.copies else samples

    def stages(self) -> Iterator[Stage]:
        """Yield what training consists of."""
        raise NotImplementedError(f"{type(self).__name__} has no stages()")

    def map(self, sample: Sample) -> AnomalyMap:
        """Return the anomaly map of a sample; called in evaluation mode, without gradients."""
        raise NotImplementedError(f"{type(self).__name__} has no map(sample)")

    def fit(
        self, samples: Sequence[Sample], *, validation: Sequence[Sample] | None = None, trainer: Trainer | None = None
    ) -> Self:
        """Learn from good samples, from scratch: what was learnt before is forgotten.

        Raises ValueError for no samples, TypeError for what are none. The trainer's seed also decides the initial
        weights.
        """
        _check_samples(f"{type(self).__name__} learns from", samples)
        if not len(samples):
            raise ValueError(f"{type(self).__name__} needs at least one good sample to fit, got none")
        if validation is not None:
            _check_samples("validation must be", validation)
        if not isinstance(trainer, Trainer | None):
            raise TypeError(f'trainer must be a Trainer, such as Trainer(device="cpu"), got {trainer!r}')
        trainer = trainer if trainer is not None else Trainer()
        self._start_afresh(trainer.seed)
        with float32_by_default():
            trainer.run(self, self.augment(samples, trainer.seed), validation)
        self.fitted.fill_(True)
        return self

    def score(self, sample: Sample) -> AnomalyMap:
        """Return the anomaly map of one sample, of its native size.

        Raises NotFittedError before `fit`, TypeError for a detector in halves.
        """
        _check_sample(sample)
        self.check_fitted()
        for name, tensor in self.state_dict().items():
            if tensor.dtype in (torch.float16, torch.bfloat16):
                raise TypeError(f"{type(self).__name__} scores in float32, got {name} in {tensor.dtype}: load it again")
        self.eval()
        kind = self.device.type
        # Inference tensors count no changes: of an index nothing would be kept.
        with torch.no_grad(), torch.autocast(kind, enabled=False), float32_by_default():
            result = self.map(sample)
        if result.pixels.shape != sample.shape:
            raise ValueError(f"{type(self).__name__} must map {sample.shape} pixels, got {result.pixels.shape}")
        return result

    def check_fitted(self) -> None:
        """Raise NotFittedError unless something was learnt or loaded."""
        if not self.fitted:
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit(samples), or load a fitted state")

    @property
    def device(self) -> torch.device:
        """Where the detector's state lies, and the tensors of `map` must go."""
        return self.fitted.device

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a state, buffers whose size depends on the data included.

        Raises ValueError that names the first that is of another shape, or, if `strict`, is missing or unknown.
        """
        if strict and (reason := state_mismatch(self, state_dict, self._free)):
            raise ValueError(f"the state is of another {type(self).__name__}: {reason}")
        resize_buffers(self, state_dict, self._free)
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def warn_once(self, about: str, place: str, message: str) -> None:
        """Warn of something about the first sample since the last training that has it, which is called `place`.

        With `warns_of_each` about every sample that has it.
        """
        if self.warns_of_each or about not in self._told:
            self._told.add(about)
            told = f"{place} {message}{'' if self.warns_of_each else '; said of the first such sample only'}"
            warnings.warn(told, OddScan, stacklevel=4)  # in `map`: where score was called

    def compare_unit(self, batch: Batch, length: float, what: str) -> None:
        """Warn if a length of a training scan says that it is in another unit than those before it.

        `what` it has, with {} for the number: "neighbours {} apart". A stage calls this once a scan.
        """
        if (odd := self._lengths.see(length, what)) is not None:
            self.warn_of_training("unit", batch, odd)

    def warn_of_training(self, about: str, batch: Batch, message: str) -> None:
        """Warn as `warn_once` of the scan that a stage visits, by its number, and not that of its turned copy."""
        number = int(batch["sample"][0]) // (self.copies or 1)
        self.warn_once(about, f"training scan {number} (from 0)", message)

    def _start_afresh(self, seed: int) -> None:
        """Take the state of a newly constructed detector."""
        self._told, self._lengths = set(), Lengths()
        with own_randomness():
            seed_torch(seed_of(seed, "start"))
            fresh = type(self)(**self.config)
        self.load_state_dict(fresh.state_dict())


def _check_samples(told: str, samples: Any) -> None:
    """Raise TypeError, which `told` begins, for what is no sequence of samples."""
    if isinstance(samples, str | Path | Sample) or not hasattr(samples, "__len__") or hasattr(samples, "dtype"):
        raise TypeError(f"{told} a sequence of samples, such as a dataset, got {type(samples).__name__}")
    if isinstance(samples, list | tuple):
        for sample in samples:
            _check_sample(sample)


def _check_sample(sample: Any) -> None:
    _check.instance("a sample", sample, Sample, "Sample(xyz=XYZImage(array))")
