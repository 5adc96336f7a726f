"""Time over size on logarithmic axes: a panel a case, a line a backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any

from geoad._optional import need


def draw(rows: Sequence[Mapping[str, Any]], file: IO[bytes]) -> None:
    """Draw the rows of one kernel as PNG; geoad's own backends are solid lines, peers dashed.

    >>> import io
    >>> row = {"kernel": "knn", "case": "cube", "n": 100, "backend": "numba", "own": True, "median_s": 0.1}
    >>> file = io.BytesIO()
    >>> draw([{**row, "clock": "median_s"}], file)
    >>> file.getvalue()[1:4]
    b'PNG'
    """
    need("matplotlib", "draw benchmarks")
    from matplotlib import color_sequences
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, NullLocator

    timed = [row for row in rows if row["median_s"] is not None]
    cases = list(dict.fromkeys(row["case"] for row in timed))
    names = list(dict.fromkeys(row["backend"] for row in timed))
    sizes = sorted({row["n"] for row in timed})
    colours = [*color_sequences["tab10"], *color_sequences["Dark2"]]
    width = min(4, max(len(cases), 1))
    height = -(-max(len(cases), 1) // width)
    figure = Figure(figsize=(3.6 * max(width, 2), 3.2 * height + 0.6), layout="constrained")
    axes = figure.subplots(height, width, squeeze=False, sharex=True, sharey=True).ravel()
    for panel, case in zip(axes, cases, strict=False):
        for number, name in enumerate(names):
            line = sorted((r for r in timed if (r["case"], r["backend"]) == (case, name)), key=lambda r: int(r["n"]))
            style = "-" if line and line[0]["own"] else "--"
            line = [row for row in line if row[row["clock"]] > 0]  # what took no tick of the clock has no logarithm
            places, seconds = [row["n"] for row in line], [row[row["clock"]] for row in line]
            panel.plot(places, seconds, style, marker=".", color=colours[number % len(colours)], label=name)
        panel.set(title=case, xlabel="n", xscale="log", yscale="log")
        panel.set_xticks(sizes)
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter(EngFormatter(places=0, sep=""))
        panel.tick_params(labelbottom=True)
        panel.grid(True, alpha=0.3)
    for panel in axes[len(cases) :]:
        panel.set_axis_off()
    kernel = timed[0]["kernel"] if timed else ""
    clock = {"cpu_s": "CPU seconds, one thread", "median_s": "seconds"}[timed[0]["clock"]] if timed else ""
    figure.supylabel(clock)
    figure.suptitle(kernel)
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=min(len(labels), 2 * width) or 1)
    figure.savefig(file, format="png", dpi=100)
