"""Defects that add something to a part: lumps of foreign matter, nails, stains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from geoad.data.sim3d.defects import Anchor, Change, Range
from geoad.data.sim3d.mesh import Mesh, ball, grid, length
from geoad.data.sim3d.noise import bumps, noise_table

Colours = tuple[tuple[float, float, float], ...]

STEEL = (0.45, 0.45, 0.47)


def foreign(radius: Range, height: Range, colours: Colours) -> Change:
    """Lay a lump on the surface: radius and height above it in mm.

    >>> x, y = np.meshgrid(np.arange(-9.0, 10.0), np.arange(-9.0, 10.0), indexing="ij")
    >>> flat = grid(np.stack([x, y, 0 * x], -1), colour=(0.5, 0.5, 0.5))
    >>> anchor = Anchor(np.zeros(3), np.array([0.0, 0.0, 1.0]))
    >>> add = foreign(radius=(2.0, 2.0), height=(2.0, 2.0), colours=((0.1, 0.1, 0.1),))
    >>> bool(add(flat, anchor, np.random.default_rng(0)).vertices[:, 2].max() > 1)
    True
    """

    def change(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
        r, high, stretch = rng.uniform(*radius), rng.uniform(*height), rng.uniform(0.7, 1.4)
        body = ball(40, 64)
        rough = bumps(body.reshape(-1, 3), noise_table(rng), 0.9, octaves=3).reshape(40, 64, 1)
        along, across = anchor.frame(rng.uniform(0, np.pi))
        size = np.stack([anchor.normal * high, along * r * stretch, across * r / stretch])
        lump = anchor.point + (body * (1 + 0.45 * rough)) @ size
        return mesh.joined(grid(lump, colour=colours[rng.integers(len(colours))], closed=(False, True)))

    return change


def nail(radius: Range, stick: Range) -> Change:
    """Drive a nail into the surface, slanted: radius of its shaft and how far its head stands off, in mm.

    >>> x, y = np.meshgrid(np.arange(-9.0, 10.0), np.arange(-9.0, 10.0), indexing="ij")
    >>> flat = grid(np.stack([x, y, 0 * x], -1), colour=(0.5, 0.5, 0.5))
    >>> anchor = Anchor(np.zeros(3), np.array([0.0, 0.0, 1.0]))
    >>> bool(nail((1.0, 1.0), (8.0, 8.0))(flat, anchor, np.random.default_rng(0)).vertices[:, 2].max() > 4)
    True
    """

    def change(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
        r, off, lean = rng.uniform(*radius), rng.uniform(*stick), np.radians(rng.uniform(15, 55))
        along, across = anchor.frame(rng.uniform(0, 2 * np.pi))
        axis = np.cos(lean) * anchor.normal + np.sin(lean) * along
        side = np.cos(lean) * along - np.sin(lean) * anchor.normal
        # from below the surface up the shaft, out to the head's rim and over it
        up = np.array([-2.0, *np.linspace(-2.0, off - 1.2, 40), off - 1.2, off - 0.4, off, off])
        wide = r * np.array([0.0, *np.ones(40), 2.1, 2.1, 1.8, 0.0])
        angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)[:, None]
        ring = np.cos(angle)[..., None] * side + np.sin(angle)[..., None] * across
        points = anchor.point + up[:, None] * axis + wide[:, None] * ring
        return mesh.joined(grid(points[::-1], colour=STEEL, gloss=0.5, closed=(True, False)))

    return change


def stain(radius: Range, colours: Colours) -> Change:
    """Colour the surface in a ragged spot of a radius in mm; its shape stays as it is.

    >>> x, y = np.meshgrid(np.arange(-9.0, 10.0), np.arange(-9.0, 10.0), indexing="ij")
    >>> flat = grid(np.stack([x, y, 0 * x], -1), colour=(0.5, 0.5, 0.5))
    >>> anchor = Anchor(np.zeros(3), np.array([0.0, 0.0, 1.0]))
    >>> dyed = stain((4.0, 4.0), ((1.0, 0.0, 0.0),))(flat, anchor, np.random.default_rng(0))
    >>> bool((dyed.vertices == flat.vertices).all()), float(dyed.colour[:, 0].max())
    (True, 1.0)
    """

    def change(mesh: Mesh, anchor: Anchor, rng: np.random.Generator) -> Mesh:
        r, stretch = rng.uniform(*radius), rng.uniform(0.7, 1.4)
        x, y, z = anchor.local(mesh.vertices, rng.uniform(0, np.pi))
        away = length(np.column_stack([x * stretch, y / stretch, z])) / r
        ragged = 1 + 0.35 * bumps(mesh.vertices, noise_table(rng), 0.7 * r, octaves=3)
        share = np.clip((ragged - away) / 0.15, 0, 1)[:, None]
        dye = np.array(colours[rng.integers(len(colours))])
        return replace(mesh, colour=share * dye + (1 - share) * mesh.colour)

    return change
