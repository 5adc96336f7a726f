"""Floor and smoothing of the voxel variation model on sim3d: `python benchmarks/sim3d_voxel_vm.py SCANS [--sources …]`.

SCANS is made by `geoad data make sim3d SCANS --size tiny`. The thesis gives no least deviation of a cell: each floor of
`FLOORS`, and the one that `floor=None` chooses on the training scans alone, becomes a row a category, source and
`smooth`, with the exact AU-PRO@0.3 and @0.05 and the image AUROC of the test scans. The test scans choose nothing. A
source is fitted once a category: neither keyword changes what is learnt. Writes
benchmarks/results/sim3d_voxel_vm.json, a row as soon as it is known; a second run does the missing ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from common import command, data_of, splits, truth
from earlier import earlier_rows

from geoad.detectors import make_detector
from geoad.evaluation.results import environment, write_json
from geoad.metrics import au_pro, roc_auc
from geoad.training import Trainer

RESULTS = Path(__file__).parent / "results" / "sim3d_voxel_vm.json"
FLOORS = (0.001, 0.01, 0.05, 0.2, 0.5, 1.0, 2.0, None)
SMOOTH = (0.0, 0.5, 1.0)
LIMITS = (0.05, 0.3)


def measure(scans: str, category: str, source: str) -> Iterator[dict[str, Any]]:
    """Fit once, and score the test scans under every floor and smoothing."""
    train, _, test = splits(scans, category)
    fitted = make_detector("voxel-vm", source=source, floor=None)
    fitted.fit(train, trainer=Trainer(device="cpu", seed=0))
    samples = [test[i] for i in range(len(test))]
    masks, labels = truth(test)
    for floor, smooth in ((floor, smooth) for smooth in SMOOTH for floor in FLOORS):
        detector = make_detector("voxel-vm", source=source, floor=floor, smooth=smooth)
        detector.load_state_dict(fitted.state_dict())
        maps = [detector.score(sample) for sample in samples]
        pixels = [each.pixels for each in maps]
        areas = au_pro(pixels, masks, limit=LIMITS)
        found = {f"au_pro_{limit}": areas[limit] for limit in LIMITS}
        found["image_auroc"] = roc_auc([each.score for each in maps], labels)
        facts = {"category": category, "source": source, "chosen": floor is None, "floor": detector.floor}
        yield {**facts, "smooth": smooth, **{name: round(float(value), 5) for name, value in found.items()}}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the means over the categories, a line a source, smoothing and floor."""
    lines = []
    for key in dict.fromkeys((row["source"], row["smooth"], None if row["chosen"] else row["floor"]) for row in rows):
        mine = [row for row in rows if (row["source"], row["smooth"]) == key[:2]]
        mine = [row for row in mine if (None if row["chosen"] else row["floor"]) == key[2]]
        values = "  ".join(
            f"{mean(row[name] for row in mine):.3f}" for name in ("au_pro_0.3", "au_pro_0.05", "image_auroc")
        )
        floors = ", ".join(f"{row['floor']:g}" for row in mine) if key[2] is None else ""
        lines.append(f"{key[0]:8} smooth {key[1]:3} floor {key[2] or 'chosen':6}  {values}  {floors}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scans")
    parser.add_argument("--sources", default="xyz,xyz+rgb")
    parser.add_argument("--categories", help="default: all that SCANS has")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="file (default: benchmarks/results/sim3d_voxel_vm.json)"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = data_of(given.scans)
    categories = (
        given.categories.split(",") if given.categories else sorted(p.name for p in Path(given.scans).glob("*/"))
    )
    rows = earlier_rows(given.out, data=data)
    done = {(row["category"], row["source"]) for row in rows}
    for source in given.sources.split(","):
        for category in categories:
            if (category, source) not in done:
                rows += measure(given.scans, category, source)
                print(category, source, rows[-1], flush=True)
                write_json(given.out, {**environment(), "command": command(), "data": data, "rows": rows})
    print(table(rows))


if __name__ == "__main__":
    main()
