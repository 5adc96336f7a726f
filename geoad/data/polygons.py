"""Random closed outlines for extruded and revolved solids: counter-clockwise, within the unit circle or so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]  # (N, 2), closed, counter-clockwise
Rng = np.random.Generator


def polar(radius: NDArray[np.float64]) -> Polygon:
    """Return the outline with `radius` (N,) at N equal angles.

    >>> polar(np.ones(4)).round(3).tolist()
    [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [-0.0, -1.0]]
    """
    angle = 2 * np.pi * np.arange(len(radius)) / len(radius)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def thicken(line: NDArray[np.float64], width: float) -> Polygon:
    """Return the strip of `width` around an open polyline (N, 2), mitred along its mean normals.

    >>> thicken(np.array([[0.0, 0.0], [1.0, 0.0]]), 0.2).tolist()
    [[0.0, -0.1], [1.0, -0.1], [1.0, 0.1], [0.0, 0.1]]
    """
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) * (width / 2)
    return np.concatenate([line - normal, (line + normal)[::-1]])


def _regular(rng: Rng) -> Polygon:
    """Three to nine equal sides, stretched."""
    return polar(np.ones(rng.integers(3, 10))) * [1.0, rng.uniform(0.4, 1.0)]


def _disc(rng: Rng) -> Polygon:
    """A superellipse: from a diamond with bulging sides to a rounded rectangle."""
    power = rng.uniform(1.2, 6.0)
    corner = polar(np.ones(72))
    outline: Polygon = corner / (np.abs(corner) ** power).sum(axis=1, keepdims=True) ** (1 / power)
    return outline * [1.0, rng.uniform(0.3, 1.0)]


def _star(rng: Rng) -> Polygon:
    """Four to eleven sharp points."""
    return polar(np.tile([1.0, rng.uniform(0.3, 0.85)], rng.integers(4, 12)))


def _gear(rng: Rng) -> Polygon:
    """A toothed wheel with 8 to 36 trapezoidal teeth."""
    teeth, root = int(rng.integers(8, 37)), 1 - rng.uniform(0.06, 0.25)
    width, flank = rng.uniform(0.3, 0.6), rng.uniform(0.02, 0.3)
    edges = np.array([0.0, flank / 2, flank / 2 + width * (1 - flank), flank + width * (1 - flank)])
    angle = (2 * np.pi / teeth * (np.arange(teeth)[:, None] + edges)).ravel()
    radius = np.tile([root, 1.0, 1.0, root], teeth)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _lobes(rng: Rng) -> Polygon:
    """A smooth wavy outline: two to nine lobes and a harmonic of them."""
    angle = 2 * np.pi * np.arange(96) / 96
    count = rng.integers(2, 10)
    radius = 1 + rng.uniform(0.05, 0.35) * np.cos(count * angle)
    return polar(radius + rng.uniform(0, 0.08) * np.cos(2 * count * angle + rng.uniform(0, 2 * np.pi)))


def _blob(rng: Rng) -> Polygon:
    """An irregular smooth outline."""
    order = np.arange(2, 9)
    wave = rng.normal(size=(2, len(order), 1)) / order[:, None]
    angle = order[:, None] * (2 * np.pi * np.arange(96) / 96)
    radius = np.clip(1 + 0.3 * (wave[0] * np.cos(angle) + wave[1] * np.sin(angle)).sum(axis=0), 0.3, 1.8)
    return polar(radius)


def _angle_bar(rng: Rng) -> Polygon:
    """The L of an angle iron."""
    a, b, w, v = rng.uniform(0.4, 1.0), rng.uniform(0.7, 1.0), *rng.uniform(0.05, 0.25, 2)
    return np.array([[0, 0], [a, 0], [a, w], [v, w], [v, b], [0, b]])


def _channel(rng: Rng) -> Polygon:
    """The U of a channel bar."""
    a, b, w, v = rng.uniform(0.4, 1.0), rng.uniform(0.4, 1.0), *rng.uniform(0.04, 0.15, 2)
    return np.array([[0, 0], [a, 0], [a, b], [a - v, b], [a - v, w], [v, w], [v, b], [0, b]])


def _beam(rng: Rng) -> Polygon:
    """The I of a beam; a T where the lower flange is as narrow as the web."""
    top, web, w = rng.uniform(0.3, 0.6), rng.uniform(0.03, 0.12), rng.uniform(0.05, 0.2)
    foot = web * 1.01 if rng.random() < 0.5 else top
    right = np.array([[foot, 0], [foot, w], [web, w], [web, 1 - w], [top, 1 - w], [top, 1.0]])
    return np.concatenate([right, right[::-1] * [-1, 1]])


def _comb(rng: Rng) -> Polygon:
    """A heat sink: 4 to 14 fins on a base."""
    fins, base, duty = int(rng.integers(4, 15)), rng.uniform(0.05, 0.3), rng.uniform(0.25, 0.65)
    height, pitch = rng.uniform(0.3, 0.9), 1 / (fins - 1 + duty)
    left = np.arange(fins)[::-1] * pitch
    edges = np.stack([left + duty * pitch, left + duty * pitch, left, left], axis=1).ravel()
    level = np.tile([base, height, height, base], fins)
    top = np.stack([edges, level], axis=1)[1:-1]
    return np.concatenate([[[0.0, 0.0], [1.0, 0.0]], top])


def _corrugated(rng: Rng) -> Polygon:
    """A wavy thin sheet, seen from its end."""
    waves, width = rng.uniform(1.0, 6.0), rng.uniform(0.012, 0.05)
    x = np.linspace(0, 1, 128)
    gentle = 1.6 / (width * (2 * np.pi * waves) ** 2)  # the height at which the bends have 5/8 of the sheet for radius
    height = min(rng.uniform(0.1, 0.5) / waves, gentle)
    return thicken(np.stack([x, height * np.sin(2 * np.pi * waves * x)], axis=1), width)


def _spiral(rng: Rng) -> Polygon:
    """A wound strip."""
    turns, width = rng.uniform(1.2, 3.5), rng.uniform(0.03, 0.08)
    angle = np.linspace(0, 2 * np.pi * turns, int(36 * turns))
    radius = 0.15 + (width * rng.uniform(1.6, 3.0)) * angle / (2 * np.pi)
    return thicken(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), width)


OUTLINES: dict[str, Callable[[Rng], Polygon]] = {
    "regular": _regular,
    "disc": _disc,
    "star": _star,
    "gear": _gear,
    "lobes": _lobes,
    "blob": _blob,
    "angle bar": _angle_bar,
    "channel": _channel,
    "beam": _beam,
    "comb": _comb,
    "corrugated": _corrugated,
    "spiral": _spiral,
}


def make_polygon(rng: Rng) -> Polygon:
    """Draw one of the OUTLINES at random.

    >>> make_polygon(np.random.default_rng(0)).shape[1]
    2
    """
    return list(OUTLINES.values())[rng.integers(len(OUTLINES))](rng)
