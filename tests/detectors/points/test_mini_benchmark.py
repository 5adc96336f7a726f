"""The mini benchmark of spec 7.12: height maps of 56×56, k = 8, d = 32, no sampling, pretraining on solids.

Long run (1600 pretraining and 800 student steps, three seeds): AU-PRO@0.3 ≥ 0.85 for every seed, and above a random
teacher in the mean. Short run (400 + 400, two seeds): absolute coordinates and training under random rotations each
lose at least 0.1 in the mean. About five minutes on one core.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from geoad.data.scenes import Scenes
from geoad.descriptors.teacher import Teacher
from geoad.detectors.points.pretraining import TeacherPretraining
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.geometry.xyz_image import XYZImage
from geoad.metrics import au_pro
from geoad.nn.local_features import LocalFeatures
from geoad.sample import Sample
from geoad.training.trainer import Trainer

pytestmark = pytest.mark.slow
SIDE, PITCH = 56, 1e-3


def height_map(seed: int, kind: str | None = None) -> Sample:
    """Return a tray with a ring of bosses, a little different each time, at half a metre; `kind` plants a defect."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    dx, dy, gain = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5), rng.uniform(0.95, 1.05)
    height = np.cos(2 * np.pi * (x - dx) / 28) * np.cos(2 * np.pi * (y - dy) / 28) * gain
    mask = np.zeros((SIDE, SIDE), bool)
    if kind is not None:
        cy, cx, radius = *rng.uniform(10, SIDE - 10, 2), rng.uniform(4, 7)
        sq_dist = ((y - cy) ** 2 + (x - cx) ** 2) / radius**2
        mask = sq_dist < 1
        shape = np.sqrt(np.maximum(1 - sq_dist, 0)) * 3
        height += {"bump": shape, "hole": -shape, "roughness": mask * rng.normal(0, 0.7, mask.shape)}[kind]
    height += rng.normal(0, 0.02, height.shape)
    xyz = np.stack([x * PITCH, y * PITCH, 0.5 - height * PITCH], -1)
    return Sample(xyz=XYZImage(xyz.astype(np.float32)), mask=mask, label=int(kind is not None))


def teacher(folder: Path, seed: int, steps: int, coordinates: str = "relative") -> str:
    """Pretrain a teacher on twelve scenes (`steps` = 0: leave it random) and return its file."""
    torch.manual_seed(seed)
    module = TeacherPretraining(width=32, k=8, field_points=128, steps=max(steps, 1))
    module.teacher = LocalFeatures(32, coordinates=coordinates)
    if steps:
        scenes = [Scenes(12, points=2000, objects=10, seed=100 + seed)[i] for i in range(12)]
        loss, losses = module.loss, []
        module.loss = lambda batch: losses.append(loss(batch)) or losses[-1]  # type: ignore[method-assign, func-returns-value]
        Trainer(device="cpu", seed=seed).run(module, scenes)
        told = [float(each["total"].detach()) for each in losses]
        assert np.mean(told[:3]) > 8  # spec 7.11: from 12.5 to 2.05 in 400 steps, to 1.75 … 2.16 in 1600
        assert np.mean(told[-50:]) < (2.6 if steps <= 400 else 2.3)
    path = folder / f"{seed}-{steps}-{coordinates}.safetensors"
    Teacher(module.teacher, 8).save(path)
    return str(path)


def quality(weights: str, seed: int, steps: int, rotate: bool = False) -> float:
    """Return AU-PRO@0.3 of a student on 24 test maps, 16 of them with a defect."""
    small = {"points": SIDE * SIDE, "k": 8, "steps": steps, "select": "last"}
    detector = StudentTeacher3D(**{**StudentTeacher3D.thesis(), **small}, teacher=weights, rotate=rotate)
    detector.fit([height_map(1000 * seed + i) for i in range(12)], trainer=Trainer(device="cpu", seed=seed))
    kinds = [None] * 8 + ["hole", "bump", "roughness", "hole"] * 4
    tests = [height_map(1000 * seed + 500 + i, kind) for i, kind in enumerate(kinds)]
    value = au_pro([detector.score(test).pixels for test in tests], [test.mask for test in tests], limit=0.3)
    assert isinstance(value, float)
    return value


def test_long_run(tmp_path: Path) -> None:
    pretrained = [quality(teacher(tmp_path, seed, 1600), seed, 800) for seed in range(3)]
    random = [quality(teacher(tmp_path, seed, 0), seed, 800) for seed in range(3)]
    print("pretrained", np.round(pretrained, 3), "random", np.round(random, 3))
    assert min(pretrained) >= 0.85
    assert np.mean(pretrained) > np.mean(random)


def test_short_run_ablations(tmp_path: Path) -> None:
    seeds = range(2)
    paths = [teacher(tmp_path, seed, 400) for seed in seeds]
    base = np.mean([quality(path, seed, 400) for seed, path in enumerate(paths)])
    turned = np.mean([quality(path, seed, 400, rotate=True) for seed, path in enumerate(paths)])
    absolute = np.mean([quality(teacher(tmp_path, seed, 400, "absolute"), seed, 400) for seed in seeds])
    print("base", round(base, 3), "absolute", round(absolute, 3), "rotated", round(turned, 3))
    assert absolute <= base - 0.1
    assert turned <= base - 0.1
