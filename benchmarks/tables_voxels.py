"""Memory and time of `voxel-vm` as a table: `python benchmarks/tables_voxels.py [--write]`.

Reads benchmarks/results/bench_voxels.json; --write puts the table into docs/thesis-3d.md, between its two marks.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marked import put_between

RESULTS = Path(__file__).resolve().parent / "results" / "bench_voxels.json"
DOCUMENT = RESULTS.parents[2] / "docs" / "thesis-3d.md"
HEAD = (
    "| cells, source | state | dense | fit, s | dense | `floor=None`, s more | score, s | peak of fit | dense "
    "| peak of score |\n" + "|---" * 10 + "|"
)


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a line for each grid, by the rows of the cases."""
    lines = [HEAD]
    for side in (64, 256):
        for source in ("xyz", "xyz+rgb"):
            fit, floor, dense, score = (
                rows[f"vm-{case} {side} {source}"] for case in ("fit", "floor", "dense", "score")
            )
            states = (f"{each['state_bytes'] / 1e6:.2f} MB" for each in (fit, dense))
            seconds = (f"{each['cpu_s']:.3f}" for each in (fit, dense, floor, score))
            peaks = (f"{each['peak_bytes'] / 1e9:.2f} GB" for each in (fit, dense, score))
            lines.append(f"| {' | '.join([f'{side}³, {source}', *states, *seconds, *peaks])} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into docs/thesis-3d.md")
    given = parser.parse_args()
    text = table({row["case"]: row for row in json.loads(RESULTS.read_text())["rows"]})
    print(text)
    if given.write:
        put_between(DOCUMENT, "memory", text)


if __name__ == "__main__":
    main()
