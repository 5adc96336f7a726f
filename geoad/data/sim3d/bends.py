"""A defect of long rigid parts: an end is bent off."""

from __future__ import annotations

import numpy as np

from geoad.data.sim3d.defects import Anchor, Change, Range
from geoad.data.sim3d.mesh import Mesh


def bend(angle: Range, knee: float, height: float) -> Change:
    """Bend the end beyond the anchor up or to a side: the axis turns over `knee` mm, then runs straight.

    The part's axis is x, `height` mm above the table; `angle` in degrees.

    >>> from geoad.data.sim3d.mesh import grid
    >>> x, y = np.meshgrid(np.arange(-9.0, 10.0), np.arange(-1.0, 2.0), indexing="ij")
    >>> flat, anchor = grid(np.stack([x, y, 0 * x], -1), colour=(1, 1, 1)), Anchor(np.zeros(3), np.array([0.0, 0, 1]))
    >>> bent = bend((10.0, 10.0), 2.0, 0.0)(flat, anchor, np.random.default_rng(1)).vertices
    >>> bool((bent[x.ravel() > 0] == flat.vertices[x.ravel() > 0]).all()), bool(np.ptp(bent[:, 2]) > 0.3)
    (True, True)
    """

    def change(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
        side = 1.0 if anchor.point[0] > 0 else -1.0
        most, way = np.radians(rng.uniform(*angle)), np.radians(rng.uniform(-80, 80))
        towards, level = np.array([0.0, np.sin(way), np.cos(way)]), np.array([0.0, np.cos(way), -np.sin(way)])
        corner = np.array([anchor.point[0], 0.0, height])
        x, y, z = (mesh.vertices - corner).T
        far, out, off = side * x, y * towards[1] + z * towards[2], y * level[1] + z * level[2]
        turn = most * np.clip(far / knee, 0, 1)
        beyond = np.clip(far - knee, 0, None)
        ahead = np.minimum(far, 0) + knee / most * np.sin(turn) + beyond * np.cos(most) - out * np.sin(turn)
        rise = knee / most * (1 - np.cos(turn)) + beyond * np.sin(most) + out * np.cos(turn)
        bent = rise[:, None] * towards + off[:, None] * level
        bent[:, 0] = side * ahead
        return mesh.moved(np.where(far[:, None] > 0, bent + corner, mesh.vertices))

    return change
