"""How the area under per-region overlap depends on the limit up to which it is taken (thesis fig. 9.6)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from geoad._whole_file import write_whole

DASHES = {"3D": "-", "3D+RGB": "--"}


def write_limit_curves(path: str | Path, curves: Mapping[tuple[str, str], Mapping[float, float]], title: str) -> None:
    """Draw {(method, source): {limit: AU-PRO}} into a .png, colours by method, RGB dashed; the line of chance dotted.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_limit_curves(f"{folder}/limits.png", {("Voxel VM", "3D"): {0.3: 0.5, 1.0: 0.8}}, "sim3d")
    ...     (Path(folder) / "limits.png").stat().st_size > 1000
    True
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    methods = list(dict.fromkeys(method for method, _ in curves))
    for (method, source), areas in curves.items():
        limits = sorted(areas)
        colour = f"C{methods.index(method) % 10}"
        axes.plot(
            limits,
            [areas[limit] for limit in limits],
            DASHES.get(source, ":"),
            color=colour,
            label=f"{method} {source}",
        )
    axes.plot([0, 1], [0, 0.5], ":", color="grey", label="chance")
    axes.axvline(0.3, color="grey", linewidth=0.6)
    axes.set(title=title, xlabel="integration limit", ylabel="mean AU-PRO", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, ncols=2)
    write_whole(path, partial(figure.savefig, format="png", dpi=110))
