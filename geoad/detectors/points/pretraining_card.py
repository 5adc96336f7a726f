"""The card beside a teacher's weights: how it came about, in a table, a curve and a picture of that."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import IO

from geoad._whole_file import write_whole

ROWS = 25
"""Rows of a curve in a card; the picture has all of it."""


def write_card(path: Path, facts: dict[str, str], curve: dict[int, float], remark: str = "") -> None:
    """Write `path` with .md in place of its suffix, and .png if there is a curve, each whole or not at all.

    `curve` holds the validation Chamfer distances by step.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
    ...     write_card(Path(file.name), {"k": "32"}, {1000: 5.0, 2000: 2.5})
    ...     text = Path(file.name).with_suffix(".md").read_text()
    ...     Path(file.name).with_suffix(".md").unlink(), Path(file.name).with_suffix(".png").unlink()
    (None, None)
    >>> "| k | 32 |" in text and "| best validation Chamfer distance | 2.5000 at step 2000 |" in text
    True
    """
    best = min(curve, key=lambda step: curve[step]) if curve else None
    facts = facts | {
        "best validation Chamfer distance": "none yet" if best is None else f"{curve[best]:.4f} at step {best}",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    shown = list(curve.items())
    stride = -(-len(shown) // ROWS) or 1
    text = [
        f"# {path.stem}: a pretrained 3D-ST teacher",
        "",
        "Made by `geoad pretrain`. Chamfer distances are in squared units of the mean neighbour distance.",
        "",
        *([remark, ""] if remark else []),
        *("| fact | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items()), ""),
    ]
    if curve:
        rows = [f"| {step} | {loss:.4f} |" for step, loss in shown[::-stride][::-1]]  # the last one among them
        text += [f"![validation Chamfer distance by step]({path.stem}.png)", ""]
        text += ["| step | validation Chamfer distance |", "|---|---|", *rows, ""]
        write_whole(path.with_suffix(".png"), partial(_plot, path.stem, curve))
    write_whole(path.with_suffix(".md"), "\n".join(text).encode(errors="backslashreplace"))


def _plot(title: str, curve: dict[int, float], file: IO[bytes]) -> None:
    """Draw the curve as a .png."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(list(curve), list(curve.values()), linewidth=1.2, marker="." if len(curve) < ROWS else None)
    axes.set(title=title, xlabel="step", ylabel="validation Chamfer distance")
    axes.grid(alpha=0.3)
    figure.savefig(file, format="png", dpi=100)
