"""Exact AU-PRO at five limits and exact pixel AUROC: `python benchmarks/bench_metrics.py [--images 110] [--size 800]`.

`numba` is `rank_pixels` on maps that lie on disk, `numpy` the simplest exact way: every map in memory, one full sort of
all pixels in float64, cumulative sums. `read` only reads the maps as often as `rank_pixels` does. Each case runs in a
process of its own, so that its peak is its own; peaks are above that of a process that has loaded everything. Maps are
smooth noise with ellipses as defects, a fifth of the images good. Seconds are CPU seconds of one thread, the median of
the repeats. Writes benchmarks/results/bench_metrics.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import command
from scipy import ndimage

from geoad.evaluation.results import environment, write_json
from geoad.metrics import rank_pixels

LIMITS = (0.01, 0.05, 0.1, 0.3, 1.0)
CASES = (("read", 3), ("numba", 3), ("numpy", 1))
RESULTS = Path(__file__).parent / "results" / "bench_metrics.json"


def make_maps(folder: Path, images: int, size: int) -> None:
    """Write <i>.map.npy, float32, and <i>.mask.npy of the defective ones."""
    random = np.random.default_rng(0)
    bases = [ndimage.zoom(random.random((size // 16, size // 16)), 16, order=1).astype(np.float32) for _ in range(8)]
    rows, columns = np.mgrid[: bases[0].shape[0], : bases[0].shape[1]]
    for i in range(images):
        shift = random.integers(0, size, 2)
        pixels = np.roll(bases[i % 8], shift, (0, 1)) * np.float32(random.uniform(0.5, 1))
        pixels = (pixels + np.float32(0.3) * random.random(pixels.shape, dtype=np.float32)) ** 3
        if i >= images // 5:
            mask = np.zeros(pixels.shape, bool)
            for _ in range(1 + (random.random() < 0.48)):
                centre = random.integers(size // 10, size - size // 10, 2)
                axes = random.uniform(0.0125, 0.094, 2) * size
                inside = ((rows - centre[0]) / axes[0]) ** 2 + ((columns - centre[1]) / axes[1]) ** 2 < 1
                mask |= inside
                pixels += inside * np.float32(random.uniform(0.05, 0.8))
            np.save(folder / f"{i:05}.mask.npy", mask)
        np.save(folder / f"{i:05}.map.npy", pixels)


class Files:
    """Arrays on disk, each read when its turn comes; None where there is no file."""

    def __init__(self, folder: Path, kind: str, images: int) -> None:
        self.paths = [folder / f"{i:05}.{kind}.npy" for i in range(images)]

    def __iter__(self) -> Iterator[Any]:
        return (np.load(path) if path.exists() else None for path in self.paths)


def naive(maps: Files, masks: Files) -> list[float]:
    """Sort everything."""
    pixels = [np.asarray(each, np.float64) for each in maps]
    weight, regions = [np.zeros(each.shape) for each in pixels], 0
    for share, mask in zip(weight, masks, strict=True):
        if mask is not None:
            labels, count = ndimage.label(mask, np.ones((3, 3)))
            sizes = np.bincount(labels.ravel())
            share[mask] = 1 / sizes[labels[mask]]
            regions += count
    scores, shares = np.concatenate(pixels, None), np.concatenate(weight, None) / regions
    del pixels, weight
    order = np.argsort(-scores)
    scores, shares = scores[order], shares[order]
    last = np.r_[scores[1:] != scores[:-1], True]
    rate, recall = (np.r_[0, np.cumsum(part)[last] / np.sum(part)] for part in (shares == 0, shares > 0))
    overlap = np.r_[0, np.cumsum(shares)[last]]
    return [*(limited(rate, overlap, limit) for limit in LIMITS), float(np.trapezoid(recall, rate))]


def limited(x: np.ndarray, y: np.ndarray, limit: float) -> float:
    inside = x <= limit
    end = np.interp(limit, x, y)
    return float(np.trapezoid(np.r_[y[inside], end], np.r_[x[inside], limit])) / limit


def compute(case: str, folder: Path, images: int) -> list[float]:
    maps, masks = Files(folder, "map", images), Files(folder, "mask", images)
    if case == "numpy":
        return naive(maps, masks)
    if case == "read":
        for files in (maps, masks, maps):
            for _ in files:
                pass
        return []
    ranking = rank_pixels(maps, masks)
    return [*ranking.au_pro(LIMITS).values(), ranking.auroc]


def measure(case: str, repeats: int, folder: Path, images: int) -> dict[str, Any]:
    """Run one case in this process."""
    rank_pixels([np.eye(9), np.eye(9, dtype=np.float32)], [np.eye(9)] * 2)  # loads what was compiled
    base, seconds, values = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, [], []
    for _ in range(repeats):
        start = time.process_time()
        values = compute(case, folder, images)
        seconds.append(time.process_time() - start)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) * 1024
    return {"median_s": statistics.median(seconds), "min_s": min(seconds), "peak_bytes": peak, "values": values}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=110)
    parser.add_argument("--size", type=int, default=800)
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        case, repeats, folder = given.case
        print(json.dumps(measure(case, int(repeats), Path(folder), given.images)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        make_maps(Path(folder), given.images, given.size)
        for case, repeats in CASES:
            words = [sys.executable, __file__, *sys.argv[1:], "--case", case, str(repeats), folder]
            found = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
            row = {"kernel": "au_pro", "backend": case, "case": f"{given.images}x{given.size}x{given.size}"}
            row |= {"n": given.images * given.size**2, "k": len(LIMITS), "cpu_s": found["median_s"]}
            rows.append({**row, **found})
            print(f"{case:6} {found['median_s']:8.2f} CPU s   {found['peak_bytes'] / 1e6:8.1f} MB", flush=True)
    expected = rows[-1]["values"]
    for row in rows:
        row["equal_to_reference"] = not row["values"] or bool(np.allclose(row["values"], expected, rtol=0, atol=1e-9))
        del row["values"]
    assert all(row["equal_to_reference"] for row in rows)
    write_json(RESULTS, {**environment(), "command": command(), "rows": rows})


if __name__ == "__main__":
    main()
