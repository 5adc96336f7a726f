"""The pictures of the card: `python datasets/sim3d_pictures.py [CATEGORY …]` writes datasets/sim3d/<category>.jpg.

A sheet shows one part of every kind, sim3d-1 at 400 pixels, seed 0: colour, relief of the measured points (lost pixels
violet), ground truth (red).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from geoad.data.sim3d import CATEGORIES, get_category
from geoad.data.sim3d.scan import Scan, simulate

FOLDER = Path(__file__).parent / "sim3d"
PIXELS, WIDTH, COLUMNS = 400, 210, 2
LIGHT, LOST, RED = np.array([-0.45, -0.55, 0.7]), (50, 10, 80), (255, 60, 60)


def relief(xyz: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The points under a slanting light."""
    depth = np.where(xyz[..., 2] > 0, xyz[..., 2], np.nan)
    step = float(np.nanmedian(np.abs(np.diff(np.where(xyz[..., 2] > 0, xyz[..., 0], np.nan), axis=1))))
    down, right = np.gradient(depth, step)
    normal = np.stack([-right, -down, np.ones_like(depth)], -1)
    bright = (normal @ LIGHT) / np.linalg.norm(normal, axis=-1)
    grey = np.nan_to_num(255 * np.clip(0.1 + 0.9 * bright, 0, 1)).astype(np.uint8)
    return np.where(np.isfinite(bright)[..., None], grey[..., None], np.uint8(LOST)).astype(np.uint8)


def strip(scan: Scan, name: str) -> Image.Image:
    """Colour, relief and truth side by side, with the name of the kind."""
    truth = np.where(scan.mask[..., None], RED, scan.rgb // 2).astype(np.uint8)
    height = round(WIDTH * scan.mask.shape[0] / scan.mask.shape[1])
    out = Image.new("RGB", (3 * WIDTH + 6, height + 6), "white")
    for i, pixels in enumerate((scan.rgb, relief(scan.xyz), truth)):
        out.paste(Image.fromarray(pixels).resize((WIDTH, height)), (i * WIDTH, 0))
    ImageDraw.Draw(out).text((5, 3), name, "yellow", ImageFont.load_default(14))
    return out


def sheet(name: str) -> Image.Image:
    """All kinds of a category."""
    category = get_category(name)
    seeds = np.random.SeedSequence(0).spawn(len(category.kinds))
    pairs = zip(category.kinds, seeds, strict=True)
    strips = [strip(simulate(category, kind, seed, pixels=PIXELS), kind) for kind, seed in pairs]
    rows = -(-len(strips) // COLUMNS)
    out = Image.new("RGB", (COLUMNS * strips[0].width, rows * strips[0].height), "white")
    for i, picture in enumerate(strips):
        out.paste(picture, (i // rows * picture.width, i % rows * picture.height))
    return out


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in sys.argv[1:] or CATEGORIES:
        sheet(each).save(FOLDER / f"{each}.jpg", quality=70, optimize=True)
