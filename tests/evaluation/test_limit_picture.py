"""The curve of figure 9.6."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from geoad.evaluation.limit_picture import write_limit_curves


def test_a_higher_curve_is_drawn_higher(tmp_path: Path) -> None:
    reds = []
    for name, area in (("low", 0.3), ("high", 0.8)):
        write_limit_curves(tmp_path / f"{name}.png", {("Voxel VM", "3D"): {0.05: area, 1.0: area}}, "sim3d")
        pixels = np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")).astype(int)
        blue = (np.abs(pixels - (31, 119, 180)).sum(-1) < 10).sum(1)
        reds.append(int(blue.argmax()))
    assert reds[1] < reds[0] - 100
