"""The root folder on disk: whole files or none, and a manifest that says what they are."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad._whole_file import make_folder, remove_drafts, write_whole

MANIFEST = "manifest.json"


def write_xyz(path: Path, xyz: NDArray[np.float32]) -> str:
    """Write xyz (H, W, 3) as an uncompressed float32 tiff without a date, and return its SHA-256.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     len(write_xyz(Path(folder) / "a.tiff", np.ones((4, 5, 3), np.float32)))
    64
    """
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(file, xyz, photometric="rgb", metadata=None, software=False)
    return write_bytes(path, file.getvalue())


def write_png(path: Path, pixels: NDArray[np.uint8]) -> str:
    """Write an 8-bit image (H, W) or (H, W, 3), and return its SHA-256.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     len(write_png(Path(folder) / "a.png", np.zeros((4, 5), np.uint8)))
    64
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="png", compress_level=1)
    return write_bytes(path, file.getvalue())


def write_bytes(path: Path, data: bytes) -> str:
    """Write a file, whole or not at all, and return its SHA-256.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bytes(Path(folder) / "a.txt", b"a")[:8]
    'ca978112'
    """
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def pcd_bytes(points: NDArray[np.float32]) -> bytes:
    """Return points (N, 3) as a binary .pcd file.

    >>> pcd_bytes(np.zeros((2, 3), np.float32)).count(b"POINTS 2")
    1
    """
    lines = [
        *("VERSION 0.7", "FIELDS x y z", "SIZE 4 4 4", "TYPE F F F", "COUNT 1 1 1", f"WIDTH {len(points)}"),
        *("HEIGHT 1", "VIEWPOINT 0 0 0 1 0 0 0", f"POINTS {len(points)}", "DATA binary", ""),
    ]
    return "\n".join(lines).encode() + points.astype("<f4").tobytes()


def txt_bytes(points: NDArray[np.float32], labels: NDArray[np.bool_]) -> bytes:
    """Return a line "x y z label" a point, for points (N, 3) and labels (N,).

    >>> txt_bytes(np.ones((1, 3), np.float32), np.ones(1, bool))
    b'1.00000 1.00000 1.00000 1\\n'
    """
    rows = zip(points.tolist(), labels.tolist(), strict=True)
    return "".join(f"{x:.5f} {y:.5f} {z:.5f} {label:d}\n" for (x, y, z), label in rows).encode()


def check_ours(root: Path, settings: dict[str, Any], paths: Collection[PurePosixPath]) -> dict[str, Any] | None:
    """Return the manifest of `root`, None if it is empty or not there.

    Raises ValueError if the folder holds other files than `paths` and the manifest, or was made with other settings.

    >>> check_ours(Path("no such folder"), {"seed": 0}, [])
    """
    if root.exists() and not root.is_dir():
        raise ValueError(f"{root} must be a folder, got a file: choose another root")
    manifest = _read(root / MANIFEST)
    if manifest is not None:
        _compare(root, manifest, settings)
    ours = () if manifest is None else (*paths, PurePosixPath(MANIFEST))
    _refuse_foreign(root, {root / path for path in ours})
    return manifest


def claim(root: Path, settings: dict[str, Any], paths: Collection[PurePosixPath]) -> dict[str, Any]:
    """Make `root` ours and return its manifest: a new one in an empty folder, the old one if its settings are equal.

    Raises what `check_ours` does. Temporary files of an interrupted run are removed: nobody else may be at work here.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     claim(Path(folder), {"seed": 0}, [])
    {'seed': 0, 'complete': False, 'files': {}}
    """
    make_folder(root)
    manifest = check_ours(root, settings, paths)
    for folder in {(root / path).parent for path in (*paths, PurePosixPath(MANIFEST))}:
        remove_drafts(folder)
    if manifest is None:
        manifest = {**settings, "complete": False, "files": {}}
        save(root, manifest)
    return manifest


def save(root: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Path(folder), {"files": {}})
    ...     (Path(folder) / MANIFEST).exists()
    True
    """
    write_whole(root / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     checksum(Path(file.name))[:8]
    'e3b0c442'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    """The manifest of an earlier run, None if there is none."""
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return {**manifest, "complete": bool(manifest["complete"]), "files": dict(manifest["files"])}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: not a manifest of sim3d: choose an empty root") from error


def _compare(root: Path, manifest: dict[str, Any], settings: dict[str, Any]) -> None:
    """Raise ValueError where the settings of the earlier run differ."""
    for name, value in settings.items():
        if manifest.get(name) != value:
            raise ValueError(f"{root} was made with {name} {manifest.get(name)}, got {value}: choose another root")


def _refuse_foreign(root: Path, known: set[Path]) -> None:
    """Raise ValueError for a file that is none of ours."""
    for path in sorted(root.rglob("*")):
        if path not in known and not path.is_dir() and not path.name.startswith("."):
            name = path.relative_to(root)
            raise ValueError(f"{root} holds a file that is not sim3d's, {name}: choose an empty folder")
