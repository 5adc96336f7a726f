"""Trees in MVTec 3D-AD's layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trees import make_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two small categories that a test may damage."""
    return make_tree(tmp_path / "tree", categories=("bagel", "rope"))


@pytest.fixture(scope="session")
def full_size_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One category at the originals' 800×800; read only."""
    root = tmp_path_factory.mktemp("full_size")
    return make_tree(root, shape=(800, 800), train=2, test=1)
