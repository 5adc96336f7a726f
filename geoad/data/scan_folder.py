"""Scans from files, each a pretraining scene by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.data.listing import files_below
from geoad.data.reading import reading
from geoad.data.scan_file import read_scan
from geoad.geometry.xyz_image import XYZImage

SUFFIXES = (".bin", ".npy", ".pcd", ".ply", ".tif", ".tiff")
HELD_OUT = 20  # every so many files, one is for validation: 50 of 1050 scenes are, in the thesis
OVERSAMPLE = 10  # a .ply with faces gets so many times the points that are wanted, before they are thinned


class ScanFolder:
    """The scan source `scans`: every .bin (KITTI), .npy, .pcd, .ply, .tif and .tiff file below a folder.

    A .bin holds float32 x, y, z and intensity; the others are what `read_scan` reads. Points that are not finite, or
    all zero, are left out. Of the files in the order of their paths, `split="test"` takes every twentieth from the
    first on, `split="train"` the others, None all of them.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     np.save(f"{root}/scan.npy", np.ones((5, 3), np.float32))
    ...     ScanFolder(root).scan(np.random.default_rng(0), least=5).shape
    (5, 3)
    """

    def __init__(self, root: str | Path, split: str | None = None) -> None:
        if not Path(root).is_dir():
            raise FileNotFoundError(f"{root} is not a folder")
        files = files_below(Path(root), SUFFIXES)
        if not files:
            raise FileNotFoundError(f"{root} holds no scan ({', '.join(SUFFIXES)})")
        if split is not None:
            _check.one_of("split", split, ("train", "test"))
            files = [path for i, path in enumerate(files) if (i % HELD_OUT == 0) == (split == "test")]
        if not files:
            raise FileNotFoundError(f"{root} holds a single scan, and that is for validation: at least 2 are needed")
        self.files = files

    def scan(self, rng: np.random.Generator, least: int) -> NDArray[np.float32]:
        """Draw one file, uniformly and with replacement, and read its points (N, 3).

        Raises ValueError that names the file if it cannot be read or has fewer than `least` points.
        """
        path = self.files[rng.integers(len(self.files))]
        points = read_points(path, sampled=least * OVERSAMPLE, seed=int(rng.integers(2**32)))
        if len(points) < least:
            raise ValueError(
                f"{path} has {len(points)} points, fewer than the {least} of a scene: "
                "ask for fewer points, or remove the file"
            )
        return points


def read_points(path: str | Path, *, sampled: int = 100_000, seed: int = 0) -> NDArray[np.float32]:
    """Read the valid points (N, 3) of a scan file; of a .ply with faces, `sampled` points drawn on them by `seed`.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".bin") as file:
    ...     np.float32([[1, 2, 3, 0.5], [0, 0, 0, 0]]).tofile(file.name)
    ...     read_points(file.name).tolist()
    [[1.0, 2.0, 3.0]]
    """
    image = (
        _read_velodyne(Path(path))
        if Path(path).suffix.lower() == ".bin"
        else read_scan(path, points=sampled, seed=seed)
    )
    points: NDArray[np.float32] = image.xyz[image.valid]
    return points


def _read_velodyne(path: Path) -> XYZImage:
    with reading(path, "bin"):
        content = path.read_bytes()
        if not content or len(content) % 16:
            raise ValueError(f"{len(content)} bytes are no rows of four float32: x, y, z, intensity")
        return XYZImage(np.frombuffer(content, "<f4").reshape(1, -1, 4)[..., :3])
