"""Pretraining of the teacher (spec 7.6, 7.11 and the job around it)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoad.data.scene_folder import Scene
from geoad.data.scenes import Scenes
from geoad.descriptors.teacher import Teacher, shipped_teachers
from geoad.detectors.base import OddScan
from geoad.detectors.points.pretraining import TeacherPretraining
from geoad.nn.local_features import LocalFeatures
from geoad.training.muon import Muon
from geoad.training.stage import Descend
from geoad.training.trainer import Trainer

TINY = {"blocks": 1, "k": 4, "queries": 3, "field_points": 16, "validate_every": 2}


def module(**settings: object) -> tuple[TeacherPretraining, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    result = TeacherPretraining(**{"width": 8, "steps": 4, **TINY, **settings})  # type: ignore[arg-type]
    batch = {**result.prepare(np.random.default_rng(0).random((80, 3))), "sample": torch.tensor([0])}
    result._see_spacing(batch)
    return result, batch


def test_defaults_are_the_thesis() -> None:
    result = TeacherPretraining()
    assert result.config == {
        "width": 64, "blocks": 4, "k": 32, "queries": 16, "field_points": 1024, "steps": 250_000,
        "validate_every": 1000, "learning_rate": 1e-3, "weight_decay": 1e-6, "optimizer": "adam", "decay": False,
        "coordinates": "relative", "rotate": False,
    }  # fmt: skip
    assert result.decoder(torch.zeros(16, 64)).shape == (16, 1024, 3)
    assert result.optimizer.keywords == {"name": "adam", "lr": 1e-3, "weight_decay": 1e-6, "steps": None}
    assert result._teacher_stage().prolongs


def test_it_is_float32_whatever_the_default_is() -> None:
    scenes = [np.random.default_rng(seed).random((60, 3)) for seed in range(3)]
    trained = []
    for dtype in (torch.float32, torch.float64):
        torch.set_default_dtype(dtype)
        try:
            torch.manual_seed(0)
            result = TeacherPretraining(width=8, steps=4, **TINY)  # type: ignore[arg-type]
            trained.append(Trainer(device="cpu").run(result, scenes[:2], scenes[2:]).teacher.state_dict())
        finally:
            torch.set_default_dtype(torch.float32)
    assert all(torch.equal(trained[0][name], value) for name, value in trained[1].items())


def test_the_unit_is_the_mean_over_all_scenes() -> None:
    result, batch = module()
    first = result.spacing
    result._see_spacing({**batch, "points": 3 * batch["points"]})
    assert result.spacing == pytest.approx(2 * first, rel=1e-6)


@pytest.mark.parametrize("factor", [1e25, 1e-25, 0])
def test_scenes_without_a_unit(factor: float) -> None:
    scene = np.random.default_rng(0).random((80, 3)) * factor + (factor == 0)
    with pytest.raises(ValueError, match="points of scenes must be distinct and less than 1e19 apart"):
        Trainer(device="cpu").run(TeacherPretraining(width=8, steps=2, **TINY), [scene.astype(np.float32)] * 2)  # type: ignore[arg-type]


def test_a_scene_in_another_unit_is_named() -> None:
    scenes = [np.random.default_rng(seed).random((80, 3)) * (1000 if seed == 2 else 1) for seed in range(4)]
    with pytest.warns(OddScan, match=r"^scene 2 \(from 0\) has neighbours .* metres against millimetres\?") as told:
        Trainer(device="cpu").run(TeacherPretraining(width=8, steps=2, **TINY), scenes)  # type: ignore[arg-type]
    assert len(told) == 1


def test_a_rate_that_falls_to_zero_ends_with_its_steps() -> None:
    result, _ = module(optimizer="muon", decay=True)
    *_, descend = result.stages()
    assert not descend.prolongs and descend.steps == 4
    optimizer = descend.updates[0].optimizer(result.parameters())
    assert isinstance(optimizer, Muon)
    for _ in range(4):
        for parameter in result.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    assert optimizer.param_groups[0]["lr"] == 0


def test_targets_are_centred_receptive_fields_in_units_of_s() -> None:
    result, batch = module()
    target = result._target(batch["points"], batch["index"].numpy(), 5)
    assert target.mean(0).abs().max() < 1e-5
    assert len(target) > 5


def test_a_target_is_the_receptive_field_of_the_network() -> None:
    result, batch = module(blocks=1)
    points, index = batch["points"].double(), batch["index"].numpy()
    nodes = {5}
    for _ in range(result.teacher.hops):
        nodes |= {int(each) for node in nodes for each in index[node]}
    field = points[sorted(nodes)]
    spacing = (points[:, None] - points[batch["index"].long()]).norm(dim=2).mean()
    target = result._target(batch["points"], index, 5).double()
    wanted = (field - field.mean(0)) / spacing
    assert len(target) == len(nodes) < len(points)
    order, other = (np.lexsort(each.numpy().round(4).T) for each in (target, wanted))
    torch.testing.assert_close(target[order], wanted[other], rtol=0, atol=1e-5)


def test_queries_change_in_training_and_stay_in_validation() -> None:
    result, batch = module(queries=16)
    result.train()
    first, second = (result._draw_queries(80, batch).tolist() for _ in range(2))
    assert first != second and len(set(first)) == 16
    result.eval()
    assert result._draw_queries(80, batch).tolist() == result._draw_queries(80, batch).tolist()
    other = {**batch, "sample": torch.tensor([-2])}
    assert result._draw_queries(80, batch).tolist() != result._draw_queries(80, other).tolist()


def test_gradients_are_those_of_the_whole_cloud() -> None:
    from geoad.ops.chamfer import chamfer

    result, batch = module()
    result.double().eval()
    batch["points"] = batch["points"].double()
    cone = torch.autograd.grad(result.loss(batch)["total"], list(result.parameters()))
    queries = result._draw_queries(80, batch)
    features = result.teacher(batch["points"], batch["index"], 1 / result.spacing)[queries]
    fields = [result._target(batch["points"], batch["index"].numpy(), int(q)) for q in queries]
    total = torch.stack([chamfer(p, f) for p, f in zip(result.decoder(features), fields, strict=True)]).mean()
    whole = torch.autograd.grad(total, list(result.parameters()))
    for a, b in zip(cone, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_a_step_at_the_size_of_the_thesis() -> None:
    """Spec 7.2 and 7.6 with a scene of 64 000 points: 16 queries drawn anew, centred fields, gradients of the whole."""
    from geoad.ops.chamfer import chamfer

    torch.manual_seed(0)
    result = TeacherPretraining(width=16)
    batch = {**result.prepare(Scenes(1, points=64_000)[0]), "sample": torch.tensor([0])}
    result._see_spacing(batch)
    index = batch["index"].numpy()
    first, second = (result.train()._draw_queries(64_000, batch).tolist() for _ in range(2))
    assert len(set(first)) == 16 and first != second
    fields = [result._target(batch["points"], index, q) for q in first]
    assert all(len(field) > 33 and field.mean(0).abs().max() < 1e-4 * field.abs().max() for field in fields)
    result.double().eval()
    batch["points"] = batch["points"].double()
    cone = torch.autograd.grad(result.loss(batch)["total"], list(result.parameters()))
    queries = result._draw_queries(64_000, batch)
    features = result.teacher(batch["points"], batch["index"], 1 / result.spacing)[queries]
    fields = [result._target(batch["points"], index, int(q)) for q in queries]
    total = torch.stack([chamfer(p, f) for p, f in zip(result.decoder(features), fields, strict=True)]).mean()
    whole = torch.autograd.grad(total, list(result.parameters()))
    for a, b in zip(cone, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-11)


def test_learns_to_decode() -> None:
    """Spec 7.11 in small: the Chamfer distance of procedural scenes falls to less than half of its start."""
    scenes = [Scenes(6, points=500, objects=3, seed=3)[i] for i in range(6)]
    torch.manual_seed(0)
    result = TeacherPretraining(width=16, blocks=2, k=8, queries=8, field_points=64, steps=150)
    losses = []
    loss = result.loss

    def recording(batch):  # type: ignore[no-untyped-def]
        out = loss(batch)
        losses.append(float(out["total"].detach()))
        return out

    result.loss = recording  # type: ignore[method-assign]
    Trainer(device="cpu").run(result, scenes)
    assert np.mean(losses[-15:]) < 0.5 * np.mean(losses[:5])


def test_a_scene_brings_its_table_along() -> None:
    points = np.random.default_rng(0).random((80, 3), dtype=np.float32)
    result, _ = module()
    stored = result.prepare(Scene(points, result.prepare(points)["index"].numpy()))
    assert all(torch.equal(stored[name], value) for name, value in result.prepare(points).items())
    with pytest.raises(ValueError, match=r"index must have shape \(80, 4\), got \(80, 5\)"):
        result.prepare(Scene(points, np.zeros((80, 5), np.int32)))


def test_absolute_coordinates_reach_the_teacher() -> None:
    """Thesis 10.4.3: the relative teacher does not see where the scene is, the absolute one does."""
    for coordinates, sees in (("relative", False), ("absolute", True)):
        result, batch = module(coordinates=coordinates)
        result.eval()
        shifted = {**batch, "points": batch["points"] + 8}
        assert torch.allclose(result.loss(batch)["total"], result.loss(shifted)["total"], rtol=1e-4) is not sees
        assert result.teacher.coordinates == coordinates
    with pytest.raises(ValueError, match="unknown coordinates 'polar'"):
        module(coordinates="polar")


def test_scenes_are_turned_in_training_only() -> None:
    seen: list[torch.Tensor] = []
    result, batch = module(rotate=True)
    result.loss = lambda turned: seen.append(turned["points"]) or {}  # type: ignore[method-assign, func-returns-value, assignment]
    for training in (True, True, False):
        result.train(training)
        next(stage for stage in result.stages() if isinstance(stage, Descend)).updates[0].loss(batch)
    assert torch.equal(seen[2], batch["points"])
    assert not torch.allclose(seen[0], seen[1])
    for turned in seen[:2]:
        torch.testing.assert_close(torch.pdist(turned), torch.pdist(batch["points"]))
    for name in ("rotate", "decay"):
        with pytest.raises(TypeError, match=f"{name} must be True or False, got 'no'"):
            module(**{name: "no"})
    with pytest.raises(ValueError, match="unknown optimizer 'muom'"):
        module(optimizer="muom")


@pytest.mark.parametrize("keywords", [{"rotate": True}, {"coordinates": "absolute"}])
def test_ablations_train_and_are_saved(keywords: dict[str, object]) -> None:
    scenes = [np.random.default_rng(seed).random((60, 3)) for seed in range(3)]
    weights = []
    for words in ({}, keywords, keywords):
        result, _ = module(**words)
        Trainer(device="cpu").run(result, scenes[:2], scenes[2:])
        weights.append(torch.cat([p.flatten() for p in result.teacher.parameters()]))
    assert weights[0].shape != weights[1].shape or not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])


def test_reduced_precision_is_near_and_not_the_same() -> None:
    """Halves round what the decoder says; on the CPU they are only slower, so single precision is the default."""
    scenes = [np.random.default_rng(seed).random((60, 3)) for seed in range(3)]
    losses = []
    for precision in ("32-true", "bf16-mixed"):
        result, batch = module(steps=6)
        Trainer(device="cpu", precision=precision).run(result, scenes[:2], scenes[2:])
        losses.append(float(result.loss({**batch, "sample": torch.tensor([-1])})["total"].detach()))
    assert losses[0] != losses[1] and losses[0] == pytest.approx(losses[1], rel=0.05)


@pytest.mark.parametrize(("name", "value"), [("k", 0), ("queries", 2.5), ("blocks", -1), ("field_points", 0)])
def test_keywords_are_whole_and_positive(name: str, value: float) -> None:
    with pytest.raises((ValueError, TypeError), match=rf"{name} must be (positive|a whole number), got {value}"):
        module(**{name: value})


def test_shipped_teachers_have_cards_and_load() -> None:
    from geoad.descriptors.teacher import WEIGHTS

    assert "3d-st-64" in shipped_teachers()
    for name in shipped_teachers():
        import hashlib

        teacher = Teacher.from_pretrained(name)
        assert not any(p.requires_grad for p in teacher.parameters())
        digest = hashlib.sha256((WEIGHTS / f"{name}.safetensors").read_bytes()).hexdigest()
        assert digest in (WEIGHTS / f"{name}.md").read_text()


def test_truncated_teacher_is_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from geoad.descriptors.teacher import Teacher

    path = tmp_path / "t.safetensors"
    Teacher(LocalFeatures(8, 1), k=4).save(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"t\.safetensors: not a whole safetensors file"):
        Teacher.from_pretrained(path)
