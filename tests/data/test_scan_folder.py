"""Scans as pretraining scenes: every format, the splits, and what is refused by what words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from geoad.data.scan_folder import OVERSAMPLE, ScanFolder, read_points
from geoad.data.scenes import Scenes

trimesh = pytest.importorskip("trimesh")

CLOUD = np.random.default_rng(0).uniform(1, 2, (120, 3)).astype(np.float32)


def write_bin(path: Path, cloud: np.ndarray = CLOUD) -> None:
    np.c_[cloud, np.ones(len(cloud))].astype("<f4").tofile(path)


def write_pcd(path: Path) -> None:
    head = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 120\nHEIGHT 1\nDATA binary\n"
    path.write_bytes(head.encode() + CLOUD.tobytes())


WRITERS = {
    "kitti.bin": write_bin,
    "cloud.npy": lambda path: np.save(path, CLOUD),
    "image.npy": lambda path: np.save(path, CLOUD.reshape(10, 12, 3)),
    "scan.pcd": write_pcd,
    "fragment.ply": lambda path: trimesh.PointCloud(CLOUD).export(path),
    "scan.tif": lambda path: tifffile.imwrite(path, CLOUD.reshape(10, 12, 3), photometric="rgb"),
    "scan.TIFF": lambda path: tifffile.imwrite(path, CLOUD.reshape(10, 12, 3), photometric="rgb"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_its_points(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    assert np.array_equal(read_points(tmp_path / name), CLOUD)
    scene = Scenes(1, points=50, source=f"scans:{tmp_path}")[0]
    assert scene.shape == (50, 3) and len(np.unique(scene, axis=0)) == 50
    assert {point.tobytes() for point in scene} <= {point.tobytes() for point in CLOUD}


def test_a_mesh_is_sampled_more_densely_than_its_scene(tmp_path: Path) -> None:
    trimesh.creation.box([1, 1, 1]).export(tmp_path / "part.ply")
    scene = Scenes(1, points=50, source=f"scans:{tmp_path}")[0]
    assert np.allclose(np.abs(scene).max(1), 0.5) and len(np.unique(scene, axis=0)) == 50


def test_invalid_points_are_left_out(tmp_path: Path) -> None:
    write_bin(tmp_path / "scan.bin", np.float32([[1, 2, 3], [0, 0, 0], [np.nan, 1, 1], [np.inf, 1, 1], [4, 5, 6]]))
    assert read_points(tmp_path / "scan.bin").tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_scene_is_a_function_of_seed_and_index(tmp_path: Path) -> None:
    for i in range(4):
        write_bin(tmp_path / f"{i}.bin", CLOUD + i)
    one, two = (Scenes(8, points=20, source=f"scans:{tmp_path}", seed=3) for _ in range(2))
    assert all(np.array_equal(one[i], two[i]) for i in reversed(range(8)))
    assert len({int(scene[0, 0]) for scene in one}) > 1  # of several files
    assert len({scene.tobytes() for scene in one}) == 8  # thinned from other starts


def test_one_file_of_twenty_is_for_validation(tmp_path: Path) -> None:
    for i in range(42):
        (tmp_path / f"{i:02d}.bin").touch()
    (tmp_path / "labels.txt").touch()
    train, test, both = (ScanFolder(tmp_path, split) for split in ("train", "test", None))
    assert [path.stem for path in test.files] == ["00", "20", "40"]
    assert sorted(train.files + test.files) == both.files and len(both.files) == 42
    with pytest.raises(ValueError, match="unknown split 'val'"):
        ScanFolder(tmp_path, "val")


def test_folders_without_scans(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        ScanFolder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"holds no scan \(\.bin, \.npy"):
        ScanFolder(tmp_path)
    write_bin(tmp_path / "only.bin")
    with pytest.raises(FileNotFoundError, match="a single scan, and that is for validation"):
        ScanFolder(tmp_path, "train")
    assert len(ScanFolder(tmp_path, "test").files) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("part.bin", b"123", r"part\.bin: not a readable bin \(3 bytes are no rows of four float32"),
        ("part.bin", b"", r"part\.bin: not a readable bin"),
        ("part.ply", b"no mesh", r"part\.ply: not a readable ply"),
        ("part.pcd", b"no cloud", r"part\.pcd: not a readable pcd"),
        ("part.tif", b"no image", r"part\.tif: not a readable tif"),
        ("part.bin", np.ones((49, 4), "<f4").tobytes(), r"part\.bin has 49 points, fewer than the 50 of a scene: ask"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        Scenes(1, points=50, source=f"scans:{tmp_path}")[0]
    assert "\n" not in str(caught.value)


def test_an_object_of_ones_own_is_a_source() -> None:
    class Wall:
        def scan(self, rng: np.random.Generator, least: int) -> np.ndarray:
            return np.c_[rng.random((2 * least, 2)), np.zeros(2 * least)].astype(np.float32)

    scene = Scenes(1, points=30, source=Wall())[0]
    assert scene.shape == (30, 3) and not scene[:, 2].any()


@pytest.mark.data
def test_scenes_of_real_scans(shared_data: Path) -> None:
    source = ScanFolder(shared_data / "organized_scans" / "xyz")
    scene = Scenes(1, points=500, source=source)[0]
    assert len(source.files) == 4 and len(np.unique(scene, axis=0)) == 500


def test_a_mesh_gives_more_points_than_its_scene_has(tmp_path: Path) -> None:
    trimesh.creation.box([1, 1, 1]).export(tmp_path / "part.ply")
    assert len(ScanFolder(tmp_path).scan(np.random.default_rng(0), least=50)) == 50 * OVERSAMPLE


def test_a_mesh_is_sampled_anew_for_each_scene(tmp_path: Path) -> None:
    trimesh.creation.box([1, 1, 1]).export(tmp_path / "box.ply")
    source, rng = ScanFolder(tmp_path), np.random.default_rng(0)
    assert not np.array_equal(source.scan(rng, least=5), source.scan(rng, least=5))
