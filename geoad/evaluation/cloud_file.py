"""A scored cloud as a file that viewers open: where on the part its scores are high."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoad._whole_file import write_whole
from geoad.evaluation.picture import Limits, palette
from geoad.sample import Sample

FIELDS = {"x": "<f4", "y": "<f4", "z": "<f4", "red": "u1", "green": "u1", "blue": "u1", "score": "<f4"}
NAMES = {"<f4": "float", "u1": "uchar"}


def write_scored_cloud(path: str | Path, sample: Sample, scores: NDArray[np.float32], limits: Limits) -> None:
    """Write the valid points of a sample as a binary .ply, in its unit and frame, with the property `score`.

    Colours go from low to high scores between `limits`, as in the pictures. Raises ValueError for scores (H, W) of
    another size than the sample, or a sample without xyz.

    >>> import tempfile
    >>> from geoad.data.scan_file import read_scan
    >>> from geoad.geometry.xyz_image import XYZImage
    >>> sample = Sample(xyz=XYZImage(np.random.default_rng(0).random((1, 5, 3))))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_scored_cloud(f"{folder}/part.ply", sample, np.float32([[0, 1, 2, 3, 9]]), (0.0, 3.0))
    ...     read_scan(f"{folder}/part.ply").rgb[0].tolist()
    [[0, 0, 3], [120, 28, 109], [237, 104, 37], [252, 254, 164], [252, 254, 164]]
    """
    if sample.xyz is None or scores.shape != sample.shape:
        raise ValueError(f"{sample.place} must have xyz, and scores of its size, got {scores.shape}")
    valid = sample.xyz.valid
    rows = np.empty(np.count_nonzero(valid), dtype=[*FIELDS.items()])
    rows["x"], rows["y"], rows["z"] = sample.xyz.xyz[valid].T
    rows["red"], rows["green"], rows["blue"] = palette(scores[valid], limits).T
    rows["score"] = scores[valid]
    properties = "".join(f"property {NAMES[kind]} {name}\n" for name, kind in FIELDS.items())
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{properties}end_header\n"
    write_whole(path, head.encode() + rows.tobytes())
