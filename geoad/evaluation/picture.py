"""A picture of one scored part, for people: where it is anomalous, how much, and what the sensor saw there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.evaluation.shading import shade
from geoad.evaluation.view import View, views_of
from geoad.sample import AnomalyMap, Sample

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]  # (H, W, 3)
Limits = tuple[float, float]

PALETTE = "inferno"  # perceptually uniform, black to yellow
HEAT = (0.35, 0.9)  # how much of the palette covers what lies below it, at the two ends of the scale
OUTLINE = (0, 255, 160)  # a colour the palette has not
HATCH = ((40, 60, 100), (92, 116, 160))  # where the sensor saw nothing
PAPER, INK = (255, 255, 255), (20, 20, 20)
SMALLEST = 256  # pixels: smaller panels are enlarged
GAP, LINE, BAR = 8, 20, 16


def draw_picture(sample: Sample, anomaly_map: AnomalyMap, *, limits: Limits | None = None) -> Image:
    """Draw colours, the shaded surface, and the scores over both, side by side, with the scale and its ends.

    Scores from `limits` (low, high) on outwards have the scale's end colours; None: `scale_limits` of this map alone.
    Pixels without a point are hatched in blue, ground truth is outlined in green. A cloud of one row is drawn from
    both sides along its shortest axis, the nearest points in front.

    Raises ValueError for a map of another size than the sample.

    >>> from geoad.geometry.xyz_image import XYZImage
    >>> sample = Sample(xyz=XYZImage(np.ones((256, 300, 3))), name="test/hole/003")
    >>> draw_picture(sample, AnomalyMap(np.zeros((256, 300)))).size
    (624, 328)
    """
    _check.instance("sample", sample, Sample, "Sample(xyz=XYZImage(array))")
    _check.instance("anomaly_map", anomaly_map, AnomalyMap, "AnomalyMap(array)")
    if anomaly_map.pixels.shape != sample.shape:
        raise ValueError(f"map of {sample.name} must be {sample.shape} like the sample, got {anomaly_map.pixels.shape}")
    ends = scale_limits([extent_of(anomaly_map)]) if limits is None else limits
    panels = [panel for view in views_of(sample, anomaly_map.pixels) for panel in _panels(view, ends)]
    marked = "" if sample.mask is None or not sample.mask.any() else "   (green: marked defect)"
    return _compose(f"{sample.name or 'part'}   score {anomaly_map.score:.4g}{marked}", panels, ends)


def extent_of(anomaly_map: AnomalyMap) -> Limits:
    """Return the median and the 99.5th percentile of a map, from which scales are made.

    A few flying pixels have the highest scores of many a scan: they must not darken the rest. A map with fewer
    raised pixels than that has its maximum for the upper end.

    >>> extent_of(AnomalyMap(np.arange(1001.0).reshape(7, 143)))
    (500.0, 995.0)
    """
    low, high = np.percentile(anomaly_map.pixels, [50, 99.5])
    return float(low), float(high if high > low else anomaly_map.pixels.max())


def scale_limits(extents: Iterable[Limits]) -> Limits:
    """Return one scale for several maps: from the median of their lower to the 90th percentile of their upper ends.

    >>> scale_limits([(1.0, 4.0), (1.0, 4.0)])
    (1.0, 4.0)
    """
    lower, upper = np.array(list(extents)).T
    return float(np.median(lower)), float(np.percentile(upper, 90))


def _panels(view: View, ends: Limits) -> list[tuple[str, Pixels]]:
    """Return the panels of a view with their captions; the back of a cloud has its scores alone."""
    panels: list[tuple[str, Pixels]] = []
    grounds: list[tuple[str, Pixels]] = []
    if view.xyz is not None:
        grey = np.round(255 * shade(view.xyz, view.valid)).astype(np.uint8)
        grounds.append(("surface", _hatch(np.repeat(grey[..., None], 3, -1), view.valid)))
    if view.rgb is not None:
        colours = _hatch(view.rgb, view.valid) if view.name else view.rgb  # a cloud has no colours beside its points
        grounds.append(("colours", colours))
    if view.name != "back":
        panels += [(f"{name} {view.name}", ground) for name, ground in reversed(grounds)]
    for name, ground in grounds[: 1 if view.name == "back" else 2]:
        panels.append((f"scores over {name} {view.name}", _outline(_heat(ground, view.scores, ends), view.mask)))
    return [(caption, _enlarge(pixels)) for caption, pixels in panels]


def palette(scores: NDArray[np.floating], limits: Limits) -> Pixels:
    """Return the colours (..., 3) uint8 of scores (...), those of the scale's ends beyond its limits.

    >>> palette(np.array([-1.0, 0.0, 5.0]), (0.0, 1.0)).tolist()
    [[0, 0, 3], [0, 0, 3], [252, 254, 164]]
    """
    from matplotlib import colormaps

    colours: Pixels = colormaps[PALETTE](_level(scores, limits), bytes=True)[..., :3]
    return colours


def _level(scores: NDArray[np.floating], limits: Limits) -> NDArray[np.floating]:
    """Return how far up the scale scores are, in 0..1; what has none is at its lower end."""
    low, high = limits
    level: NDArray[np.floating] = np.clip((np.nan_to_num(scores, nan=low) - low) / max(high - low, 1e-30), 0, 1)
    return level


def _heat(ground: Pixels, scores: NDArray[np.floating], ends: Limits) -> Pixels:
    """Lay the scores' colours over a ground, thicker where they are higher; nothing where there is no score."""
    cover = (HEAT[0] + (HEAT[1] - HEAT[0]) * _level(scores, ends)) * np.isfinite(scores)
    mixed: NDArray[np.float64] = ground * (1 - cover[..., None]) + palette(scores, ends) * cover[..., None]
    return mixed.round().astype(np.uint8)


def _hatch(pixels: Pixels, valid: NDArray[np.bool_]) -> Pixels:
    """Draw diagonal stripes where nothing is valid."""
    rows, columns = np.indices(valid.shape)
    stripes = np.array(HATCH, np.uint8)[((rows + columns) // 3) % 2]
    return np.where(valid[..., None], pixels, stripes)


def _outline(pixels: Pixels, mask: NDArray[np.bool_] | None) -> Pixels:
    """Draw the pixels around a mask."""
    if mask is None or not mask.any():
        return pixels
    from scipy.ndimage import binary_dilation

    wide: NDArray[np.bool_] = binary_dilation(mask, np.ones((3, 3)), iterations=1 + max(mask.shape) // 300)
    return np.where((wide & ~mask)[..., None], np.array(OUTLINE, np.uint8), pixels)


def _enlarge(pixels: Pixels) -> Pixels:
    """Repeat the pixels of a small panel."""
    factor = -(-SMALLEST // max(pixels.shape[:2]))
    return pixels.repeat(factor, 0).repeat(factor, 1)


def _compose(title: str, panels: list[tuple[str, Pixels]], ends: Limits) -> Image:
    """Set title, captions and panels in a row, and the scale below."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(13)
    height = max(pixels.shape[0] for _, pixels in panels)
    low, high = f"scores of {ends[0]:.4g} and below", f"{ends[1]:.4g} and above"
    legend = round(font.getlength(low) + font.getlength(high)) + SMALLEST + 4 * GAP
    width = max(GAP + sum(pixels.shape[1] + GAP for _, pixels in panels), 2 * SMALLEST, legend)
    picture = Image.new("RGB", (width, 2 * LINE + height + BAR + 2 * GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((GAP, 4), title, INK, font)
    x = GAP
    for caption, pixels in panels:
        draw.text((x, LINE + 4), caption.strip(), INK, font)
        picture.paste(Image.fromarray(pixels), (x, 2 * LINE))
        x += pixels.shape[1] + GAP
    bar = np.broadcast_to(palette(np.linspace(0, 1, SMALLEST), (0.0, 1.0)), (BAR, SMALLEST, 3))
    top = 2 * LINE + height + GAP
    draw.text((GAP, top), low, INK, font)
    left = GAP + int(draw.textlength(low, font)) + GAP
    picture.paste(Image.fromarray(np.ascontiguousarray(bar)), (left, top))
    draw.text((left + SMALLEST + GAP, top), high, INK, font)
    return picture
