"""What the structured-light scanner makes of a view: noise, steps, holes and a photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geoad.data.sim3d.mesh import Floats, length
from geoad.data.sim3d.scene import DISTANCE, Station, View

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Sensor:
    """The scanner's effects; 0 (False for `shadow`, 90 for `grazing`) switches one off and no other.

    Where no source is named a value is chosen by hand, in the range of what such scanners do.

    `shadow` drops what the projector cannot reach, and darkens it in the photograph, as in the originals' pictures.
    `noise` standard deviation in metres at half a metre, facing the sensor: a tenth of a millimetre or less is what
    makers of industrial structured-light scanners state; grows with the square of the distance (the error of
    triangulation is z² / (focus · baseline) · the error of the disparity) and by 1 + `slope_noise` · tan² of the
    surface's slope (a pixel's footprint grows with it); its grain is `grain` pixels.
    `quantum` depth step in metres at half a metre: the scanner counts disparities, so steps grow with distance too.
    `grazing` degrees between normal and ray, camera's or projector's, beyond which no pattern is decoded.
    `edge` share of the pixels lost beside a depth step of more than `step` metres: they see two surfaces.
    `specular` degrees: a mirror (gloss 1) that sends the projector's light this close to the camera blinds it.
    `dark` share of the pixels lost on a black surface, in blotches; falls linearly to none at an albedo of 0.2.
    `flying` share of the pixels beside a depth step that average both sides.
    `grey` standard deviation of the photograph, in levels of 255.

    >>> Sensor.ideal().noise
    0.0
    """

    shadow: bool = True
    noise: float = 6e-5
    slope_noise: float = 0.3
    grain: float = 0.6
    quantum: float = 2e-5
    grazing: float = 77.0
    edge: float = 0.6
    step: float = 2e-3
    specular: float = 9.0
    dark: float = 0.08
    flying: float = 0.02
    grey: float = 1.5

    @classmethod
    def ideal(cls) -> Sensor:
        """Return the sensor with every effect off."""
        return cls(False, 0.0, 0.0, 0.6, 0.0, 90.0, 0.0, 2e-3, 0.0, 0.0, 0.0, 0.0)


def sense(view: View, station: Station, shadow: Bools, sensor: Sensor, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return xyz (H, W, 3) float32 in metres as the sensor measures the view; lost pixels are (0, 0, 0).

    `shadow` (H, W) bool marks what the projector does not reach.

    >>> from geoad.data.sim3d import get_category
    >>> from geoad.data.sim3d.scene import Pose
    >>> foam, rng = get_category("foam"), np.random.default_rng(0)
    >>> station, mesh = foam.station(64), foam.build(rng, 2.0)
    >>> view = station.look(mesh, Pose())
    >>> xyz = sense(view, station, station.shadow(mesh, Pose(), view.depth), Sensor(), rng)
    >>> bool(0.8 < (xyz != 0).any(-1).mean() < 1)
    True
    """
    shape = view.depth.shape
    # all random fields are drawn whether used or not: switching one effect off changes no other
    grain, patches, blotches = _field(rng, shape, sensor.grain), _field(rng, shape, 0.8), _field(rng, shape, 2.0)
    chance, mix = rng.random(shape), rng.uniform(0.2, 0.8, shape)
    edges, other = _edges(view.depth, sensor.step)
    depth = _measure(view, station, sensor, grain)
    flies = edges & (chance < sensor.flying)
    depth = np.where(flies, mix * depth + (1 - mix) * other, depth)
    lost = (edges & ~flies & (_rank(patches) < sensor.edge)) | _unreadable(view, station, sensor, patches)
    albedo = view.colour.mean(-1)
    lost |= _rank(blotches) < sensor.dark * np.clip(1 - albedo / 0.2, 0, 1)
    if sensor.shadow:
        lost |= shadow
    return np.where(lost[..., None], 0.0, station.rays * depth[..., None]).astype(np.float32)


def photograph(
    view: View, station: Station, shadow: Bools, sensor: Sensor, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the colour image (H, W, 3) uint8: shaded, darker in hollows, bright where glossy.

    Light comes from all around and from the projector: `shadow` (H, W) is darker.

    >>> from geoad.data.sim3d import get_category
    >>> from geoad.data.sim3d.scene import Pose
    >>> foam, rng = get_category("foam"), np.random.default_rng(0)
    >>> view = foam.station(64).look(foam.build(rng, 2.0), Pose())
    >>> rgb = photograph(view, foam.station(64), np.zeros((64, 64), bool), Sensor(), rng)
    >>> bool(rgb[view.part].mean() > 3 * rgb[~view.part].mean())
    True
    """
    facing = np.clip(_facing(view.normal, station.rays), 0, 1)
    below = view.depth - ndimage.gaussian_filter(view.depth, 4.0 / station.pitch, mode="nearest")
    hollow = np.exp(-np.clip(below, 0, None) / 4e-3)
    light = np.array([0.35, -0.5, -0.8]) / np.linalg.norm([0.35, -0.5, -0.8])
    bright = np.clip(np.einsum("hwi,i->hw", view.normal, light), 0, 1)
    shade = (0.35 + 0.35 * facing + 0.4 * bright) * hollow
    if sensor.shadow:
        shade = shade * np.where(shadow, 0.45, 1.0)
    shine = view.gloss * (0.5 * facing**60 + 0.15 * bright**20)
    image = 255 * (view.colour * shade[..., None] + shine[..., None])
    grains = sensor.grey * rng.standard_normal(image.shape)
    return np.asarray(np.clip(image + grains, 0, 255).round().astype(np.uint8))


def _measure(view: View, station: Station, sensor: Sensor, grain: Floats) -> Floats:
    """Depth with noise and disparity steps."""
    cosine = np.maximum(_facing(view.normal, station.rays), 0.2)
    spread = sensor.noise * (view.depth / DISTANCE) ** 2 * (1 + sensor.slope_noise * (1 / cosine**2 - 1))
    depth = view.depth + spread * grain
    if sensor.quantum > 0:
        step = sensor.quantum / DISTANCE**2
        depth = 1 / (np.round(1 / (depth * step)) * step)
    return depth


def _unreadable(view: View, station: Station, sensor: Sensor, patches: Floats) -> Bools:
    """Pixels seen or lit too flatly, or blinded by the projector's mirror image."""
    points = station.rays * view.depth[..., None]
    beam = points - (station.baseline, 0.0, 0.0)
    flattest = np.minimum(_facing(view.normal, station.rays), _facing(view.normal, beam))
    limit = sensor.grazing + 2 * patches
    flat = (flattest < np.cos(np.radians(np.clip(limit, 0, 90)))) & (sensor.grazing < 90)
    half = _unit(station.rays) + _unit(beam)
    away = np.degrees(np.arccos(np.clip(_facing(view.normal, half), -1, 1)))
    return np.asarray(flat | (away < view.gloss * sensor.specular * (1 + 0.3 * patches)))


def _edges(depth: Floats, step: float) -> tuple[Bools, Floats]:
    """Pixels with a neighbour more than `step` away, and that neighbour's depth."""
    other, largest = depth.copy(), np.zeros_like(depth)
    padded = np.pad(depth, 1, mode="edge")
    for neighbour in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        gap = np.abs(neighbour - depth)
        other, largest = np.where(gap > largest, neighbour, other), np.maximum(gap, largest)
    return largest > step, other


def _field(rng: np.random.Generator, shape: tuple[int, ...], grain: float) -> Floats:
    """Normal noise with a grain of so many pixels, standard deviation 1."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape), grain, mode="wrap")
    return np.asarray(field / field.std())


def _rank(field: Floats) -> Floats:
    """The share of normal values below each value: uniform in 0..1."""
    from scipy.special import ndtr

    return np.asarray(ndtr(field))


def _unit(vectors: Floats) -> Floats:
    return vectors / length(vectors)[..., None]


def _facing(normal: Floats, ray: Floats) -> Floats:
    """Cosine between the normal and the way back along the ray."""
    return np.asarray(-np.einsum("hwi,hwi->hw", normal, ray) / length(ray))
