"""The loop: places of seeds, order, alternation, selection, guards."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from geoad.training.batches import Batches, stack
from geoad.training.log import Log
from geoad.training.monitor import Monitor
from geoad.training.progress import Lines, ProgressBar
from geoad.training.stage import Batch, Descend, Stage, Update, Visit
from geoad.training.trainer import Trainer
from tests.training.toys import Calm, Toy, numbers, states_equal

SGD = partial(torch.optim.SGD, lr=0.1)


class Plan(nn.Module):
    """Two layers and whatever stages a test wants."""

    def __init__(self, stages: Callable[[Plan], Iterator[Stage]]) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 1, bias=False)
        for layer in (self.a, self.b):
            nn.init.constant_(layer.weight, 0.1)
        self._stages = stages

    def prepare(self, sample: Tensor) -> Batch:
        return {"x": sample}

    def stages(self) -> Iterator[Stage]:
        return self._stages(self)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"total": self.b(self.a(batch["x"])).square().mean()}


def descend(**keywords: Any) -> Callable[[Plan], Iterator[Stage]]:
    return lambda plan: iter([Descend("fit", [Update(plan, plan.loss, SGD)], **keywords)])


def train(stages: Callable[[Plan], Iterator[Stage]], samples: list[Tensor] | None = None, **keywords: Any) -> Plan:
    validation = keywords.pop("validation", None)
    return Trainer(device="cpu", **keywords).run(Plan(stages), samples or numbers(6), validation)


def weight(plan: Plan) -> float:
    return float(plan.a.weight[0, 0].detach())


def test_a_module_is_watched_now_and_then_and_learns_the_same() -> None:
    seen = []
    watched, plain = Toy(), Toy()

    def watch(stage: str, step: int) -> None:
        seen.append((step, watched.training, torch.is_grad_enabled()))
        torch.rand(7)

    watched.watch = watch
    for module in (watched, plain):
        Trainer(device="cpu", checkpoint_every=4).run(module, numbers())
    assert states_equal(watched, plain)
    assert seen == 2 * [(step, False, False) for step in (4, 8, 9)] and not watched.training  # two stages of 9 steps


def test_the_same_seed_gives_the_same_bits_whatever_the_generator_was() -> None:
    torch.manual_seed(1)
    one = Trainer(device="cpu").run(Toy(), numbers())
    torch.manual_seed(2)
    two = Trainer(device="cpu", memory=0).run(Toy(), numbers())
    assert states_equal(one, two)
    assert not states_equal(one, Trainer(device="cpu", seed=1).run(Toy(), numbers()))


def test_torchs_generator_is_left_as_it_was_found() -> None:
    module, samples = Toy(), numbers()
    before = torch.random.get_rng_state()
    Trainer(device="cpu").run(module, samples)
    between = torch.random.get_rng_state()
    with pytest.raises(AttributeError):
        Trainer(device="cpu").run(module, [3])
    assert torch.equal(before, between) and torch.equal(before, torch.random.get_rng_state())


def test_the_module_ends_in_evaluation_mode_without_gradients() -> None:
    module = train(descend(epochs=1))
    assert not module.training and all(p.grad is None for p in module.parameters())


def test_a_visit_sees_each_sample_once_in_order_without_gradient() -> None:
    seen: list[tuple[list[int], float, bool, bool]] = []

    def stages(plan: Plan) -> Iterator[Stage]:
        def see(batch: Batch) -> None:
            seen.append((batch["sample"].tolist(), float(batch["x"]), torch.is_grad_enabled(), plan.training))

        yield Visit("look", see)

    samples = [torch.tensor(float(i)) for i in range(7)]
    train(stages, samples)
    assert seen == [([i], float(i), False, False) for i in range(7)]


def test_an_epoch_sees_each_sample_once_in_an_order_of_its_own() -> None:
    seen: list[list[int]] = []

    def stages(plan: Plan) -> Iterator[Stage]:
        def loss(batch: Batch) -> dict[str, Tensor]:
            assert batch["sample"].dtype == torch.int64 and plan.training
            seen.append(batch["sample"].tolist())
            return plan.loss(batch)

        yield Descend("fit", [Update(plan, loss, SGD)], epochs=2, batch_size=4)

    train(stages, numbers(10))
    assert [len(batch) for batch in seen] == [4, 4, 2] * 2
    first, second = [*chain(*seen[:3])], [*chain(*seen[3:])]
    assert sorted(first) == sorted(second) == list(range(10)) and first != second != list(range(10))


def test_steps_may_end_within_an_epoch() -> None:
    seen: list[int] = []

    def stages(plan: Plan) -> Iterator[Stage]:
        def loss(batch: Batch) -> dict[str, Tensor]:
            seen.extend(batch["sample"].tolist())
            return plan.loss(batch)

        yield Descend("fit", [Update(plan, loss, SGD)], steps=8)

    train(stages, numbers(5))
    assert len(seen) == 8 and sorted(seen[:5]) == list(range(5))


def test_alternating_updates_leave_no_gradient_in_each_others_modules() -> None:
    leaks: list[bool] = []

    def stages(plan: Plan) -> Iterator[Stage]:
        def loss(batch: Batch) -> dict[str, Tensor]:
            leaks.append(any(p.grad is not None for p in plan.parameters()))
            return plan.loss(batch)

        yield Descend("gan", [Update(plan.b, loss, SGD), Update(plan.a, loss, SGD)], steps=3)

    train(stages)
    assert leaks == [False] * 6


def test_an_update_moves_its_own_module_only() -> None:
    module = train(lambda plan: iter([Descend("fit", [Update(plan.b, plan.loss, SGD)], steps=3)]))
    assert torch.equal(module.a.weight, torch.full((4, 4), 0.1)) and not torch.equal(
        module.b.weight, torch.full((1, 4), 0.1)
    )


def test_alternation_equals_the_hand_written_loop() -> None:
    def stages(plan: Plan) -> Iterator[Stage]:
        yield Descend("gan", [Update(plan.b, plan.loss, SGD), Update(plan.a, plan.loss, SGD, every=2)], steps=4)

    samples = [torch.tensor([0.1, 0.2, 0.3, 0.4])]
    module, hand = train(stages, samples), Plan(stages)
    for step in range(4):
        for layer in (hand.b, hand.a)[: 2 if step % 2 else 1]:
            (gradient,) = torch.autograd.grad(hand.loss({"x": samples[0][None]})["total"], [layer.weight])
            with torch.no_grad():
                layer.weight -= 0.1 * gradient
    assert torch.allclose(module.a.weight, hand.a.weight) and torch.allclose(module.b.weight, hand.b.weight)


def test_every_runs_an_update_each_nth_step() -> None:
    turns: list[str] = []

    def stages(plan: Plan) -> Iterator[Stage]:
        def loss(name: str, batch: Batch) -> dict[str, Tensor]:
            turns.append(name)
            return plan.loss(batch)

        updates = [Update(plan.b, partial(loss, "b"), SGD), Update(plan.a, partial(loss, "a"), SGD, every=3)]
        yield Descend("gan", updates, steps=7)

    train(stages)
    assert "".join(turns) == "bbbabbbab"


def selecting(values: list[float], select: str, seen: list[list[int]] | None = None, **keywords: Any) -> Any:
    """Stages whose validation loss after step i is values[i - 1]; the weight of `a` counts the steps."""
    steps = len(values)

    def stages(plan: Plan) -> Iterator[Stage]:
        nn.init.zeros_(plan.a.weight)

        def loss(batch: Batch) -> dict[str, Tensor]:
            if plan.training:
                return {"total": -plan.a.weight.sum()}  # each step adds lr to every weight
            if seen is not None:
                seen.append(batch["sample"].tolist())
            return {"total": torch.tensor(values[round(weight(plan) * 10) - 1])}

        yield Descend("fit", [Update(plan.a, loss, SGD)], steps=steps, select=select, **keywords)  # type: ignore[arg-type]

    return stages


def test_best_keeps_the_state_of_the_lowest_validation_loss() -> None:
    values = [5.0, 3.0, 4.0, 1.0, 2.0]
    keywords: dict[str, Any] = {"samples": numbers(9), "validation": numbers(2)}
    assert weight(train(selecting(values, "best", validate_every=1), **keywords)) == pytest.approx(0.4)
    assert weight(train(selecting(values, "best", validate_every=2), **keywords)) == pytest.approx(0.4)
    assert weight(train(selecting(values, "last", validate_every=1), **keywords)) == pytest.approx(0.5)


def test_best_is_measured_each_epoch_and_at_the_end_on_samples_numbered_below_zero() -> None:
    seen: list[list[int]] = []
    stages = selecting([5.0, 5.0, 5.0, 5.0, 1.0], "best", seen, batch_size=2)
    train(stages, numbers(4), validation=numbers(3))
    assert seen == [[-1, -2], [-3]] * 3  # after steps 2, 4 and 5


def test_best_without_validation_keeps_the_last_and_says_so(tmp_path: Path) -> None:
    module = train(selecting([1.0, 2.0], "best"), numbers(9), log=tmp_path / "log.jsonl")
    assert weight(module) == pytest.approx(0.2)
    assert "no validation data" in (tmp_path / "log.jsonl").read_text()


def test_validation_is_weighted_by_samples() -> None:
    def stages(plan: Plan) -> Iterator[Stage]:
        def loss(batch: Batch) -> dict[str, Tensor]:
            if plan.training:
                return {"total": -plan.a.weight.sum()}
            return {"total": batch["x"].mean() * (1 if weight(plan) < 0.25 else 2)}

        yield Descend("fit", [Update(plan.a, loss, SGD)], steps=2, batch_size=2, select="best", validate_every=1)

    # Losses per sample 3, 0, -2: the mean over samples is 1/3 (a first minimum at step 1), over batches -1/4, which
    # would be lower at step 2.
    held_out = [torch.full((4,), value) for value in (3.0, 0.0, -2.0)]
    assert weight(train(stages, validation=held_out)) == pytest.approx(0.2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_loss_that_is_no_number_stops_training_with_its_place(value: float, batch_size: int, tmp_path: Path) -> None:
    seen: list[list[int]] = []

    def stages(plan: Plan) -> Iterator[Stage]:
        def loss(batch: Batch) -> dict[str, Tensor]:
            seen.append(batch["sample"].tolist())
            return {"total": plan.loss(batch)["total"] * (value if len(seen) == 3 else 1)}

        yield Descend("student", [Update(plan, loss, SGD)], steps=5, batch_size=batch_size)

    with pytest.raises(ValueError, match=r"'student' is (nan|inf) at step 3, samples? ") as caught:
        train(stages, folder=tmp_path, checkpoint_every=1)
    named = f"sample{'s' if batch_size > 1 else ''} {', '.join(map(str, seen[2]))}: lower the learning rate"
    assert named in str(caught.value)
    assert "\n" not in str(caught.value) and (tmp_path / "checkpoint.pt").exists()


def test_a_validation_loss_that_is_no_number_names_the_validation_sample() -> None:
    def stages(plan: Plan) -> Iterator[Stage]:
        def loss(batch: Batch) -> dict[str, Tensor]:
            return {"total": plan.loss(batch)["total"] * (float("nan") if batch["sample"][0] == -2 else 1)}

        yield Descend("student", [Update(plan, loss, SGD)], steps=5, select="best")

    with pytest.raises(ValueError, match="'student' is nan at step 5, validation sample 1: "):
        train(stages, validation=numbers(3))


def test_the_log_holds_stage_step_and_losses(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "log.jsonl"
    path.parent.mkdir()
    path.write_text('{"stage": "torn')
    Trainer(device="cpu", log=path).run(Toy(), numbers())
    torn, *lines = path.read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert torn == '{"stage": "torn'
    assert {entry["stage"] for entry in entries} == {"moments", "descend", "head", "bank"}
    last = next(entry for entry in entries if entry["stage"] == "descend" and entry["step"] == 9)
    assert last["total"] > 0 and last["norm"] > 0 and last["seconds"] >= 0


def test_samples_are_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[float] = []
    plain = Toy.prepare
    monkeypatch.setattr(Toy, "prepare", lambda self, sample: calls.append(float(sample[0])) or plain(self, sample))
    Trainer(device="cpu").run(Toy(), numbers())
    assert sorted(calls) == sorted(float(sample[0]) for sample in numbers())


def test_what_cannot_be_trained_is_said_in_one_line() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        Trainer(device="cpu").run(Toy(), [])
    with pytest.raises(ValueError, match="needs epochs or steps, got neither"):
        train(descend())
    with pytest.raises(ValueError, match="unknown select"):
        train(descend(epochs=1, select="worst"))
    with pytest.raises(ValueError, match="batch_size"):
        train(descend(epochs=1, batch_size=0))
    with pytest.raises(ValueError, match="no updates"):
        train(lambda plan: iter([Descend("fit", [], epochs=1)]))
    with pytest.raises(ValueError, match="must have one shape within a batch"):
        train(descend(epochs=1, batch_size=2), [torch.zeros(4), torch.zeros(5)])
    with pytest.raises(TypeError, match="Descend or Visit"):
        train(lambda plan: iter([("fit", 3)]))  # type: ignore[arg-type,list-item]
    with pytest.raises(ValueError, match="unknown precision"):
        Trainer(precision="8-true")


def test_a_bar_is_shown_and_taken_away_also_after_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    Trainer(device="cpu", progress=True).run(Toy(), numbers())
    with pytest.raises(ValueError):
        train(descend(), progress=True)
    assert capsys.readouterr().out == ""


def test_without_a_terminal_there_is_a_line_a_minute(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    now = iter(range(0, 10**6, 25))  # seconds: every look at the clock is 25 s later than the last
    monkeypatch.setattr("time.monotonic", lambda: float(next(now)))
    train(descend(steps=12), numbers(3), progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 12 and all("fit: " in line and "/12" in line and "total" in line for line in lines)


@pytest.mark.gpu
def test_a_gpu_trains_and_its_generator_is_left_as_it_was(tmp_path: Path) -> None:
    before = torch.cuda.get_rng_state()
    module = Trainer(device="cuda", folder=tmp_path).run(Toy(), numbers())
    assert module.bank.is_cuda and torch.equal(before, torch.cuda.get_rng_state())
    assert states_equal(module, Trainer(device="cuda", folder=tmp_path).run(Toy(), numbers()))


def test_bfloat16_trains_in_its_precision() -> None:
    seen: list[torch.dtype] = []

    def stages(plan: Plan) -> Iterator[Stage]:
        def loss(batch: Batch) -> dict[str, Tensor]:
            out = plan.a(batch["x"])
            seen.append(out.dtype)
            return {"total": out.float().square().mean()}

        yield Descend("fit", [Update(plan.a, loss, SGD)], steps=1)

    module = train(stages, precision="bf16-mixed")
    assert seen == [torch.bfloat16] and module.a.weight.dtype == torch.float32


class Part(Tensor):
    place = "train/good/001"


def test_a_loss_that_is_no_number_names_the_file() -> None:
    class Bad(Calm):
        def _loss(self, batch: Batch) -> dict[str, Tensor]:
            return {"total": super()._loss(batch)["total"] * float("nan")}

    samples = [sample.as_subclass(Part) for sample in numbers(1)]
    with pytest.raises(ValueError, match=r"is nan at step 1, sample 0 \(train/good/001\): lower"):
        Trainer(device="cpu").run(Bad(), samples)


def test_an_update_that_would_never_run_is_refused() -> None:
    def stages(plan: Plan) -> Iterator[Stage]:
        yield Descend("gan", [Update(plan, plan.loss, SGD), Update(plan, plan.loss, SGD, every=5)], steps=4)

    with pytest.raises(ValueError, match="stage 'gan' has 4 steps, and an update that runs every 5 steps would learn"):
        train(stages)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed must be 0 or more, got -1"):
        Trainer(seed=-1)


def test_a_gradient_that_is_no_number_names_the_sample_that_has_it() -> None:
    class Bad(Calm):
        def _loss(self, batch: Batch) -> dict[str, Tensor]:
            total = super()._loss(batch)["total"]
            if int(batch["sample"][0]) == 2:
                total = total + (self.net[0].weight.sum() * 0).sqrt()  # 0, and its gradient is 0 / 0
            return {"total": total}

    with pytest.raises(ValueError, match=r"the gradient of stage 'descend' is nan at step \d, sample 2: lower"):
        Trainer(device="cpu").run(Bad(batch_size=1), numbers(4))


HUGE = partial(torch.optim.SGD, lr=3e38)


def test_an_outcome_of_the_last_step_that_is_no_number_is_refused() -> None:
    def stages(plan: Plan) -> Iterator[Stage]:
        yield Descend("net", [Update(plan, lambda batch: {"total": 1e9 * plan.loss(batch)["total"]}, HUGE)], steps=1)

    with pytest.raises(ValueError, match=r"the outcome of stage 'net' is (-?inf|nan) at the last step, 1: lower"):
        train(stages)


def test_what_has_no_numbers_or_is_not_learnt_is_no_fault() -> None:
    class Odd(Calm):
        def __init__(self) -> None:
            super().__init__()
            self.nothing = torch.nn.Parameter(torch.empty(0, 3))
            self.barrier = torch.nn.Parameter(torch.tensor(-torch.inf), requires_grad=False)

        def _loss(self, batch: Batch) -> dict[str, Tensor]:
            return {"total": super()._loss(batch)["total"] + self.nothing.sum()}

    Trainer(device="cpu").run(Odd(), numbers(4))


def test_validation_draws_the_same_numbers_each_time() -> None:
    drawn: list[float] = []

    def stages(plan: Plan) -> Iterator[Stage]:
        def loss(batch: Batch) -> dict[str, Tensor]:
            if not plan.training:
                drawn.append(float(torch.rand(())))
            return plan.loss(batch)

        yield Descend("fit", [Update(plan, loss, SGD)], steps=3, select="best", validate_every=1)

    train(stages, validation=numbers(2))
    assert drawn[:2] == drawn[2:4] == drawn[4:] and drawn[0] != drawn[1]


def test_the_first_update_s_loss_decides_which_state_is_best() -> None:
    def stages(plan: Plan) -> Iterator[Stage]:
        nn.init.zeros_(plan.a.weight)

        def loss(best: float, batch: Batch) -> dict[str, Tensor]:
            return {"total": -plan.a.weight.sum() if plan.training else (plan.a.weight[0, 0] - best).abs()}

        updates = [Update(plan.a, partial(loss, best), SGD) for best in (0.2, 0.8)]
        yield Descend("gan", updates, steps=4, select="best", validate_every=1)

    assert weight(train(stages, validation=numbers(2))) == pytest.approx(0.2)  # a step adds 0.1 twice


def test_validation_and_visits_have_no_gradient_and_the_training_s_precision() -> None:
    seen: list[tuple[str, bool, torch.dtype]] = []

    def stages(plan: Plan) -> Iterator[Stage]:
        def out(place: str, batch: Batch) -> Tensor:
            found: Tensor = plan.a(batch["x"])
            seen.append((place, torch.is_grad_enabled(), found.dtype))
            return found

        def loss(batch: Batch) -> dict[str, Tensor]:
            return {"total": out("step" if plan.training else "validation", batch).float().square().mean()}

        yield Descend("fit", [Update(plan.a, loss, SGD)], steps=1, select="best", validate_every=1)
        yield Visit("look", partial(out, "visit"))

    train(stages, numbers(1), validation=numbers(1), precision="bf16-mixed")
    assert seen == [(place, place == "step", torch.bfloat16) for place in ("step", "validation", "visit")]


def test_what_a_trainer_cannot_do_is_said_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="stop is asked in one process and devices must be 1 with it, got 2"):
        Trainer(device="cpu", devices=2, stop=lambda: False)
    for memory in (-1.0, float("nan")):
        with pytest.raises(ValueError, match=f"memory must be 0 or more bytes, got {memory}"):
            Trainer(device="cpu", memory=memory)


def test_prepared_samples_of_both_kinds_and_all_devices_share_the_memory(tmp_path: Path) -> None:
    def in_memory(devices: int, validation: list[Tensor] | None) -> list[bool]:
        trainer = Trainer(device="cpu", devices=devices, memory=6 * 16)
        return [cache.in_memory for cache in trainer._caches(Toy(), numbers(4), validation, tmp_path) if cache]

    assert in_memory(1, numbers(2)) == [True, True] and in_memory(1, numbers(3)) == [True, False]
    assert in_memory(2, None) == [False]


def test_seed_and_stage_decide_the_order_of_an_epoch() -> None:
    samples = [{"x": sample} for sample in numbers()]

    def order(seed: int, index: int) -> list[int]:
        batches = Batches(samples, None, collate=stack, move=lambda batch: batch, seed=seed)  # type: ignore[arg-type]
        batch, _ = batches.shuffled(Descend("fit", [], epochs=1, batch_size=12), index, 0)
        return batch["sample"].tolist()  # type: ignore[no-any-return]

    assert order(0, 0) == order(0, 0) and order(0, 0) != order(1, 0) and order(0, 0) != order(0, 1)


def test_the_log_has_the_mean_of_the_steps_since_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for second, expected in ((math.inf, [3.0]), (0.0, [1.0, 2.0, 6.0])):
        monkeypatch.setattr("geoad.training.monitor.SECOND", second)
        monitor = Monitor(ProgressBar(), Log(path := tmp_path / str(second)))
        monitor.start("fit", total=3, done=0)
        for step, loss in enumerate((1.0, 2.0, 6.0), 1):
            monitor.step(step, {"total": torch.tensor(loss)})
        assert [json.loads(line)["total"] for line in path.read_text().splitlines()] == expected


def test_what_is_left_is_told_in_minutes_by_the_rate_of_this_sitting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    bar = Lines()
    bar.start("fit", total=1000, done=400)
    clock[0] = 120.0
    bar.advance(520, "total 1")
    assert capsys.readouterr().err == "fit: 520/1000 1.0/s total 1, 8 min left\n"
