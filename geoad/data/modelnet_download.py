"""ModelNet10 as torch-geometric downloads it."""

from __future__ import annotations

from pathlib import Path

from geoad._optional import need
from geoad.data.mesh_folder import ModelNet10


class ModelNet10Download(ModelNet10):
    """The mesh source `modelnet10-download`: torch-geometric's ModelNet10 in ROOT, downloaded if it is not there.

    The files of its ROOT/raw are read, not its processed ones: those stand in the order in which a file system happened
    to list them, and the same seed would give other scenes on another machine.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     (file := Path(root) / "raw" / "bed" / "test" / "bed_0001.off").parent.mkdir(parents=True)
    ...     file.touch()
    ...     [path.name for path in ModelNet10Download(root, "test").files]
    ['bed_0001.off']
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        if not any(Path(root).glob("raw/*/*/*.off")):
            self._download(root)
        super().__init__(root, split)

    def _download(self, root: str | Path) -> None:
        loader = need("torch_geometric.datasets", "download ModelNet10").ModelNet
        try:
            loader(str(root), "10")
        except Exception as error:  # whatever a network has in store
            raise OSError(
                f"{root}: torch_geometric could not download ModelNet10 ({type(error).__name__}: {error}): "
                "get it as datasets/modelnet10.md says, and write modelnet10:ROOT"
            ) from error
