"""Mesh sources on disk: which files are found, which are refused, and by what words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from geoad._optional import need
from geoad.data.mesh_folder import MeshFolder, ModelNet10, read_mesh
from geoad.data.scenes import Scenes, open_source

trimesh = pytest.importorskip("trimesh")


def write_off(path: Path, size: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    trimesh.creation.box([size, 1, 1]).export(path)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for part in ("chair/train/chair_0001", "chair/test/chair_0890", "sofa/train/sofa_0001", "lamp/train/lamp_0001"):
        write_off(tmp_path / f"{part}.off")
    return tmp_path


def test_modelnet_finds_the_split_of_its_ten_classes(models: Path) -> None:
    assert [p.name for p in ModelNet10(models).files] == ["chair_0001.off", "sofa_0001.off"]
    assert [p.name for p in ModelNet10(models, split="test").files] == ["chair_0890.off"]
    with pytest.raises(ValueError, match=r"unknown split 'val'.*known: test, train"):
        ModelNet10(models, split="val")


def test_modelnet_in_the_folder_of_torch_geometric(models: Path, tmp_path: Path) -> None:
    root = tmp_path / "pyg"
    root.mkdir()
    (models / "chair").rename(models / "keep")
    (root / "raw").mkdir()
    (models / "keep").rename(root / "raw" / "chair")
    assert [p.name for p in ModelNet10(root).files] == ["chair_0001.off"]
    assert [p.name for p in open_source(f"modelnet10:{root}", "test").files] == ["chair_0890.off"]  # type: ignore[union-attr]


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """torch-geometric's loader without a network: it writes one model, or fails in a folder called offline."""
    calls: list[tuple[str, ...]] = []

    def download(*words: str) -> None:
        calls.append(words)
        if words[0].endswith("offline"):
            raise ConnectionError("no route to host")
        write_off(Path(words[0]) / "raw" / "bed" / "train" / "bed_0001.off")

    monkeypatch.setattr("geoad.data.modelnet_download.need", lambda *_: SimpleNamespace(ModelNet=download))
    return calls


def test_modelnet_is_downloaded_once(tmp_path: Path, loader: list[tuple[str, ...]]) -> None:
    for _ in range(2):
        source = open_source(f"modelnet10-download:{tmp_path}")
        assert [p.name for p in source.files] == ["bed_0001.off"]  # type: ignore[union-attr]
    assert loader == [(str(tmp_path), "10")]


def test_modelnet_without_a_network(tmp_path: Path, loader: list[tuple[str, ...]]) -> None:
    with pytest.raises(
        OSError, match=r"offline: torch_geometric could not download.*no route to host.*modelnet10:ROOT"
    ):
        open_source(f"modelnet10-download:{tmp_path / 'offline'}")


def test_the_loader_is_where_it_is_looked_for() -> None:
    assert need("torch_geometric.datasets", "test").ModelNet.__name__ == "ModelNet"


def test_modelnet_without_models(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no <class>/train/\*.off of ModelNet10"):
        ModelNet10(tmp_path)


def test_folder_takes_every_kind_of_mesh_at_any_depth(tmp_path: Path) -> None:
    for name in ("b.ply", "a/x.obj", "a/y.stl", "z.OFF"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        trimesh.creation.box([3, 2, 1]).export(target, file_type=target.suffix[1:].lower())
    (tmp_path / "notes.txt").write_text("not a mesh")
    source = MeshFolder(tmp_path)
    assert [p.name for p in source.files] == ["x.obj", "y.stl", "b.ply", "z.OFF"]
    assert all(read_mesh(path).area == pytest.approx(22) for path in source.files)


def test_empty_and_absent_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no mesh"):
        MeshFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder"):
        Scenes(source=f"meshes:{tmp_path}/nowhere")


def test_the_glued_header_of_some_modelnet_files(tmp_path: Path) -> None:
    (tmp_path / "glued.off").write_text("OFF3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    assert read_mesh(tmp_path / "glued.off").area == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("this is no mesh", "not a readable mesh"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n", "not a readable mesh"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n2 0 0\n3 0 1 2\n", "has no area"),
        ("OFF\n3 1 0\n0 0 0\nnan 0 0\n0 1 0\n3 0 1 2\n", "got 1, 1 of them not finite"),
        ("OFF\n3 2 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n", "truncated: 1 of 2 faces"),
        ("OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n", "part.off must hold finite triangles, got 0$"),
        ("", "part.off"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "part.off"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_mesh(path)
    assert "part.off" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"part\.off"):
        Scenes(2, source=f"meshes:{tmp_path}", points=10)[0]


def test_draws_are_uniform_over_the_files(tmp_path: Path) -> None:
    for size in range(1, 4):
        write_off(tmp_path / f"{size}.off", size)
    rng = np.random.default_rng(0)
    source = MeshFolder(tmp_path)
    sizes = np.bincount([round(source.draw(rng).extents[0]) for _ in range(90)], minlength=4)[1:]
    assert sizes.sum() == 90 and sizes.min() > 15


@pytest.mark.data
def test_scenes_of_real_bathtubs(shared_data: Path) -> None:
    scenes = Scenes(2, points=500, objects=2, source=f"modelnet10:{shared_data / 'modelnet10_off'}")
    assert len(scenes.source.files) == 5  # type: ignore[attr-defined]
    scene = scenes[0]
    assert len(np.unique(scene, axis=0)) == 500 and np.abs(scene).max() <= 3 + np.sqrt(3) / 2


@pytest.mark.data
def test_scenes_of_common_meshes(shared_data: Path) -> None:
    scene = Scenes(1, points=500, objects=3, source=f"meshes:{shared_data / 'meshes'}")[0]
    assert scene.shape == (500, 3) and np.isfinite(scene).all()


def test_hidden_files_and_folders_are_no_meshes(tmp_path: Path) -> None:
    (tmp_path / ".trash").mkdir()
    for name in ("part.off", "._part.off", ".trash/part.off"):
        (tmp_path / name).write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    assert MeshFolder(tmp_path).files == [tmp_path / "part.off"]
