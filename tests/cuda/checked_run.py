"""Run searches in a library that was compiled with a sanitizer: `python checked_run.py LIBRARY`.

Every tensor is an allocation of its own, so an access beside it is seen.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from geoad.ops import _cuda
from geoad.ops.knn_cuda import Search, nearest
from geoad.ops.radius_search_cuda import within
from tests.ops.clouds import cloud


def main() -> None:
    library = _cuda.load(Path(sys.argv[1]))
    _cuda.library = lambda: library
    for kind, count in (
        ("clusters", 1203),
        ("lattice", 333),
        ("same", 65),
        ("overflow", 31),
        ("uniform", 1),
        ("uniform", 0),
    ):
        points = torch.from_numpy(cloud(kind, count).copy())
        points[3::500, 1] = torch.nan
        few, offsets = points[: count // 3].clone(), torch.tensor([0, count // 7, count // 7, count // 2, count])
        for unsorted in (0, 10**6):
            for asked in (
                Search(points, None, None, True, unsorted),
                Search(points, few, None, True, unsorted),
                Search(few, points, None, True, unsorted),
                Search(points, None, offsets, False, unsorted),
            ):
                for k in (1, 8, 30, 64):
                    nearest(asked, k)
                within(asked, 0.01, 7)
                within(asked, 0.01, None)
                within(asked, 0.01, None, long=0)


if __name__ == "__main__":
    main()
