"""Pretraining of the teacher (spec 7.6, 7.11 and the job around it)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoad.data.scenes import Scenes
from geoad.descriptors.teacher import load_teacher, shipped_teachers
from geoad.detectors.points.pretraining import TeacherPretraining
from geoad.detectors.points.pretraining_job import pretrain
from geoad.nn.local_features import LocalFeatures
from geoad.training.trainer import Trainer

TINY = {"blocks": 1, "k": 4, "queries": 3, "field_points": 16, "validate_every": 2}


def module(**settings: object) -> tuple[TeacherPretraining, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    result = TeacherPretraining(**{"width": 8, "steps": 4, **TINY, **settings})  # type: ignore[arg-type]
    batch = result.prepare(np.random.default_rng(0).random((80, 3)))
    result._see_spacing(batch)
    return result, {**batch, "sample": torch.tensor([0])}


def test_defaults_are_the_thesis() -> None:
    result = TeacherPretraining()
    assert (result.k, result.queries, result.steps) == (32, 16, 250_000)
    assert result.decoder(torch.zeros(16, 64)).shape == (16, 1024, 3)
    assert result.optimizer.keywords == {"lr": 1e-3, "weight_decay": 1e-6}


def test_targets_are_centred_receptive_fields_in_units_of_s() -> None:
    result, batch = module()
    target = result._target(batch["points"], batch["index"].numpy(), 5)
    assert target.mean(0).abs().max() < 1e-5
    assert len(target) > 5


def test_queries_change_in_training_and_stay_in_validation() -> None:
    result, batch = module(queries=16)
    result.train()
    first, second = (result._draw(80, batch).tolist() for _ in range(2))
    assert first != second and len(set(first)) == 16
    result.eval()
    assert result._draw(80, batch).tolist() == result._draw(80, batch).tolist()
    other = {**batch, "sample": torch.tensor([-2])}
    assert result._draw(80, batch).tolist() != result._draw(80, other).tolist()


def test_gradients_are_those_of_the_whole_cloud() -> None:
    from geoad.ops.chamfer import chamfer

    result, batch = module()
    result.double().eval()
    batch["points"] = batch["points"].double()
    cone = torch.autograd.grad(result.loss(batch)["total"], list(result.parameters()))
    queries = result._draw(80, batch)
    features = result.teacher(batch["points"], batch["index"], 1 / result.spacing)[queries]
    fields = [result._target(batch["points"], batch["index"].numpy(), int(q)) for q in queries]
    total = torch.stack([chamfer(p, f) for p, f in zip(result.decoder(features), fields, strict=True)]).mean()
    whole = torch.autograd.grad(total, list(result.parameters()))
    for a, b in zip(cone, whole, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


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


def test_job_writes_weights_and_card_and_resumes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    small = {"width": 8, "steps": 4, "scenes": 2, "validation_scenes": 1, "points": 60, **TINY}
    path = pretrain(tmp_path / "a", **small)  # type: ignore[arg-type]
    teacher = load_teacher(path)
    assert teacher.k == 4 and teacher.network.width == 8
    card = path.with_suffix(".md").read_text()
    assert "2 + 1 of 60 points, source solids" in card and "| 4 |" in card and "sha256" in card
    again = pretrain(tmp_path / "b", **small)  # type: ignore[arg-type]
    assert again.read_bytes() == path.read_bytes()
    assert pretrain(tmp_path / "a", **small).read_bytes() == path.read_bytes()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"scenes": 0}, "scenes must be positive"),
        ({"points": 20, "k": 32}, "points must be greater than k = 32"),
        ({"source": "solid"}, "unknown source 'solid'"),
        ({"width": 30}, "multiple of 4"),
    ],
)
def test_bad_keywords_write_nothing(keywords, message, tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        pretrain(tmp_path / "out", **{"steps": 1, "scenes": 1, **keywords})
    assert not (tmp_path / "out").exists()


def test_other_settings_in_the_same_folder(tmp_path) -> None:  # type: ignore[no-untyped-def]
    small = {"width": 8, "steps": 2, "scenes": 1, "validation_scenes": 1, "points": 60, **TINY}
    pretrain(tmp_path, **small)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="choose another folder"):
        pretrain(tmp_path, **{**small, "points": 70})  # type: ignore[arg-type]


def test_shipped_teachers_have_cards_and_load() -> None:
    from geoad.descriptors.teacher import WEIGHTS

    assert "3d-st-64" in shipped_teachers()
    for name in shipped_teachers():
        import hashlib

        teacher = load_teacher(name)
        assert not any(p.requires_grad for p in teacher.parameters())
        digest = hashlib.sha256((WEIGHTS / f"{name}.safetensors").read_bytes()).hexdigest()
        assert digest in (WEIGHTS / f"{name}.md").read_text()


def test_truncated_teacher_is_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from geoad.descriptors.teacher import Teacher, save_teacher

    path = tmp_path / "t.safetensors"
    save_teacher(path, Teacher(LocalFeatures(8, 1), k=4))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"t\.safetensors: not a whole safetensors file"):
        load_teacher(path)
