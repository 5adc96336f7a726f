"""3D-ST as a detector (spec 7.3, 7.7, 7.9 and the thesis's protocol)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from geoad.checks import synthetic_scan
from geoad.descriptors.teacher import Teacher
from geoad.detectors import make_detector
from geoad.detectors.points.kept_targets import KeptTargets
from geoad.detectors.points.patch_centres import PatchCentres
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.geometry.xyz_image import XYZImage
from geoad.nn.local_features import LocalFeatures
from geoad.nn.point_graph import neighbour_distance
from geoad.nn.rotation import random_rotation
from geoad.ops import reference
from geoad.sample import Sample
from geoad.training.trainer import Trainer
from tests.detectors.points.stopping import Stop, stop_after

FEW = {"points": 300, "k": 8, "steps": 30}
SMALL = {**StudentTeacher3D.thesis(), **FEW, "teacher": "3d-st-64"}


@pytest.fixture(scope="module")
def scans() -> list[Sample]:
    return [synthetic_scan(seed) for seed in range(5)]


@pytest.fixture(scope="module")
def fitted(scans: list[Sample]) -> StudentTeacher3D:
    return StudentTeacher3D(**{**SMALL, "steps": 300}).fit(scans)


def test_the_thesis_is_what_the_thesis_says() -> None:
    detector = make_detector("3d-st", **StudentTeacher3D.thesis())
    config = detector.config
    assert StudentTeacher3D.thesis() == {
        "optimizer": "adam", "learning_rate": 1e-3, "epochs": 100, "decay": False, "validate_every": None,
        "patch": None, "clip": None, "normalise": False, "smooth": 0,
    }  # fmt: skip
    assert (config["points"], detector.k, config["epochs"], config["select"]) == (64_000, 32, 100, "best")
    assert (config["optimizer"], config["learning_rate"], config["weight_decay"]) == ("adam", 1e-3, 1e-5)
    assert (config["batch_size"], config["steps"], config["patch"], detector.level) == (1, None, None, None)
    for keywords in (StudentTeacher3D.thesis(), {**StudentTeacher3D.thesis(), "optimizer": "muon"}):
        (update,) = StudentTeacher3D(**keywords)._student_stage().updates
        assert update.optimizer(update.module.parameters()).defaults["weight_decay"] == 1e-5


def test_epochs_stand_for_the_default_steps() -> None:
    lengths = [({}, 3000, None), ({"epochs": 2}, None, 2), ({"steps": 5}, 5, None)]
    for keywords, steps, epochs in lengths:
        config = StudentTeacher3D(**keywords).config  # type: ignore[arg-type]
        assert (config["steps"], config["epochs"]) == (steps, epochs)
    assert StudentTeacher3D(**StudentTeacher3D.thesis())._student_stage().total_steps(24) == 2400


def test_the_default_training_finds_defects(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**FEW, "steps": 200}).fit(scans[:3], validation=scans[3:])
    good = [detector.score(synthetic_scan(80 + i)).pixels.mean() for i in range(3)]
    defective = [synthetic_scan(90 + i, defect=True) for i in range(3)]
    bad = [detector.score(scan).pixels[scan.mask].mean() for scan in defective]
    assert min(bad) > 1.5 * max(good)


def test_scaled_training_set_has_mean_neighbour_distance_one(fitted: StudentTeacher3D, scans: list[Sample]) -> None:
    distances = []
    for scan in scans:
        graph = fitted.prepare(scan)
        distances.append(float(neighbour_distance(graph["points"] * fitted.scales[0].factor, graph["index"])))
    assert np.mean(distances) == pytest.approx(1, abs=1e-6)


def test_normalised_teacher_has_mean_0_and_std_1(fitted: StudentTeacher3D, scans: list[Sample]) -> None:
    graphs = [fitted.prepare(scan) for scan in scans]
    features = torch.cat([fitted._target(fitted.scales[0], g) for g in graphs]).double()
    assert features.mean(0).abs().max() < 1e-4
    varies = features.std(0) > 0
    assert varies.sum() > 32
    torch.testing.assert_close(
        features[:, varies].std(0, correction=0), torch.ones(int(varies.sum()), dtype=torch.float64), atol=1e-3, rtol=0
    )


def test_teacher_stays_frozen_and_student_learns(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**SMALL)
    teacher = {name: value.clone() for name, value in detector.teacher.state_dict().items()}
    student = {name: value.clone() for name, value in detector.scales[0].students.state_dict().items()}
    detector.fit(scans)
    assert all(torch.equal(value, teacher[name]) for name, value in detector.teacher.state_dict().items())
    assert any(
        not torch.equal(value, student[name]) for name, value in detector.scales[0].students.state_dict().items()
    )


def test_defects_score_higher_than_training_points(fitted: StudentTeacher3D, scans: list[Sample]) -> None:
    good = [fitted.score(scan).pixels.mean() for scan in scans]
    defective = [synthetic_scan(90 + i, defect=True) for i in range(4)]
    bad = [fitted.score(scan).pixels[scan.mask].mean() for scan in defective]
    assert np.mean(bad) > 1.5 * np.mean(good)


def test_image_score_is_the_largest_point_score(fitted: StudentTeacher3D) -> None:
    scan = synthetic_scan(7, defect=True)
    points = fitted.errors(fitted.prepare(scan)).detach()
    result = fitted.score(scan)
    assert result.score == float(points.max()) == float(result.pixels.max())
    assert result.pixels.min() >= float(points.min())


def test_pixels_of_points_keep_their_scores(fitted: StudentTeacher3D) -> None:
    scan = synthetic_scan(8)
    batch = fitted.prepare(scan)
    result = fitted.score(scan)
    assert np.array_equal(result.pixels.flat[batch["pixel"].numpy()], fitted.errors(batch).detach().numpy())


def test_all_points_are_used_where_there_are_fewer(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "points": 5000})
    assert len(detector.prepare(scans[0])["points"]) == np.count_nonzero(scans[0].xyz.valid)  # type: ignore[union-attr]


def test_sampling_is_farthest_points(scans: list[Sample]) -> None:
    image = scans[0].xyz
    assert image is not None
    prepared = StudentTeacher3D(**SMALL).prepare(scans[0])
    points = image.xyz[image.valid]
    start = int(np.lexsort(points.T[::-1])[0])  # the same one however the points are numbered
    picks = np.sort(reference.farthest_point_sample(points, 300, start=start))
    assert np.array_equal(prepared["points"].numpy(), image.xyz[image.valid][picks])
    assert np.array_equal(prepared["pixel"].numpy(), np.flatnonzero(image.valid)[picks])


def test_a_cloud_gets_a_score_a_point(fitted: StudentTeacher3D) -> None:
    scan = synthetic_scan(3)
    assert scan.xyz is not None
    row = scan.xyz.xyz.reshape(1, -1, 3)
    result = fitted.score(Sample(xyz=XYZImage(row)))
    assert result.pixels.shape == row.shape[:2] and np.isfinite(result.pixels).all()
    organised = fitted.score(scan).pixels.flat
    pixel = fitted.prepare(scan)["pixel"].numpy()
    assert np.array_equal(result.pixels[0, pixel], np.asarray(organised)[pixel])


def test_translation_of_the_scan_changes_little(fitted: StudentTeacher3D) -> None:
    scan = synthetic_scan(9)
    assert scan.xyz is not None
    moved = np.where(scan.xyz.valid[..., None], scan.xyz.xyz + np.float32(0.25), 0)
    shifted = fitted.score(Sample(xyz=XYZImage(moved.astype(np.float32))))
    assert np.corrcoef(shifted.pixels.flat, fitted.score(scan).pixels.flat)[0, 1] > 0.99


def test_batches_of_two_clouds(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**SMALL).fit(scans)
    items = [{**detector.prepare(scan), "sample": torch.tensor([i])} for i, scan in enumerate(scans[:2])]
    single = [detector.loss(item)["total"] for item in items]
    joined = detector.loss(detector.collate(items))["total"]
    torch.testing.assert_close(joined, torch.stack(single).mean(), rtol=1e-5, atol=0)


def test_clouds_of_a_batch_weigh_alike(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**SMALL).fit(scans)
    cut = scans[1].xyz.xyz.copy()  # type: ignore[union-attr]
    cut[:, 5:] = 0
    items = [detector.prepare(scan) for scan in (scans[0], Sample(xyz=XYZImage(cut)))]
    assert len(items[0]["points"]) != len(items[1]["points"])
    single = [detector.loss({**item, "sample": torch.tensor([9 + i])})["total"] for i, item in enumerate(items)]
    joined = detector.loss({**detector.collate(items), "sample": torch.tensor([9, 10])})["total"]
    torch.testing.assert_close(joined, torch.stack(single).mean(), rtol=1e-5, atol=0)


def test_resumes_to_the_same_weights(scans: list[Sample], tmp_path) -> None:  # type: ignore[no-untyped-def]
    whole = StudentTeacher3D(**{**SMALL, "decay": True}).fit(scans, validation=scans[:1])
    stopped = StudentTeacher3D(**{**SMALL, "decay": True})
    stop_after(stopped, 20)
    with pytest.raises(Stop):
        stopped.fit(scans, validation=scans[:1], trainer=Trainer(folder=tmp_path, checkpoint_every=5))
    resumed = StudentTeacher3D(**{**SMALL, "decay": True})
    resumed.fit(scans, validation=scans[:1], trainer=Trainer(folder=tmp_path, checkpoint_every=5))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_decay_ends_at_zero(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "decay": True})
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = detector._optimizer([parameter])
    rates = []
    for _ in range(30):
        parameter.grad = torch.ones(1)
        optimizer.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[:14] == [1e-3] * 14 and rates[-1] == 0 and rates[21] == pytest.approx(1e-3 * 16 / 30)


def test_own_teacher_file(scans: list[Sample], tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "mine.safetensors"
    Teacher(LocalFeatures(8, 2), k=8).save(path)
    detector = StudentTeacher3D(**{**SMALL, "teacher": str(path)}).fit(scans)
    assert detector.scales[0].students[0].width == 8 and len(detector.teacher.blocks) == 2


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"teacher": "3d-st-63"}, "unknown teacher '3d-st-63' .did you mean '3d-st-64'"),
        ({"teacher": "nowhere.safetensors"}, "nowhere.safetensors: no such teacher file"),
        ({"points": 32}, "points must be greater than k = 32, got 32"),
        ({"k": 0}, "k must be positive, got 0"),
        ({"k": [0, 8]}, "k must be positive, got 0"),
        ({"k": []}, "k must hold at least one number"),
        ({"students": 0}, "students must be positive, got 0"),
        ({"steps": 0}, "steps of stage 'student' must be positive, got 0"),
        ({"validate_every": 0}, "validate_every of stage 'student' must be positive, got 0"),
        ({"select": "bes"}, "unknown select of stage 'student': 'bes'"),
        ({"learning_rate": -1}, "learning_rate must be positive, got -1"),
        ({"learning_rate": float("inf")}, "learning_rate must be finite, got inf"),
        ({"patch": -1}, "patch must be 0 or more, got -1"),
        ({"smooth": -1}, "smooth must be 0 or more, got -1"),
        ({"image_quantile": 1.5}, r"image_quantile must lie in \[0, 1\], got 1.5"),
    ],
)
def test_bad_keywords(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StudentTeacher3D(**keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"normalise": "false"}, "normalise must be True or False, got 'false'"),
        ({"rotate": "no"}, "rotate must be True or False, got 'no'"),
        ({"decay": 1}, "decay must be True or False, got 1"),
        ({"smooth": 1.5}, "smooth must be a whole number, got 1.5"),
        ({"patch": 1.5}, "patch must be a whole number or None, got 1.5"),
        ({"points": 1e3}, "points must be a whole number, got 1000.0"),
        ({"k": 8.0}, "k must be whole numbers, got 8.0"),
        ({"students": True}, "students must be a whole number, got True"),
        ({"learning_rate": "fast"}, "learning_rate must be a number, got 'fast'"),
    ],
)
def test_keywords_of_another_kind(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        StudentTeacher3D(**keywords)  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers() -> None:
    detector = StudentTeacher3D(k=np.int64(8), points=np.int32(300), learning_rate=np.float32(0.5), clip=2)  # type: ignore[arg-type]
    assert (detector.k, detector.points, detector.clip) == (8, 300, 2)


def test_the_order_of_a_cloud_changes_no_bit(fitted: StudentTeacher3D) -> None:
    """DESIGN 3: a cloud of more points than are sampled, some of them equally far from others."""
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 900)) * 0.03
    height = np.exp(-((x - 0.015) ** 2 + (y - 0.01) ** 2) / 3e-5) * 0.002
    cloud = np.stack([x, y, 0.5 - height], 1).astype(np.float32)
    near = np.sort(np.linalg.norm(cloud[:, None] - cloud[None], axis=2), axis=1)
    assert (np.diff(near[:, 1:10]) > 0).all()
    order = rng.permutation(len(cloud))
    one, other = (fitted.score(Sample(xyz=XYZImage(points[None]))) for points in (cloud, cloud[order]))
    assert one.score == other.score and np.array_equal(one.pixels[0][order], other.pixels[0])


def test_too_few_points(fitted: StudentTeacher3D) -> None:
    xyz = np.zeros((4, 4, 3), np.float32)
    xyz[0, :3] = [[0, 0, 1], [0, 1, 1], [1, 0, 1]]
    with pytest.raises(ValueError, match=r"a/b.tiff must have at least k \+ 1 = 9 valid points, got 3"):
        fitted.score(Sample(xyz=XYZImage(xyz), path="a/b.tiff"))


def test_colour_alone() -> None:
    with pytest.raises(ValueError, match="must have xyz, it has colour alone"):
        StudentTeacher3D(**SMALL).fit([Sample(rgb=np.zeros((4, 4, 3), np.uint8))])


def test_patches_learn_what_whole_clouds_teach(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "steps": 1500, "patch": 3, "learning_rate": 4e-3, "decay": True}).fit(scans)
    bad = synthetic_scan(90, defect=True)
    pixels = detector.score(bad).pixels
    assert pixels[bad.mask].mean() > 1.5 * pixels[~bad.mask].mean()  # type: ignore[operator]


def test_the_loss_of_a_patch_is_that_of_its_points(scans: list[Sample]) -> None:
    whole, patched = (StudentTeacher3D(**{**SMALL, "patch": patch}).fit(scans) for patch in (None, 1))
    patched.load_state_dict(whole.state_dict())
    batch = {**patched.prepare(scans[0]), "sample": torch.tensor([0])}
    for rotate in (False, True):  # drawn by what the teacher says, or evenly
        patched.train().rotate = rotate
        patched._forget()  # as a training does first
        torch.manual_seed(1)
        turned = {**batch, "points": batch["points"] @ random_rotation(batch["points"])} if rotate else batch
        learnt = patched._target(patched.scales[0], batch).square().sum(1)  # type: ignore[arg-type]
        edges = (torch.ones_like(learnt) if rotate else learnt).cumsum(0)
        centre = int(torch.searchsorted(edges, torch.rand((), dtype=torch.float64).float() * edges[-1], right=True))
        near = torch.cat([torch.tensor([centre]), batch["index"][centre].long()])
        torch.manual_seed(1)
        loss = patched.loss(batch)["total"]
        torch.testing.assert_close(loss, whole.errors(turned)[near].mean(), rtol=1e-4, atol=1e-4)


def test_whole_clouds_are_turned_in_training_alone(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "rotate": True, "patch": None}).fit(scans)
    batch = {**detector.prepare(scans[0]), "sample": torch.tensor([0])}
    torch.manual_seed(1)
    turned = {**batch, "points": batch["points"] @ random_rotation(batch["points"])}
    torch.manual_seed(1)
    torch.testing.assert_close(detector.train().loss(batch)["total"], detector.terms(turned).sum(1).mean())
    torch.testing.assert_close(detector.eval().loss(batch)["total"], detector.terms(batch).sum(1).mean())


def test_patches_of_several_clouds_weigh_alike(scans: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    detector = StudentTeacher3D(**{**SMALL, "patch": 2}).fit(scans[:2]).train()
    items = [detector.prepare(scan) for scan in scans[:2]]
    alone = []
    for number, item in enumerate(items):
        monkeypatch.setattr(detector, "_centres", lambda batch: torch.tensor([5]))
        alone.append(detector.loss({**item, "sample": torch.tensor([number])})["total"])
    monkeypatch.setattr(detector, "_centres", lambda batch: torch.tensor([5, 5 + len(items[0]["points"])]))
    joined = detector.loss({**detector.collate(items), "sample": torch.arange(2)})["total"]
    torch.testing.assert_close(joined, torch.stack(alone).mean(), rtol=1e-5, atol=0)


def test_what_a_stopped_training_kept_is_let_go_at_once(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**SMALL)
    stop_after(detector, 6)
    with pytest.raises(Stop) as held:  # with every frame of the training
        detector.fit(scans[:2])
    assert held.tb is not None and not detector._targets._kept and not detector._patches._sums


def test_a_level_is_of_32_scans_at_most(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "normalise": True, "steps": 1}).fit([scans[0]] * 34)
    assert detector.level is not None and len(detector.level.sizes) == 32


def test_an_ensemble_adds_its_variance(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**SMALL, students=3).fit(scans)
    batch = detector.prepare(scans[0])
    scale = detector.scales[0]
    said, target = scale.predict(batch), detector._target(scale, batch)  # type: ignore[operator]
    variance = said.square().sum(-1).mean(0) - said.mean(0).square().sum(-1)  # eq. 5.10
    expected = (said.mean(0) - target).square().sum(1) + variance
    torch.testing.assert_close(detector.errors(batch), expected, rtol=1e-4, atol=1e-4)
    assert not torch.equal(said[0], said[1])


def test_scores_exceed_those_of_good_scans(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "normalise": True, "students": 2}).fit(scans[:3], validation=scans[3:])
    assert detector.level is not None and detector.level.terms.shape[1] == 2  # error and variance
    kept = sum(-(-len(detector.prepare(scan)["points"]) // 8) for scan in scans[3:])
    assert len(detector.level.places) == kept  # of the validation scans alone
    batch = detector.prepare(scans[0])
    expected = detector.level.relative(batch["points"], detector.terms(batch)).sum(1)
    assert torch.equal(detector.errors(batch), expected)
    plain = StudentTeacher3D(**{**SMALL, "normalise": True}).fit(scans[:3])  # without validation: on the training scans
    assert plain.level is not None and plain.level.terms.shape[1] == 1


def test_clipped_features_are_limited(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "clip": 0.5}).fit(scans[:2])
    target = detector._target(detector.scales[0], detector.prepare(scans[0]))  # type: ignore[arg-type]
    assert float(target.abs().max()) == 0.5
    with pytest.raises(ValueError, match="clip must be positive, got 0"):
        StudentTeacher3D(**{**SMALL, "clip": 0})


@pytest.mark.parametrize("room", [1e9, 0])
def test_patches_are_drawn_where_the_teacher_says_most(
    room: float, fitted: StudentTeacher3D, scans: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitted, "_targets", KeptTargets(room, disk=False))  # as while it learns
    monkeypatch.setattr(fitted, "_patches", PatchCentres())
    batch = {**fitted.prepare(scans[0]), "sample": torch.tensor([0])}
    norms = fitted._target(fitted.scales[0], batch).square().sum(1)  # type: ignore[arg-type]
    torch.manual_seed(0)
    drawn = torch.cat([fitted._centres(batch) for _ in range(2000)])
    _check_shares(drawn, norms)


def _check_shares(drawn: torch.Tensor, weights: torch.Tensor) -> None:
    """Check that the heavier half of the points was drawn as often as it weighs."""
    share = torch.bincount(drawn, minlength=len(weights)) / len(drawn)
    many = weights > weights.median()
    assert float(share[many].sum()) == pytest.approx(float(weights[many].sum() / weights.sum()), abs=0.03)


def test_patches_of_several_clouds_are_drawn_in_each_as_if_it_were_alone(
    fitted: StudentTeacher3D, scans: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitted, "_patches", PatchCentres())
    items = [fitted.prepare(scan) for scan in scans[:3]]
    batch = {**fitted.collate(items), "sample": torch.tensor([4, 0, 2])}
    ends = torch.cumsum(batch["sizes"], 0)
    torch.manual_seed(0)
    drawn = torch.stack([fitted._centres(batch) for _ in range(2000)])
    for item, centres, end in zip(items, drawn.unbind(1), ends, strict=True):
        norms = fitted._target(fitted.scales[0], item).square().sum(1)  # type: ignore[arg-type]
        _check_shares(centres - (end - len(norms)), norms)
    assert fitted._patches._sums.keys() == {0, 2, 4}


def test_errors_of_several_neighbourhoods_add_up(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "k": [8, 4]}).fit(scans)
    batch = detector.prepare(scans[0])
    assert batch["index"].shape[1] == 8
    errors = []
    for scale, k in zip(detector.scales, (4, 8), strict=True):
        near = {**batch, "index": batch["index"][:, :k].contiguous()}
        assert scale.k == k
        errors.append((scale.predict(near)[0] - detector._target(scale, near)).square().sum(1))  # type: ignore[operator]
    torch.testing.assert_close(detector.errors(batch), torch.stack(errors).sum(0))


def test_smoothing_is_the_mean_over_neighbours(fitted: StudentTeacher3D) -> None:
    batch = fitted.prepare(synthetic_scan(7, defect=True))
    errors = fitted.errors(batch).detach()
    around = torch.cat([torch.arange(len(errors))[:, None], batch["index"].long()], 1)
    try:
        fitted.smooth = 1
        torch.testing.assert_close(fitted.scores(batch).detach(), errors[around].mean(1))
    finally:
        fitted.smooth = 0


def test_the_score_of_a_scan_can_be_a_quantile(fitted: StudentTeacher3D) -> None:
    scan = synthetic_scan(7, defect=True)
    errors = fitted.errors(fitted.prepare(scan)).detach().numpy()
    try:
        fitted.image_quantile = 0.9
        result = fitted.score(scan)
        assert result.score == pytest.approx(float(np.quantile(errors, 0.9))) and result.score < result.pixels.max()
    finally:
        fitted.image_quantile = 1.0


@pytest.mark.slow
def test_statistics_at_the_size_of_the_thesis() -> None:
    """Spec 7.3, 7.7 and 7.9 with 64 000 of 76 800 points, k = 32."""
    scans = [synthetic_scan(seed, size=(240, 320)) for seed in range(2)]
    detector = StudentTeacher3D(**{**StudentTeacher3D.thesis(), "steps": 2}).fit(scans)
    batches = [detector.prepare(scan) for scan in scans]
    assert {len(batch["points"]) for batch in batches} == {64_000}
    distances = [neighbour_distance(batch["points"] * detector.scales[0].factor, batch["index"]) for batch in batches]
    assert float(sum(distances)) / 2 == pytest.approx(1, abs=1e-6)
    features = torch.cat([detector._target(detector.scales[0], batch) for batch in batches]).double()
    assert features.mean(0).abs().max() < 1e-3
    torch.testing.assert_close(features.std(0, correction=0), torch.ones(64).double(), atol=1e-3, rtol=0)
    result = detector.score(scans[0])
    errors = detector.errors(batches[0]).detach()
    assert result.score == float(errors.max()) == float(result.pixels.max())


@pytest.mark.slow
def test_a_training_at_the_size_of_the_thesis() -> None:
    """Spec 7.7 with 64 000 points: the teacher learns nothing, and what is trained on scores below what is not good."""
    scans = [synthetic_scan(seed, size=(240, 320)) for seed in range(2)]
    detector = StudentTeacher3D(steps=60).fit(scans)
    frozen = Teacher.from_pretrained("3d-st-64").network.state_dict()
    assert all(torch.equal(value, frozen[name]) for name, value in detector.teacher.state_dict().items())  # type: ignore[union-attr]
    defective = synthetic_scan(9, size=(240, 320), defect=True)
    known, pixels = detector.score(scans[0]).pixels, detector.score(defective).pixels
    assert np.median(pixels[defective.mask]) > np.quantile(known[scans[0].xyz.valid], 0.9)  # type: ignore[index, union-attr]


def test_whole_clouds_are_validated_where_patches_are_learnt(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "steps": 1, "patch": 0}).fit(scans[:2])
    batch = {**detector.prepare(scans[0]), "sample": torch.tensor([0])}
    torch.testing.assert_close(detector.loss(batch)["total"], detector.errors(batch).mean())


@pytest.mark.parametrize("keywords", [{"rotate": True}, {"k": [8, 4]}])
def test_what_is_kept_is_what_would_be_computed(
    keywords: dict[str, Any], scans: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector, losses = StudentTeacher3D(**{**SMALL, "steps": 1, **keywords}).fit(scans[:2]).train(), []
    batch = {**detector.prepare(scans[0]), "sample": torch.tensor([0])}
    for room in (1e9, 0):
        monkeypatch.setattr(detector, "_targets", KeptTargets(room, disk=False))
        for seed in (1, 2):
            torch.manual_seed(seed)
            losses.append(float(detector.loss(batch)["total"].detach()))
    assert losses[:2] == losses[2:]


def test_scores_are_smoothed_as_often_as_asked(fitted: StudentTeacher3D, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = fitted.prepare(synthetic_scan(7, defect=True))
    expected = fitted.errors(batch).detach()
    around = torch.cat([torch.arange(len(expected))[:, None], batch["index"].long()], 1)
    for times in (1, 2):
        monkeypatch.setattr(fitted, "smooth", times)
        expected = expected[around].mean(1)
        torch.testing.assert_close(fitted.scores(batch).detach(), expected)


def test_decay_ends_with_the_epochs(fitted: StudentTeacher3D, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"decay": True, "epochs": 4, "steps": None}.items():
        monkeypatch.setattr(fitted, name, value)
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer, rates = fitted._optimizer([parameter]), []
    for _ in range(4 * 5):  # of five scans
        parameter.grad = torch.ones(1)
        optimizer.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[8] == 1e-3 > rates[11] > rates[-1] == 0
