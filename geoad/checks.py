"""What every detector must do, as checks that anybody can run on theirs."""

from __future__ import annotations

import copy
import io
import json
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoad import _check
from geoad.detectors.base import Detector, NotFittedError
from geoad.geometry.camera import Camera
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import AnomalyMap, Sample
from geoad.training.seed import own_randomness
from geoad.training.trainer import Trainer

TRUTH = ("mask", "label", "kind")
SIZE, OTHER_SIZE = (32, 40), (28, 36)
DISTANCE, FOCAL = 0.5, 500.0  # a pixel is 1 mm wide


class CheckError(AssertionError):
    """A detector broke a rule; the message begins with the check's name.

    >>> raise CheckError("same_seed_same_map: the maps differ")
    Traceback (most recent call last):
    geoad.checks.CheckError: same_seed_same_map: the maps differ
    """


def synthetic_scan(seed: int, *, defect: bool = False, size: tuple[int, int] = SIZE) -> Sample:
    """Return an organised scan of a bumpy surface, aligned like all others, with noise and invalid pixels.

    A defect is a boss 5 mm high; its pixels are the mask.

    >>> scan = synthetic_scan(0, defect=True)
    >>> scan.shape, int(scan.mask.sum()), bool(scan.xyz.valid.all())
    ((32, 40), 50, False)
    """
    rng = np.random.default_rng(seed)
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    relief = 0.004 * np.cos(rows / 4) * np.cos(columns / 5) * rng.uniform(0.95, 1.05)
    centre = rng.uniform((9, 9), (height - 9, width - 9))
    squared = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    mask = defect & (squared <= 16)
    depth = DISTANCE - relief - 0.005 * mask + rng.normal(0, 2e-5, size)
    camera = Camera.pinhole(FOCAL, size)
    xyz = camera.rays(np.stack([columns, rows], -1).reshape(-1, 2)).reshape(height, width, 3) * depth[..., None]
    xyz[(rng.random(size) < 0.02) & ~mask] = 0
    xyz[:2, :3] = np.nan
    slope = np.gradient(relief + 0.005 * mask, axis=1) * 1000
    shade = np.clip(128 + 20 * slope + rng.normal(0, 2, size), 0, 255).astype(np.uint8)
    return Sample(
        xyz=XYZImage(xyz.astype(np.float32)),
        rgb=np.repeat(shade[..., None], 3, axis=2),
        mask=mask,
        label=int(defect),
        kind="boss" if defect else "good",
        camera=camera,
        name=f"synthetic/{seed:03d}",
    )


class Blindfolded(Sample):
    """A sample that raises when its ground truth is read.

    >>> Blindfolded.of(synthetic_scan(0)).mask
    Traceback (most recent call last):
    geoad.checks.CheckError: the detector read sample.mask
    """

    @classmethod
    def of(cls, sample: Sample) -> Blindfolded:
        """Return the same sample with its ground truth out of reach."""
        return cls(**{field.name: getattr(sample, field.name) for field in fields(Sample)})

    def __getattribute__(self, name: str) -> Any:
        if name in TRUTH and object.__getattribute__(self, "__dict__").get("closed"):
            raise CheckError(f"the detector read sample.{name}")
        return object.__getattribute__(self, name)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "closed", True)


@dataclass(frozen=True)
class Case:
    """One detector under test: how to make it, what to show it, and one that is fitted already.

    >>> from geoad.detectors import make_detector
    >>> case = Case(lambda: make_detector("voxel-vm", resolution=16))
    >>> len(case.train), case.fitted.score(case.good[0]).pixels.shape
    (8, (32, 40))
    """

    factory: Callable[[], Detector]

    @cached_property
    def train(self) -> list[Sample]:
        """Eight good samples; for a supervised method half of them have defects."""
        supervised = self.factory().supervised
        samples = [synthetic_scan(seed, defect=supervised and seed % 2 == 1) for seed in range(8)]
        return samples if supervised else [replace(sample, mask=None) for sample in samples]

    @cached_property
    def good(self) -> list[Sample]:
        """Three good samples that were not trained on."""
        return [synthetic_scan(seed) for seed in range(100, 103)]

    @cached_property
    def bad(self) -> list[Sample]:
        """Three samples with a planted defect."""
        return [synthetic_scan(seed, defect=True) for seed in range(200, 203)]

    @cached_property
    def fitted(self) -> Detector:
        """A detector fitted to `train`; nobody may change it."""
        return self.fit(self.train)

    def fit(self, samples: Sequence[Sample]) -> Detector:
        """Return a new detector fitted to `samples` on the CPU."""
        detector = self.factory()
        _fit(detector, samples)
        return detector

    def maps(self, detector: Detector) -> list[NDArray[np.float32]]:
        """Return the maps of a good and a bad sample."""
        return [detector.score(sample).pixels for sample in (self.good[0], self.bad[0])]


def _fit(detector: Detector, samples: Sequence[Sample]) -> Detector:
    """Fit on the CPU, where the same seed gives the same bits."""
    return detector.fit(samples, trainer=Trainer(device="cpu"))


def _expect(truth: bool, message: str) -> None:
    if not truth:
        raise CheckError(message)


def _expect_same(ones: Sequence[NDArray[Any]], twos: Sequence[NDArray[Any]], message: str) -> None:
    _expect(all(np.array_equal(one, two) for one, two in zip(ones, twos, strict=True)), message)


@contextmanager
def _expect_raises(error: type[Exception], what: str) -> Iterator[None]:
    try:
        yield
    except error:
        return
    except Exception as other:
        raise CheckError(f"{what} must raise {error.__name__}, got {type(other).__name__}: {other}") from other
    raise CheckError(f"{what} must raise {error.__name__}")


def _unfitted_score_raises(case: Case) -> None:
    detector = case.factory()
    with _expect_raises(NotFittedError, "score before fit"):
        detector.score(case.good[0])


def _unknown_keyword_raises(case: Case) -> None:
    detector = case.factory()
    with _expect_raises(TypeError, "an unknown keyword"):
        type(detector)(**detector.config, no_such_keyword=1)  # type: ignore[call-arg]


def _config_makes_the_same_detector(case: Case) -> None:
    detector = case.factory()
    config = json.loads(json.dumps(detector.config))
    again = type(detector)(**config)
    _expect(json.loads(json.dumps(again.config)) == config, "config must hold the constructor's keywords, as JSON")
    shapes, others = ({n: t.shape for n, t in d.state_dict().items()} for d in (detector, again))
    _expect(shapes == others, "a detector made from config has a state of other shapes")


def _no_samples_raise(case: Case) -> None:
    detector = case.factory()
    with _expect_raises(ValueError, "fit without samples"):
        _fit(detector, [])


def _ground_truth_is_never_read(case: Case) -> None:
    if case.factory().supervised:
        return
    detector = case.fit([Blindfolded.of(sample) for sample in case.train[:3]])
    detector.score(Blindfolded.of(case.bad[0]))


def _samples_are_not_changed(case: Case) -> None:
    samples = [case.train[0], case.train[1], case.bad[0]]
    kept = copy.deepcopy(samples)
    case.fit(samples[:2]).score(samples[2])
    for now, then in zip(samples, kept, strict=True):
        for array, old in zip(_arrays(now), _arrays(then), strict=True):
            _expect(array.tobytes() == old.tobytes(), "fit and score must not write into a sample")


def _arrays(sample: Sample) -> list[NDArray[Any]]:
    found = [sample.xyz.xyz if sample.xyz is not None else None, sample.rgb, sample.mask]
    return [array for array in found if array is not None]


def _fit_returns_self(case: Case) -> None:
    detector = case.factory()
    _expect(_fit(detector, case.train[:2]) is detector, "fit must return the detector itself")


def _fit_and_score_leave_torchs_randomness(case: Case) -> None:
    detector, train = case.factory(), case.train[:2]  # to make a detector draws its weights
    before = torch.random.get_rng_state()
    _fit(detector, train)
    detector.score(case.good[0])
    _expect(torch.equal(before, torch.random.get_rng_state()), "torch's global generator was left changed")


def _maps_are_finite_and_native(case: Case) -> None:
    for sample in (case.good[0], case.bad[0], synthetic_scan(7, size=OTHER_SIZE)):
        found = case.fitted.score(sample)
        _expect(isinstance(found, AnomalyMap), f"score must return an AnomalyMap, got {type(found).__name__}")
        _expect(found.pixels.dtype == np.float32, f"a map must be float32, got {found.pixels.dtype}")
        _expect(found.pixels.shape == sample.shape, f"a map must be {sample.shape}, got {found.pixels.shape}")
        _expect(bool(np.isfinite(found.pixels).all()), "a map must be finite")
        _expect(isinstance(found.score, float) and isfinite(found.score), f"score must be finite, got {found.score}")


def _invalid_pixels_are_scored(case: Case) -> None:
    scan = case.good[0]
    assert scan.xyz is not None
    xyz = scan.xyz.xyz.copy()
    xyz[5:20, 8:20], xyz[22, 5], xyz[23, 5] = 0, np.nan, np.inf
    found = case.fitted.score(replace(scan, xyz=XYZImage(xyz)))
    _expect(bool(np.isfinite(found.pixels).all()), "invalid pixels must get a finite score")


def _same_seed_same_map(case: Case) -> None:
    torch.default_generator.manual_seed(20)  # another state of the global generator than at the first fit
    _expect_same(case.maps(case.fitted), case.maps(case.fit(case.train)), "two fits with one seed give other maps")


def _scoring_changes_nothing(case: Case) -> None:
    before = {name: tensor.clone() for name, tensor in case.fitted.state_dict().items()}
    first, second = case.maps(case.fitted), case.maps(case.fitted)
    _expect_same(first, second, "the same sample scores otherwise the second time")
    _expect(_same_state(before, case.fitted.state_dict()), "score changed the state")


def _same_state(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(one[name].numpy().tobytes() == two[name].numpy().tobytes() for name in one)


def _prepare_serves_training_and_scoring(case: Case) -> None:
    sample, detector, seen = case.good[0], copy.deepcopy(case.fitted), []
    prepare = detector.prepare
    trained = case.factory().train().prepare(sample)

    def recording(sample: Sample) -> dict[str, Tensor]:
        seen.append(prepare(sample))
        return seen[-1]

    detector.prepare = recording  # type: ignore[method-assign]
    detector.score(sample)
    _expect(bool(seen), "score must see a sample through prepare, as training does")
    for prepared in seen:
        shapes, others = ({n: tuple(t.shape) for n, t in p.items()} for p in (trained, prepared))
        _expect(shapes == others, f"prepare must sample alike for training and scoring: {shapes}, {others}")
        _expect(_same_state(trained, prepared), "prepare must not depend on what was learnt, or on the mode")


def _all_state_is_in_state_dict(case: Case) -> None:
    file = io.BytesIO()
    torch.save(case.fitted.state_dict(), file)
    file.seek(0)
    detector = case.factory()
    detector.load_state_dict(torch.load(file, weights_only=True))
    _expect_same(case.maps(case.fitted), case.maps(detector), "a new detector with the saved state maps otherwise")


def _copies_are_equal(case: Case) -> None:
    maps = case.maps(case.fitted)
    _expect_same(maps, case.maps(copy.deepcopy(case.fitted)), "a deep copy maps otherwise")
    _expect_same(maps, case.maps(pickle.loads(pickle.dumps(case.fitted))), "an unpickled detector maps otherwise")


def _refit_starts_afresh(case: Case) -> None:
    other = [synthetic_scan(seed, defect=True) for seed in range(300, 303)]
    detector = case.fit(other if case.factory().supervised else [replace(s, mask=None, label=0) for s in other])
    _fit(detector, case.train)
    _expect_same(case.maps(case.fitted), case.maps(detector), "a second fit remembers the first")


def _defects_score_higher(case: Case) -> None:
    higher, lower = [], []
    for bad in case.bad:
        assert bad.mask is not None
        higher.append(case.fitted.score(bad).pixels[bad.mask])
        for good in case.good:
            assert good.xyz is not None
            lower.append(case.fitted.score(good).pixels[bad.mask & good.xyz.valid])
    there, here = float(np.concatenate(higher).mean()), float(np.concatenate(lower).mean())
    _expect(
        there > here, f"planted defects must score higher than good parts at that place, got {there:.4g}, {here:.4g}"
    )


CHECKS: dict[str, Callable[[Case], None]] = {
    check.__name__.removeprefix("_"): check
    for check in (
        _unfitted_score_raises,
        _unknown_keyword_raises,
        _config_makes_the_same_detector,
        _no_samples_raise,
        _fit_returns_self,
        _ground_truth_is_never_read,
        _samples_are_not_changed,
        _fit_and_score_leave_torchs_randomness,
        _maps_are_finite_and_native,
        _invalid_pixels_are_scored,
        _scoring_changes_nothing,
        _prepare_serves_training_and_scoring,
        _same_seed_same_map,
        _all_state_is_in_state_dict,
        _copies_are_equal,
        _refit_starts_afresh,
        _defects_score_higher,
    )
}


def check_detector(factory: Callable[[], Detector], checks: Sequence[str] | None = None) -> None:
    """Run `checks` (default: all of CHECKS) on detectors that `factory()` makes; raise CheckError for the first broken.

    An error that the detector itself raises is reported the same way, with the check's name. The whole set fits about
    seven times: give keywords as in `tiny()`.

    >>> from geoad.detectors import make_detector
    >>> check_detector(lambda: make_detector("voxel-vm", resolution=16), ["fit_returns_self"])
    """
    case, names = Case(factory), list(CHECKS) if checks is None else checks
    for name in names:
        _check.one_of("check", name, CHECKS)
    for name in names:
        try:
            with own_randomness():
                CHECKS[name](case)
        except Exception as error:
            detail = str(error) if isinstance(error, CheckError) else f"{type(error).__name__}: {error}"
            raise CheckError(f"{name}: {detail}") from error
