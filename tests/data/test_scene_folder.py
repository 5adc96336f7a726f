"""Scenes as files: tables beside them, whole or not at all, by whoever comes first."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from geoad.data import scene_folder
from geoad.data.scene_folder import SceneFolder
from geoad.data.scenes import Scenes
from geoad.nn.point_graph import point_graph

SMALL = {"points": 60, "objects": 2}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_scenes_and_their_tables_are_those_that_would_be_made_anew(tmp_path: Path) -> None:
    stored = SceneFolder(tmp_path, 3, k=5, seed=4, **SMALL)
    for scene, fresh in zip(stored, Scenes(3, seed=4, **SMALL), strict=True):
        graph = point_graph(fresh, 5)
        assert np.array_equal(scene.points, fresh) and np.array_equal(scene.index, graph["index"].numpy())
        assert scene.points.dtype == np.float32 and scene.index.dtype == np.int32
    assert np.array_equal(stored[-1].points, stored[2].points) and len(stored[1:]) == 2
    with pytest.raises(IndexError):
        stored[3]


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_map_is_what_was_saved(tmp_path: Path, order: str) -> None:
    array = np.asarray(np.arange(12.0).reshape(4, 3), order=order)
    np.save(tmp_path / "a.npy", array)
    assert np.array_equal(scene_folder._map(tmp_path / "a.npy"), array)


def test_mapped_scenes_keep_no_file_open(tmp_path: Path) -> None:
    stored = SceneFolder(tmp_path, 3, k=5, **SMALL)
    stored.fill()
    before = len(os.listdir("/proc/self/fd"))
    scenes = [stored[i] for i in (0, 1, 2) * 20]
    assert len(os.listdir("/proc/self/fd")) == before and len(scenes) == 60


def test_what_is_there_is_read_and_never_written_to(tmp_path: Path) -> None:
    SceneFolder(tmp_path, 2, k=5, **SMALL).fill()
    before = contents(tmp_path)
    again = SceneFolder(tmp_path, 2, k=5, **SMALL)
    again.fill(progress=lambda done: pytest.fail(f"made scene {done} again"))
    torch.from_numpy(again[0].points).zero_()  # a map that torch takes without a warning, and that is nobody else's
    assert contents(tmp_path) == before and again[0].points.any()


def test_another_k_adds_tables_to_the_same_scenes(tmp_path: Path) -> None:
    SceneFolder(tmp_path, 1, k=5, **SMALL).fill()
    before = contents(tmp_path)
    assert SceneFolder(tmp_path, 1, k=7, **SMALL)[0].index.shape == (60, 7)
    assert contents(tmp_path).items() > before.items()


def test_several_processes_make_the_same_and_tell_how_many(tmp_path: Path) -> None:
    told: list[int] = []
    one, two = SceneFolder(tmp_path / "1", 4, k=5, **SMALL), SceneFolder(tmp_path / "2", 4, k=5, **SMALL)
    one.fill()
    two[1]
    two.fill(jobs=2, progress=told.append)
    assert told == [2, 3, 4] and contents(tmp_path / "1") == contents(tmp_path / "2")


def test_whoever_is_told_may_end_it(tmp_path: Path) -> None:
    def enough(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    stored = SceneFolder(tmp_path, 9, k=5, **SMALL)
    with pytest.raises(KeyboardInterrupt):
        stored.fill(progress=enough)
    assert sum(path.suffix == ".npy" for path in tmp_path.iterdir()) == 4 and not list(tmp_path.glob("*.tmp"))


def test_a_table_that_cannot_be_written_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(one: Path, two: Path) -> None:
        if ".k5." in str(two):
            raise OSError("disk full")
        os.rename(one, two)

    monkeypatch.setattr(os, "replace", full)
    stored = SceneFolder(tmp_path, 1, k=5, **SMALL)
    with pytest.raises(OSError, match="disk full"):
        stored.fill()
    assert not (tmp_path / "000000.k5.npy").exists()
    monkeypatch.undo()
    assert stored[0].index.shape == (60, 5)


@pytest.mark.parametrize("name", ["000000.npy", "000000.k5.npy"])
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    stored = SceneFolder(tmp_path, 1, k=5, **SMALL)
    stored.fill()
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:200])
    with pytest.raises(ValueError, match=rf"{name}: not a readable npy") as caught:
        stored[0]
    assert "\n" not in str(caught.value)


def meshes(root: Path, size: float) -> Path:
    root.mkdir()
    (root / "part.off").write_text(f"OFF\n3 1 0\n0 0 0\n{size} 0 0\n0 1 0\n3 0 1 2\n")
    return root


def test_scenes_of_files_that_are_gone_are_not_those_of_others(tmp_path: Path) -> None:
    def open_folder(source: Path) -> SceneFolder:
        return SceneFolder(tmp_path / "scenes", 1, k=5, points=60, objects=1, source=f"meshes:{source}")

    one = meshes(tmp_path / "parts", 1)
    open_folder(one).fill()
    (tmp_path / "far").mkdir()
    moved = one.rename(tmp_path / "far" / "parts")
    open_folder(moved)
    shutil.rmtree(moved)
    for place in (moved, one):
        meshes(place, 1.25)
        with pytest.raises(ValueError, match=r"settings\.json: holds scenes of other files: choose another folder"):
            open_folder(place)
        shutil.rmtree(place)
    note = tmp_path / "scenes" / "settings.json"
    settings = json.loads(note.read_text())
    del settings["files"]
    note.write_text(json.dumps(settings, sort_keys=True))  # as older versions wrote it
    grown = meshes(one, 1) / "another.off"
    shutil.copy(one / "part.off", grown)
    open_folder(one)
    grown.unlink()
    with pytest.raises(ValueError, match=r"settings\.json: holds scenes of other files: choose another folder"):
        open_folder(one)
    shutil.rmtree(one)
    note.write_text(json.dumps(settings, sort_keys=True))
    open_folder(meshes(moved, 2))
    upgraded = json.loads(note.read_text())
    assert upgraded.pop("files") and upgraded == settings


def test_numbers_of_numpy_are_settings(tmp_path: Path) -> None:
    SceneFolder(tmp_path, 1, k=5, **SMALL)[0]
    SceneFolder(tmp_path, np.int64(1), k=np.int64(5), points=np.int64(60), objects=np.int64(2))[0]  # type: ignore[arg-type]


def test_other_settings_and_faults_write_nothing(tmp_path: Path) -> None:
    SceneFolder(tmp_path / "a", 2, k=5, seed=1, **SMALL)
    SceneFolder(tmp_path / "a", 2, k=5, **SMALL)[0]  # the folder was still empty
    before = contents(tmp_path / "a")
    with pytest.raises(ValueError, match="choose another folder"):
        SceneFolder(tmp_path / "a", 2, k=5, seed=1, **SMALL)
    with pytest.raises(ValueError, match="points must be greater than k = 60, got 60"):
        SceneFolder(tmp_path / "b", 2, k=60, **SMALL)
    with pytest.raises(ValueError, match="k must be positive, got 0"):
        SceneFolder(tmp_path / "b", 2, k=0, **SMALL)
    assert contents(tmp_path / "a") == before and not (tmp_path / "b").exists()
    for damaged in ("", "null", "[1]", "{}"):
        (tmp_path / "a" / "settings.json").write_text(damaged)
        with pytest.raises(ValueError, match=r"a/settings\.json: holds scenes of .*: choose another folder"):
            SceneFolder(tmp_path / "a", 2, k=5, **SMALL)


def test_a_folder_of_the_same_name_elsewhere_is_another_source(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    for name, side in (("a", 1.0), ("b", 3.0)):
        (tmp_path / name / "parts").mkdir(parents=True)
        trimesh.creation.box([side, 1, 1]).export(tmp_path / name / "parts" / "box.stl")
    how = {"k": 5, "points": 60, "objects": 1}
    SceneFolder(tmp_path / "scenes", 1, source=f"meshes:{tmp_path}/a/parts", **how)[0]
    with pytest.raises(ValueError, match="choose another folder"):
        SceneFolder(tmp_path / "scenes", 1, source=f"meshes:{tmp_path}/b/parts", **how)


def test_two_that_begin_together_do_not_mix_their_scenes(tmp_path: Path) -> None:
    one = SceneFolder(tmp_path, 2, k=4, points=100, objects=1, seed=0)
    two = SceneFolder(tmp_path, 2, k=4, points=60, objects=1, seed=2)  # the folder was still empty
    with pytest.raises(ValueError, match=r"holds scenes of .*60.*, not of .*100.*: choose another folder"):
        one.fill()
    assert two[0].points.shape == (60, 3)
    with pytest.raises(ValueError, match="choose another folder"):
        one[0]


def test_a_draft_is_no_scene(tmp_path: Path) -> None:
    SceneFolder(tmp_path, 1, k=5, seed=1, **SMALL)
    (tmp_path / ".0123.npy").write_bytes(b"half")
    SceneFolder(tmp_path, 1, k=5, **SMALL)


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    stored = SceneFolder(tmp_path / "scenes", 1, k=5, **SMALL)
    shutil.rmtree(tmp_path / "scenes")
    assert stored[0].points.shape == (60, 3)
    with pytest.raises(ValueError, match="choose another folder"):
        SceneFolder(tmp_path / "scenes", 1, k=5, **{**SMALL, "seed": 7})


def test_a_folder_serves_two_machines_on_which_its_source_lies_elsewhere(tmp_path: Path) -> None:
    for machine in "ab":
        (tmp_path / machine / "parts").mkdir(parents=True)
        np.save(tmp_path / machine / "parts" / "1.npy", np.random.default_rng(0).random((300, 3), np.float32))
    kept = tmp_path / "scenes"
    one = SceneFolder(kept, 1, k=5, points=60, source=f"scans:{tmp_path}/a/parts")
    assert len(one[0].points) == 60
    (tmp_path / "a").rename(tmp_path / "c")
    two = SceneFolder(kept, 1, k=5, points=60, source=f"scans:{tmp_path}/b/parts")
    (tmp_path / "c").rename(tmp_path / "a")
    assert np.array_equal(one[0].points, two[0].points)


def test_scenes_are_made_by_one_process_or_more(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="jobs must be positive, got 0"):
        SceneFolder(tmp_path, 1, k=5, **SMALL).fill(jobs=0)
