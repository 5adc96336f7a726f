"""Small datasets on disk for the tests of every room: a bump on a table, seen by a calibrated camera."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from geoad.data import write_scan
from geoad.geometry import Camera, XYZImage, depth_to_xyz

SMALL = (48, 64)
KINDS = ("good", "dent", "hole")


class Scan(NamedTuple):
    """What a scan consists of; the mask is None on a good one."""

    image: XYZImage
    mask: np.ndarray | None
    camera: Camera


def make_scan(shape: tuple[int, int] = SMALL, kind: str = "good", seed: int = 0) -> Scan:
    """Return a scan of a round part on a table 0.6 m away; "dent" presses it in, "hole" loses the points of a disc."""
    random = np.random.default_rng(seed)
    height, width = shape
    camera = Camera(0.01, -2000.0, 0.006 / width, 0.006 / width, (width - 1) / 2, (height - 1) / 2, width, height)
    rows, columns = np.indices(shape, dtype=np.float32)
    y, x = (rows - height / 2) / height, (columns - width / 2) / height
    radius = np.hypot(x, y) / (0.35 + 0.01 * random.standard_normal())
    depth = 0.6 - 0.04 * np.sqrt(np.clip(1 - radius**2, 0, None)) + 1e-4 * random.standard_normal(shape)
    centre = random.uniform(-0.12, 0.12, 2)
    away = np.hypot(x - centre[0], y - centre[1])
    mask = away < 0.08
    if kind == "dent":
        depth += 0.012 * np.exp(-((away / 0.04) ** 2))
    depth[random.random(shape) < 0.02] = 0
    depth[:, : width // 16] = 0
    if kind == "hole":
        depth[mask] = 0
    grey = np.clip(255 * (1.1 - 10 * np.abs(depth - 0.57)), 0, 255)[..., None] * (depth > 0)[..., None]
    image = depth_to_xyz(depth.astype(np.float32), camera)
    return Scan(
        XYZImage(image.xyz, (grey * (1.0, 0.8, 0.6)).astype(np.uint8)), mask if kind != "good" else None, camera
    )


def make_tree(
    root: Path,
    *,
    categories: tuple[str, ...] = ("bagel",),
    shape: tuple[int, int] = SMALL,
    train: int = 3,
    validation: int = 1,
    test: int = 2,
    kinds: tuple[str, ...] = KINDS,
) -> Path:
    """Write a tree in MVTec 3D-AD's layout, `test` scans of each kind, and return its root."""
    for c, category in enumerate(categories):
        places = [
            ("train", "good", train),
            ("validation", "good", validation),
            *(("test", kind, test) for kind in kinds),
        ]
        seed = 1000 * c
        for split, kind, count in places:
            for i in range(count):
                seed += 1
                scan = make_scan(shape, kind, seed)
                mask = np.zeros(shape, bool) if scan.mask is None and split == "test" else scan.mask
                write_scan(root / category / split / kind, f"{i:03d}", scan.image, mask=mask)
        (root / category / "calibration").mkdir(parents=True)
        make_scan(shape).camera.save(root / category / "calibration" / "camera_parameters.json")
        codes = {"255": "dent", "254": "hole", "0": "good"}
        (root / category / "class_ids.json").write_text(json.dumps(codes))
    return root
