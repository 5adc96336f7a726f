"""Pretraining scenes: the construction of the thesis (10.4.3), determinism, and errors."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from geoad.data.scenes import SOURCES, Scenes, open_source, place, unit_triangles
from geoad.data.surface import sample_surface

trimesh = pytest.importorskip("trimesh")

LIMIT = 3 + np.sqrt(3) / 2
SMALL = {"points": 400, "objects": 3, "oversample": 4}


class Cubes:
    """A source whose only mesh is a cuboid, not centred."""

    def draw(self, rng: np.random.Generator) -> trimesh.Trimesh:
        return trimesh.creation.box([2.0, 4.0, 8.0]).apply_translation([5 + rng.random(), 0, 0])


def spacing(points: np.ndarray) -> np.ndarray:
    return cKDTree(points).query(points, 2)[0][:, 1]


def test_scenes_have_n_distinct_points_inside_the_room() -> None:
    for scene in Scenes(6, seed=3, **SMALL):
        assert scene.shape == (400, 3) and scene.dtype == np.float32
        assert len(np.unique(scene, axis=0)) == 400
        assert np.abs(scene).max() <= LIMIT


def test_objects_have_a_longest_side_of_one_before_they_are_turned() -> None:
    rng = np.random.default_rng(0)
    for source in (open_source("solids"), Cubes()):
        triangles = unit_triangles(source.draw(rng))
        low, high = triangles.min(axis=(0, 1)), triangles.max(axis=(0, 1))
        assert (high - low).max() == pytest.approx(1)
        assert np.allclose(low + high, 0)


def test_placing_is_a_rotation_and_a_uniform_shift() -> None:
    rng = np.random.default_rng(1)
    corners = np.concatenate([np.zeros((1, 3)), np.eye(3)])[None, :3], np.eye(3)[None]
    shifts, turns = [], []
    for _ in range(2000):
        state = rng.bit_generator.state
        shift = place(np.zeros((1, 3, 3)), rng)[0, 0]
        rng.bit_generator.state = state
        turn = (place(corners[1], rng)[0] - shift).T
        shifts.append(shift)
        turns.append(turn)
    assert np.allclose(np.array(turns) @ np.array(turns).transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(turns), 1)
    assert np.abs(shifts).max() <= 3
    assert np.abs(np.mean(shifts, axis=0)).max() < 5 * np.sqrt(3 / 2000)
    assert np.allclose(np.std(shifts, axis=0), np.sqrt(3), atol=0.1)
    assert np.abs(np.mean(turns, axis=0)).max() < 0.1


def test_rotation_is_rz_ry_rx() -> None:
    angles = np.random.default_rng(4).uniform(0, 2 * np.pi, 3)
    shift = place(np.zeros((1, 3, 3)), np.random.default_rng(4))[0, 0]
    turn = (place(np.eye(3)[None], np.random.default_rng(4))[0] - shift).T
    expected = trimesh.transformations.euler_matrix(*angles, axes="sxyz")[:3, :3]
    assert np.allclose(turn, expected)


def test_points_lie_on_the_objects() -> None:
    scenes = Scenes(1, points=300, objects=2, source=Cubes(), seed=9)
    rng = np.random.default_rng([9, 0])
    boxes = [place(unit_triangles(Cubes().draw(rng)), rng) for _ in range(2)]
    dense, _ = sample_surface(np.concatenate(boxes), 60_000, np.random.default_rng(0))
    assert cKDTree(dense).query(scenes[0])[0].max() < 0.03


def test_farthest_point_sampling_spreads_the_points() -> None:
    scene = Scenes(1, points=2000, objects=3, seed=2)[0]
    rng = np.random.default_rng([2, 0])
    source = open_source("solids")
    triangles = np.concatenate([place(unit_triangles(source.draw(rng)), rng) for _ in range(3)])
    random, _ = sample_surface(triangles, 2000, np.random.default_rng(0))
    assert spacing(scene).min() > 2 * spacing(random).min()
    assert spacing(scene).mean() > 1.2 * spacing(random).mean()
    assert spacing(scene).min() > 0.5 * spacing(scene).mean()


def test_a_scene_is_a_function_of_seed_index_and_settings() -> None:
    scenes = Scenes(5, seed=11, **SMALL)
    backwards = [scenes[i] for i in reversed(range(5))][::-1]
    assert all(np.array_equal(scenes[i], backwards[i]) for i in range(5))
    assert np.array_equal(scenes[-1], scenes[4])
    assert np.array_equal(Scenes(2, seed=11, **SMALL)[1], scenes[1])
    assert np.array_equal(pickle.loads(pickle.dumps(scenes))[2], scenes[2])
    assert [len(s) for s in scenes[1:3]] == [400, 400]


def test_another_process_makes_the_same_scene() -> None:
    code = (
        "import hashlib; from geoad.data.scenes import Scenes\n"
        "scenes = Scenes(4, points=400, objects=3, oversample=4, seed=11)\n"
        "print(hashlib.sha256(scenes[3].tobytes()).hexdigest())"
    )
    root = Path(__file__).resolve().parents[2]
    there = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == hashlib.sha256(Scenes(4, seed=11, **SMALL)[3].tobytes()).hexdigest()


def test_seeds_and_indices_share_no_scene() -> None:
    firsts = [scene[:20].tobytes() for seed in range(3) for scene in Scenes(4, points=50, objects=1, seed=seed)]
    assert len(set(firsts)) == 12
    draws = {np.random.default_rng([seed, i]).random() for seed in (0, 1) for i in range(1050)}
    assert len(draws) == 2100


def test_the_end_of_the_sequence() -> None:
    scenes = Scenes(2, **SMALL)
    with pytest.raises(IndexError, match=r"scene 2 of 2"):
        scenes[2]
    with pytest.raises(IndexError):
        scenes[-3]
    assert len(list(scenes)) == len(scenes) == 2


@pytest.mark.parametrize("name", ["count", "points", "objects", "oversample"])
def test_settings_must_be_positive_integers(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be positive, got 0"):
        Scenes(**{name: 0})
    with pytest.raises(TypeError, match=f"{name} must be an int, got float"):
        Scenes(**{name: 2.5})


def test_small_integers_of_numpy_do_not_overflow() -> None:
    assert Scenes(1, points=np.uint16(7000), objects=1)[0].shape == (7000, 3)


def test_errors_of_sources() -> None:
    with pytest.raises(ValueError, match=r"unknown source 'solid'.*did you mean 'solids'.*known: meshes, modelnet10"):
        Scenes(source="solid")
    with pytest.raises(ValueError, match=r"needs a folder: write modelnet10:FOLDER"):
        Scenes(source="modelnet10")
    with pytest.raises(ValueError, match=r"takes no folder, got 'here'"):
        Scenes(source="solids:here")
    with pytest.raises(TypeError, match=r"source must be a name or have draw\(rng\) or scan\(rng, least\), got 3"):
        Scenes(source=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"seed must be 0 or more, got -1"):
        Scenes(seed=-1)
    with pytest.raises(ValueError, match=r"source 'solids' has no splits, got split='test'"):
        Scenes(split="test")
    assert set(SOURCES) == {"solids", "modelnet10", "modelnet10-download", "meshes", "scans"}
