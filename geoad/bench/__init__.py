"""Kernels beside their peers on the same clouds: outputs are compared first, then clocks.

>>> sorted(KERNELS)[:2]
['aggregate', 'backproject']
"""

from __future__ import annotations

# Name on the command line -> the module whose KERNEL it is.
KERNELS = {
    "knn": "geoad.bench.knn",
    "radius": "geoad.bench.radius",
    "window": "geoad.bench.window",
    "fps": "geoad.bench.fps",
    "aggregate": "geoad.bench.aggregate",
    "project": "geoad.bench.project",
    "backproject": "geoad.bench.backproject",
    "fill": "geoad.bench.fill",
    "voxelize": "geoad.bench.voxelize",
}
