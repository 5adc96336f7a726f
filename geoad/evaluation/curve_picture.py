"""The curves of one evaluation as a picture."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from geoad._whole_file import write_whole
from geoad.metrics import Curve, PixelRanking

SHOWN = 4000
"""Corners of a curve that are drawn: more than a picture has pixels."""


def write_curves(path: str | Path, ranking: PixelRanking, title: str = "", overlap: str = "per-region overlap") -> bool:
    """Draw per-region overlap, ROC, IoU and precision-recall into a .png; return False where there is no curve.

    The false positive rate is drawn up to 0.3, where scores of good pixels still mean something.

    >>> import tempfile
    >>> from geoad.metrics import rank_pixels
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_curves(f"{folder}/curves.png", rank_pixels([[[1.0, 0.0]]], [[[1, 0]]]))
    True
    """
    if not ranking.good or not ranking.defective:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7.5), layout="constrained")
    figure.suptitle(title)
    rate = "false positive rate (pixels)"
    panels: tuple[tuple[str, Curve, str, float], ...] = (
        (overlap, ranking.pro_curve, rate, 0.3),
        ("true positive rate (pixels)", ranking.roc_curve, rate, 0.3),
        ("intersection over union", ranking.iou_curve, rate, 0.3),
        ("precision (pixels)", ranking.pr_curve, "recall", 1.0),
    )
    for axes, (name, curve, across, end) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        x, y = _thin(curve, end)
        axes.plot(x, y, linewidth=1.2)
        axes.set(xlabel=across, ylabel=name, xlim=(0, end), ylim=(0, 1.02))
        axes.grid(alpha=0.3)
    write_whole(path, partial(figure.savefig, format="png", dpi=110))
    return True


def _thin(curve: Curve, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Return so many corners as can be seen, the one behind the end included."""
    inside = int(np.searchsorted(curve.x, end, side="right")) + 1
    x, y = curve.x[:inside], curve.y[:inside]
    step = max(len(x) // SHOWN, 1)
    return np.r_[x[::step], x[-1:]], np.r_[y[::step], y[-1:]]
