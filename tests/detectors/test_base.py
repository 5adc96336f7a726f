"""Config, fit, score and state, for any method."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from geoad.checks import synthetic_scan
from geoad.descriptors import Teacher
from geoad.detectors import detector_class, make_detector
from geoad.detectors.base import Detector, NotFittedError
from geoad.nn.local_features import LocalFeatures
from geoad.sample import AnomalyMap, Sample
from geoad.training.stage import Batch, Descend, Stage, Update, Visit
from geoad.training.trainer import Trainer

SCANS = [synthetic_scan(seed) for seed in range(4)]


class Bank(Detector):
    """A learnt line over depth, and a bank of its values: initial weights and a buffer of the data's size."""

    def __init__(self, *, width: int = 3, lr: float = 1e-3) -> None:
        super().__init__()
        self.lr = lr
        self.line = nn.Linear(1, width)
        self.register_buffer("bank", torch.empty(0, width))

    def prepare(self, sample: Sample) -> dict[str, Tensor]:
        assert sample.xyz is not None
        return {"depth": torch.from_numpy(sample.xyz.xyz[..., 2][sample.xyz.valid].mean(keepdims=True))}

    def stages(self) -> Iterator[Stage]:
        yield Descend("line", [Update(self.line, self.loss, lambda p: torch.optim.SGD(p, self.lr))], epochs=1)
        yield Visit("bank", self.see)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"total": self.line(batch["depth"]).square().mean()}

    def see(self, batch: Batch) -> None:
        self.bank = torch.cat([self.bank, self.line(batch["depth"])])

    def map(self, sample: Sample) -> AnomalyMap:
        assert not torch.is_grad_enabled() and not self.training
        nearest = torch.cdist(self.line(self.prepare(sample)["depth"])[None], self.bank).min()
        return AnomalyMap(np.full(sample.shape, float(nearest), np.float32))


class Wide(Bank):
    """A subclass that fixes its parent's keyword and adds its own."""

    def __init__(self, *, extra: float, lr: float = 0.5) -> None:
        super().__init__(width=7, lr=lr)


class Plain(Bank):
    """A subclass without a constructor."""


def test_config_is_the_resolved_keywords_of_the_class_itself() -> None:
    assert Bank(lr=0.1).config == {"width": 3, "lr": 0.1}
    assert Wide(extra=2.0).config == {"extra": 2.0, "lr": 0.5}
    assert Plain(width=5).config == {"width": 5, "lr": 1e-3}


@pytest.mark.parametrize("wrong", [lambda: Bank(depth=3), lambda: Bank(3), lambda: Wide()])  # type: ignore[call-arg,misc]
def test_a_keyword_that_is_unknown_nameless_or_lacking_is_a_type_error(wrong: type[Bank]) -> None:
    with pytest.raises(TypeError):
        wrong()


def test_score_before_fit_is_refused() -> None:
    with pytest.raises(NotFittedError, match="Bank is not fitted"):
        Bank().score(SCANS[0])


def test_a_failed_fit_leaves_an_unfitted_detector() -> None:
    detector = Bank().fit(SCANS)
    detector.loss = lambda batch: {"total": batch["depth"].sum() * torch.nan}  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="is nan at step 1"):
        detector.fit(SCANS)
    with pytest.raises(NotFittedError):
        detector.score(SCANS[0])


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one good sample"):
        Bank().fit([])


def test_the_seed_decides_initial_weights_too() -> None:
    torch.manual_seed(1)
    one = Bank().fit(SCANS, trainer=Trainer(seed=5, device="cpu"))
    torch.manual_seed(2)
    two = Bank().fit(SCANS, trainer=Trainer(seed=5, device="cpu"))
    three = Bank().fit(SCANS, trainer=Trainer(seed=6, device="cpu"))
    assert torch.equal(one.line.weight, two.line.weight) and torch.equal(one.bank, two.bank)
    assert not torch.equal(one.line.weight, three.line.weight)


def test_making_and_fitting_leave_torchs_generator() -> None:
    detector = Bank()
    before = torch.random.get_rng_state()
    detector.fit(SCANS)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_second_fit_starts_afresh() -> None:
    once = Bank().fit(SCANS)
    twice = Bank().fit(SCANS[:2]).fit(SCANS)
    assert torch.equal(once.line.weight, twice.line.weight) and torch.equal(once.bank, twice.bank)


def test_a_state_of_another_length_loads_and_one_of_another_width_does_not() -> None:
    small, large = Bank().fit(SCANS[:2]), Bank().fit(SCANS)
    for target in (Bank(), small):
        target.load_state_dict(large.state_dict())
        assert target.score(SCANS[1]).score == large.score(SCANS[1]).score and len(target.bank) == 4
    with pytest.raises(ValueError, match=r"of another Bank: bank must have shape \(0, 4\), got \(4, 3\)"):
        Bank(width=4).load_state_dict(large.state_dict())


def test_a_map_of_another_size_is_an_error() -> None:
    class Small(Bank):
        def map(self, sample: Sample) -> AnomalyMap:
            return AnomalyMap(np.zeros((2, 2), np.float32))

    with pytest.raises(ValueError, match=r"must map \(32, 40\) pixels, got \(2, 2\)"):
        Small().fit(SCANS).score(SCANS[0])


def test_validation_reaches_the_trainer(tmp_path: Path) -> None:
    class Choosing(Bank):
        def stages(self) -> Iterator[Stage]:
            for stage in super().stages():
                yield stage._replace(select="best") if isinstance(stage, Descend) else stage

    Choosing().fit(SCANS, validation=SCANS[:1], trainer=Trainer(device="cpu", log=tmp_path / "log"))
    assert '"validation": ' in (tmp_path / "log").read_text()


def test_fit_resumes_a_folder_that_holds_the_same_fit(tmp_path: Path) -> None:
    keywords = {"device": "cpu", "folder": tmp_path}
    first = Bank().fit(SCANS, trainer=Trainer(**keywords))  # type: ignore[arg-type]
    again = Bank().fit(SCANS, trainer=Trainer(**keywords))  # type: ignore[arg-type]
    assert torch.equal(first.bank, again.bank) and bool(again.fitted)
    with pytest.raises(ValueError, match="move it away to start afresh"):
        Bank(width=5).fit(SCANS, trainer=Trainer(**keywords))  # type: ignore[arg-type]


def test_what_is_no_sample_is_said() -> None:
    array = np.ones((4, 5, 3), np.float32)
    with pytest.raises(TypeError, match=r"a sample must be a Sample, such as Sample\(xyz=.*, got ndarray"):
        Bank().fit([array])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"a sample must be a Sample, .*, got str"):
        Bank().score("scan.tiff")  # type: ignore[arg-type]


def test_keywords_are_held_against_their_annotations() -> None:
    class Odd(Bank):
        def __init__(self, *, rate: float = 1, name: str | None = None, some: list[int] | None = None) -> None:
            super().__init__()

    Odd(rate=2, name=None, some=(1,))  # type: ignore[arg-type]
    for keywords, message in (
        ({"rate": "1"}, "rate must be a number, got '1'"),
        ({"rate": True}, "rate must be a number, got True"),
        ({"name": 3}, "name must be a text or None, got 3"),
    ):
        with pytest.raises(TypeError, match=message):
            Odd(**keywords)  # type: ignore[arg-type]


def test_what_an_author_left_out_is_named() -> None:
    class Nothing(Detector):
        def __init__(self) -> None:
            super().__init__()

    with pytest.raises(NotImplementedError, match="Nothing has no prepare"):
        Nothing().fit(SCANS)


@pytest.mark.parametrize("samples", ["scans", Path("scans")])
def test_a_folder_is_no_sequence_of_samples(samples):
    with pytest.raises(TypeError, match="learns from a sequence of samples, such as a dataset, got"):
        make_detector("voxel-vm").fit(samples)


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    """Also for the seed, and for a checkpoint, which holds none of numpy's."""
    scans = [synthetic_scan(seed) for seed in range(2)]
    keywords = {"points": np.int64(128), "k": np.array([4, 5]), "steps": np.int64(3), "learning_rate": np.float64(0.01)}

    def fit(seed: Any) -> Detector:
        detector = make_detector("3d-st", **keywords)
        trainer = Trainer(device="cpu", folder=tmp_path, seed=seed)
        return detector.fit(scans, trainer=trainer)

    one, again, plain = fit(np.arange(1)[0]), fit(np.int64(0)), fit(0)
    assert json.loads(json.dumps(one.config))["k"] == [4, 5]
    for other in (again, plain):
        assert np.array_equal(one.score(scans[0]).pixels, other.score(scans[0]).pixels)


def test_a_path_names_a_teacher(tmp_path: Path) -> None:
    Teacher(LocalFeatures(8, 1), k=4).save(tmp_path / "mine.safetensors")
    for name in ("3d-st", "feature-bank"):
        detector = make_detector(name, teacher=tmp_path / "mine.safetensors", points=64)
        assert detector.config["teacher"] == str(tmp_path / "mine.safetensors")


@pytest.mark.parametrize("keywords", [{"seed": "a"}, {"seed": 1.5}, {"devices": 1.0}, {"checkpoint_every": 2.5}])
def test_numbers_of_a_trainer_are_whole(keywords: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="must be a whole number"):
        Trainer(device="cpu", **keywords)


@pytest.mark.parametrize("samples", [np.ones((2, 4, 5, 3)), (synthetic_scan(0) for _ in range(2))])
def test_what_is_no_sequence_of_samples_leaves_what_was_learnt(samples: Any) -> None:
    scan = synthetic_scan(0)
    detector = make_detector("depth-vm").fit([scan])
    with pytest.raises(TypeError, match="learns from a sequence of samples"):
        detector.fit(samples)
    assert detector.score(scan).score == 0


@pytest.mark.parametrize("name", ["3d-st", "voxel-ae", "feature-bank"])
def test_an_autocast_around_it_changes_nothing(name: str) -> None:
    scans, tiny = [synthetic_scan(seed) for seed in range(2)], detector_class(name).tiny()
    keywords = {**tiny, **({"steps": 2} if "steps" in tiny else {})}
    expected = make_detector(name, **keywords).fit(scans).score(scans[0]).pixels
    with torch.autocast("cpu"):
        found = make_detector(name, **keywords).fit(scans).score(scans[0]).pixels
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", ["voxel-vm", "depth-vm", "3d-st"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_no_halves(name: str, dtype: torch.dtype) -> None:
    scans, tiny = [synthetic_scan(seed) for seed in range(2)], detector_class(name).tiny()
    detector = make_detector(name, **{**tiny, **({"steps": 2} if "steps" in tiny else {})}).fit(scans)
    with pytest.raises(TypeError, match=rf"scores in float32, got \S+ in {dtype}: load it again"):
        detector.to(dtype).score(scans[0])


def test_halves_are_of_the_weights_of_each_step_in_an_autocast_too() -> None:
    scans, tiny = [synthetic_scan(seed) for seed in range(2)], {**detector_class("depth-ae").tiny(), "steps": 4}
    trainer = Trainer(device="cpu", precision="bf16-mixed")
    expected = make_detector("depth-ae", **tiny).fit(scans, trainer=trainer).score(scans[0]).pixels
    with torch.autocast("cpu"):
        found = make_detector("depth-ae", **tiny).fit(scans, trainer=trainer).score(scans[0]).pixels
    assert np.array_equal(found, expected)


def test_it_learns_where_gradients_are_off() -> None:
    scans, keywords = [synthetic_scan(seed) for seed in range(2)], {"points": 64, "k": 4, "steps": 2}
    expected = make_detector("3d-st", **keywords).fit(scans).score(scans[0]).pixels
    for off in (torch.no_grad, torch.inference_mode):
        detector = make_detector("3d-st", **keywords)
        with off():
            assert np.array_equal(detector.fit(scans).score(scans[0]).pixels, expected)


def test_what_was_made_in_inference_mode_can_learn() -> None:
    with torch.inference_mode():
        detector = Bank()
    assert torch.equal(detector.fit(SCANS).bank, Bank().fit(SCANS).bank)


def test_fits_in_threads_do_not_draw_each_others_numbers() -> None:
    class Drawing(Bank):
        def loss(self, batch: Batch) -> dict[str, Tensor]:
            time.sleep(0.003)  # the other's turn
            return {"total": (self.line(batch["depth"]) - torch.rand(3)).square().mean()}

    def fit(detector: Bank) -> Tensor:
        return detector.fit(SCANS, trainer=Trainer(device="cpu")).bank

    alone = fit(Drawing())
    with ThreadPoolExecutor(2) as pool:
        for bank in pool.map(fit, [Drawing(), Drawing()]):
            assert torch.equal(bank, alone)


@pytest.mark.parametrize("validation", ["scans", iter(SCANS), [np.ones((4, 5, 3))]])
def test_validation_samples_are_held_against_what_they_must_be(validation: Any) -> None:
    with pytest.raises(TypeError, match=r"validation must be a sequence of samples|a sample must be a Sample"):
        Bank().fit(SCANS, validation=validation)


def test_what_is_no_trainer_is_said_and_a_device_may_be_torchs() -> None:
    with pytest.raises(TypeError, match=r"trainer must be a Trainer, such as Trainer\(device=\"cpu\"\), got 'cpu'"):
        Bank().fit(SCANS, trainer="cpu")  # type: ignore[arg-type]
    assert Bank().fit(SCANS, trainer=Trainer(device=torch.device("cpu"))).fitted


def test_a_default_is_good_in_a_subclass_without_a_constructor_too() -> None:
    class Odd(Detector):
        def __init__(self, *, k: int = None) -> None:  # type: ignore[assignment]  # noqa: RUF013
            super().__init__()

    class Heir(Odd):
        pass

    assert Heir(**Heir().config).config == {"k": None}


def test_a_state_of_another_width_is_told_in_a_line() -> None:
    small, large = (make_detector("3d-st", **detector_class("3d-st").tiny(), teacher=f"3d-st-{d}") for d in (64, 128))
    with pytest.raises(ValueError, match=r"the state is of another StudentTeacher3D: .* must have shape .*\)$"):
        large.load_state_dict(small.state_dict())


def test_the_trainer_s_seed_reaches_what_is_learnt_from() -> None:
    seeds = []

    class Augmented(Bank):
        def augment(self, samples: Any, seed: int) -> Any:
            seeds.append(seed)
            return samples

    Augmented().fit(SCANS, trainer=Trainer(device="cpu", seed=5))
    assert seeds == [5]
