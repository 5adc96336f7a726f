"""Meshes from files: any folder of them, or the tree of ModelNet10."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geoad import _check
from geoad.data.listing import files_below
from geoad.data.mesh_file import load_mesh

if TYPE_CHECKING:
    import trimesh

SUFFIXES = (".off", ".obj", ".ply", ".stl")
CLASSES = ("bathtub", "bed", "chair", "desk", "dresser", "monitor", "night_stand", "sofa", "table", "toilet")


class MeshFolder:
    """The mesh source `meshes`: every .off, .obj, .ply and .stl file below a folder, in the order of their paths.

    >>> MeshFolder("no/such/folder")
    Traceback (most recent call last):
    FileNotFoundError: no/such/folder is not a folder
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(f"{root} is not a folder")
        self.files = self._find()

    def draw(self, rng: np.random.Generator) -> trimesh.Trimesh:
        """Draw one file, uniformly and with replacement, and read it."""
        return read_mesh(self.files[rng.integers(len(self.files))])

    def _find(self) -> list[Path]:
        files = files_below(self.root, SUFFIXES)
        if not files:
            raise FileNotFoundError(f"{self.root} holds no mesh ({', '.join(SUFFIXES)})")
        return files


class ModelNet10(MeshFolder):
    """The mesh source `modelnet10`: the models ROOT/<class>/<split>/*.off of the classes that are there.

    ROOT may also be the folder of torch-geometric's loader, which has them in ROOT/raw. `split` is "train" or "test"
    (for the validation scenes; see datasets/modelnet10.md).

    >>> ModelNet10(".", split="test")
    Traceback (most recent call last):
    FileNotFoundError: . holds no <class>/test/*.off of ModelNet10
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        _check.one_of("split", split, ("train", "test"))
        self.split = split
        super().__init__(root)

    def _find(self) -> list[Path]:
        roots = (self.root, self.root / "raw")
        files = sorted(p for root in roots for name in CLASSES for p in root.glob(f"{name}/{self.split}/*.off"))
        if not files:
            raise FileNotFoundError(f"{self.root} holds no <class>/{self.split}/*.off of ModelNet10")
        return files


def read_mesh(path: str | Path) -> trimesh.Trimesh:
    """Read one mesh; ValueError names the file if it is unreadable, truncated, not finite or without area.

    >>> import tempfile, trimesh
    >>> with tempfile.NamedTemporaryFile(suffix=".stl") as file:
    ...     _ = trimesh.creation.box([1, 1, 2]).export(file.name)
    ...     float(read_mesh(file.name).area)
    10.0
    """
    try:
        mesh = load_mesh(path)
        triangles = np.asarray(mesh.triangles, np.float64)
    except ImportError:
        raise
    except Exception as error:  # the readers of trimesh raise whatever their parsing meets
        raise ValueError(f"{path} is not a readable mesh: {type(error).__name__}: {error}") from error
    odd = np.count_nonzero(~np.isfinite(triangles.reshape(-1, 9)).all(1))
    if odd or not len(triangles):
        told = f", {odd} of them not finite" if odd else ""
        raise ValueError(f"{path} must hold finite triangles, got {len(triangles)}{told}")
    if not mesh.area > 0:
        raise ValueError(f"{path} has no area: its {len(triangles)} triangles are lines or points")
    return mesh
