"""Every registered detector passes every check; each broken one is caught by the check that is meant for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from geoad.checks import CHECKS, Case, CheckError, check_detector, synthetic_scan
from geoad.detectors import DETECTORS, detector_class, make_detector
from geoad.detectors.base import Detector
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import AnomalyMap, Sample
from geoad.training.stage import Batch, Stage, Visit

PRESENT = [name for name, place in DETECTORS.items() if find_spec(place.partition(":")[0])]


@pytest.fixture(scope="module", params=PRESENT)
def case(request: pytest.FixtureRequest) -> Case:
    """One detector a module, so that its checks share a fit."""
    name = request.param
    return Case(lambda: make_detector(name, **detector_class(name).tiny()))


@pytest.mark.parametrize("name", CHECKS)
def test_every_registered_detector_passes(case: Case, name: str) -> None:
    with torch.random.fork_rng([]):
        CHECKS[name](case)


def test_what_torchs_default_dtype_is_changes_no_map(case: Case) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        maps = case.maps(case.fit(case.train))
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    for found, expected in zip(maps, case.maps(case.fitted), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_colours_pass_too() -> None:
    check_detector(lambda: make_detector("voxel-vm", resolution=16, source="xyz+rgb"))


COLOURS = {
    "voxel-ae": "xyz+rgb",
    "voxel-vae": "xyz+rgb",
    "voxel-fanogan": "xyz+rgb",
    "depth-ae": "depth+rgb",
    "depth-fanogan": "depth+rgb",
    "depth-vm": "depth+rgb",
}
FEW = ("maps_are_finite_and_native", "invalid_pixels_are_scored", "all_state_is_in_state_dict",
       "prepare_serves_training_and_scoring", "samples_are_not_changed",
       "fit_and_score_leave_torchs_randomness")  # fmt: skip


def coloured(name: str, **keywords: Any) -> Callable[[], Detector]:
    return lambda: make_detector(name, **{**detector_class(name).tiny(), "source": COLOURS[name], **keywords})


@pytest.mark.parametrize("name", COLOURS)
def test_methods_of_colours_pass_the_checks_that_need_little_training(name: str) -> None:
    check_detector(coloured(name, **({} if name == "depth-vm" else {"steps": 2, "width": 2})), FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", COLOURS)
def test_methods_of_colours_pass_every_check(name: str) -> None:
    check_detector(coloured(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in COLOURS if name != "depth-vm"])
def test_methods_that_learn_from_copies_pass_every_check(name: str) -> None:
    check_detector(coloured(name, copies=2), [check for check in CHECKS if check != "defects_score_higher"])


@pytest.mark.parametrize("name", ["depth-ae", "voxel-ae"])
def test_copies_carry_no_ground_truth(name: str) -> None:
    check_detector(coloured(name, copies=2, steps=2, width=2), ["ground_truth_is_never_read"])


class Good(Detector):
    """Deviation of the depth at each pixel from a bank of good depths: correct, and the ground to break."""

    def __init__(self, *, floor: float = 1e-4) -> None:
        super().__init__()
        self.register_buffer("depths", torch.empty(0, 0, 0))

    def prepare(self, sample: Sample) -> dict[str, Tensor]:
        assert sample.xyz is not None
        depth = np.where(sample.xyz.valid, sample.xyz.xyz[..., 2], 0)
        return {"depth": torch.from_numpy(depth)}

    def stages(self) -> Iterator[Stage]:
        yield Visit("bank", self.see)

    def see(self, batch: Batch) -> None:
        self.depths = torch.cat([self.depths, batch["depth"]]) if self.depths.numel() else batch["depth"]

    def map(self, sample: Sample) -> AnomalyMap:
        depth = self.prepare(sample)["depth"]
        height, width = (min(a, b) for a, b in zip(depth.shape, self.depths.shape[1:], strict=True))
        known = self.depths[:, :height, :width]
        pixels = torch.zeros(depth.shape)
        pixels[:height, :width] = (depth[:height, :width] - known.median(0).values).abs() / self.config["floor"]
        return AnomalyMap(pixels.numpy())


def test_a_correct_detector_of_a_third_party_passes() -> None:
    check_detector(Good)


class FitsToNone(Good):
    def fit(self, *arguments: Any, **keywords: Any) -> Any:
        super().fit(*arguments, **keywords)


class ScoresUnfitted(Good):
    def score(self, sample: Sample) -> AnomalyMap:
        return AnomalyMap(np.zeros(sample.shape, np.float32))


class SwallowsKeywords(Good):
    def __init__(self, *, floor: float = 1e-4, **rest: Any) -> None:
        super().__init__(floor=floor)


class KeepsAFunctionInItsConfig(Good):
    def __init__(self, *, floor: Any = abs) -> None:
        super().__init__(floor=1e-4)


class FitsOnNothing(Good):
    def fit(self, samples: Any, **keywords: Any) -> Any:
        return super().fit(samples, **keywords) if len(samples) else self


class PeeksAtTheMask(Good):
    def map(self, sample: Sample) -> AnomalyMap:
        found = super().map(sample)
        return found if sample.mask is None else AnomalyMap(found.pixels + sample.mask)


class PeeksAtLabels(Good):
    def prepare(self, sample: Sample) -> dict[str, Tensor]:
        return super().prepare(sample) if sample.label != 1 else {"depth": torch.ones(sample.shape)}


class CentresInPlace(Good):
    def prepare(self, sample: Sample) -> dict[str, Tensor]:
        assert sample.xyz is not None
        sample.xyz.xyz[..., 2] -= 0.1
        return super().prepare(sample)


class SeedsGlobally(Good):
    def map(self, sample: Sample) -> AnomalyMap:
        torch.manual_seed(0)
        return super().map(sample)


class ScoresInHalfSize(Good):
    def score(self, sample: Sample) -> AnomalyMap:
        return AnomalyMap(super().score(sample).pixels[::2, ::2])


class ChokesOnInvalidPixels(Good):
    def map(self, sample: Sample) -> AnomalyMap:
        assert sample.xyz is not None
        if np.isinf(sample.xyz.xyz).any():
            raise ZeroDivisionError("inf")
        return super().map(sample)


class LearnsWhileScoring(Good):
    def map(self, sample: Sample) -> AnomalyMap:
        if self.depths.shape[1:] == sample.shape:
            self.see({"depth": self.prepare(sample)["depth"][None]})
        return super().map(sample)


class PreparesOtherwiseWhenScoring(Good):
    def prepare(self, sample: Sample) -> dict[str, Tensor]:
        prepared = super().prepare(sample)
        return (
            prepared
            if self.training
            else {"depth": prepared["depth"].repeat_interleave(2, 0)[: len(prepared["depth"])]}
        )


class ScoresOnAPathOfItsOwn(Good):
    def map(self, sample: Sample) -> AnomalyMap:
        return AnomalyMap(np.full(sample.shape, float(self.depths.mean()), np.float32))


class DrawsFromNumpysGlobal(Good):
    def see(self, batch: Batch) -> None:
        super().see({"depth": batch["depth"] + float(np.random.random())})  # noqa: NPY002


class HidesState(Good):
    def see(self, batch: Batch) -> None:
        super().see(batch)
        self.offset = 1.0

    def map(self, sample: Sample) -> AnomalyMap:
        return AnomalyMap(super().map(sample).pixels + getattr(self, "offset", 0.0))


class HoldsALambda(Good):
    def see(self, batch: Batch) -> None:
        super().see(batch)
        self.hook = lambda pixels: pixels


class NeverForgets(Good):
    def _start_afresh(self, seed: int) -> None:
        pass


class PrefersDefects(Good):
    def map(self, sample: Sample) -> AnomalyMap:
        return AnomalyMap(-super().map(sample).pixels)


BROKEN: dict[Callable[[], Detector], str] = {
    FitsToNone: "fit_returns_self",
    ScoresUnfitted: "unfitted_score_raises",
    SwallowsKeywords: "unknown_keyword_raises",
    KeepsAFunctionInItsConfig: "config_makes_the_same_detector",
    FitsOnNothing: "no_samples_raise",
    PeeksAtTheMask: "ground_truth_is_never_read",
    PeeksAtLabels: "ground_truth_is_never_read",
    CentresInPlace: "samples_are_not_changed",
    SeedsGlobally: "fit_and_score_leave_torchs_randomness",
    ScoresInHalfSize: "maps_are_finite_and_native",
    ChokesOnInvalidPixels: "invalid_pixels_are_scored",
    LearnsWhileScoring: "scoring_changes_nothing",
    PreparesOtherwiseWhenScoring: "prepare_serves_training_and_scoring",
    ScoresOnAPathOfItsOwn: "prepare_serves_training_and_scoring",
    DrawsFromNumpysGlobal: "same_seed_same_map",
    HidesState: "all_state_is_in_state_dict",
    HoldsALambda: "copies_are_equal",
    NeverForgets: "refit_starts_afresh",
    PrefersDefects: "defects_score_higher",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_detector_is_caught_by_the_check_meant_for_it(broken: Callable[[], Detector]) -> None:
    with pytest.raises(CheckError, match=f"^{BROKEN[broken]}: "):
        check_detector(broken)


def test_every_check_catches_something() -> None:
    assert set(BROKEN.values()) == CHECKS.keys()


class DrawsWeights(Good):
    def __init__(self, *, floor: float = 1e-4) -> None:
        super().__init__(floor=floor)
        torch.rand(3)


def test_a_check_alone_is_not_broken_by_the_detectors_it_makes_itself() -> None:
    for name in CHECKS:
        check_detector(DrawsWeights, [name])


class Supervised(Good):
    supervised = True

    def prepare(self, sample: Sample) -> dict[str, Tensor]:
        assert sample.label in (0, 1)
        return super().prepare(sample)


def test_a_supervised_detector_gets_defects_and_may_read_the_mask() -> None:
    case = Case(Supervised)
    assert [sample.label for sample in case.train] == [0, 1] * 4
    assert all(sample.mask is not None and sample.mask.any() == sample.label for sample in case.train)
    check_detector(Supervised, ["ground_truth_is_never_read"])


def test_synthetic_scans_are_seeded_native_and_marked() -> None:
    one, two, other = synthetic_scan(3), synthetic_scan(3), synthetic_scan(4)
    assert one.xyz is not None and two.xyz is not None and other.xyz is not None
    assert one.xyz.xyz.tobytes() == two.xyz.xyz.tobytes() != other.xyz.xyz.tobytes()
    bad = synthetic_scan(3, defect=True, size=(28, 36))
    assert bad.xyz is not None and bad.mask is not None and bad.camera is not None and bad.shape == (28, 36)
    rows, columns = np.nonzero(bad.mask & bad.xyz.valid)
    seen = bad.camera.project(bad.xyz.xyz[rows, columns])
    assert np.abs(seen - np.stack([columns, rows], -1)).max() < 1e-2


def test_the_shown_train_samples_hold_no_mask() -> None:
    assert all(sample.mask is None for sample in Case(Good).train)
    assert isinstance(replace(synthetic_scan(0), mask=None).xyz, XYZImage)


def test_an_unknown_check_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown check 'fit_returns'.*did you mean 'fit_returns_self'"):
        check_detector(lambda: make_detector("depth-vm"), ["fit_returns"])
