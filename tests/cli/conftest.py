"""A tree, a trained run and the command line, for the tests of every command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from geoad.cli import main
from tests.cli.said import SMALL, Said
from tests.trees import make_tree


@pytest.fixture
def geoad(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def call(*words: object) -> Said:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as exit:
            code = int(exit.code or 0)
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two categories in MVTec 3D-AD's tree."""
    return make_tree(tmp_path_factory.mktemp("tree"), categories=("bagel", "rope"))


@pytest.fixture(scope="module")
def trained(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the voxel model on one category."""
    out = tmp_path_factory.mktemp("runs") / "bagel"
    assert main(["fit", "voxel-vm", "--data", f"mvtec3d:{tree}", "--category", "bagel", "--out", str(out), *SMALL]) == 0
    return out


@pytest.fixture
def copy(tree: Path, tmp_path: Path) -> Path:
    """The tree, to damage."""
    return shutil.copytree(tree, tmp_path / "copy")
