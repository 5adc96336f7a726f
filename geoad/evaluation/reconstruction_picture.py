"""What a method makes of parts that it reconstructs, beside what it saw of them (thesis fig. 9.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoad._whole_file import write_whole
from geoad.data.dataset import Dataset
from geoad.evaluation.picture import GAP, INK, LINE, PAPER

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 256
Pictures = Mapping[str, NDArray[np.floating]]


def draw_reconstructions(detector: Any, test: Dataset) -> Image | None:
    """Draw a good part and one of each kind of defect, a row each; None for a method that does not reconstruct.

    Such a method has `reconstruction(sample)`, which returns pictures by name, (h, w) or (h, w, 3) in 0..1.

    >>> draw_reconstructions(object(), [])
    """
    if not hasattr(detector, "reconstruction"):
        return None
    first: dict[str, int] = {}
    for i, entry in enumerate(test.entries):
        first.setdefault(entry.kind, i)
    chosen = [first[kind] for kind in sorted(first, key=lambda kind: (kind != "good", kind))]
    return draw_rows([(test.entries[i].name, detector.reconstruction(test[i])) for i in chosen])


def watch_reconstructions(detector: Any, dataset: Dataset, folder: Path) -> None:
    """Have a method that reconstructs draw what it makes of the first scan while it learns, now and then.

    The pictures are FOLDER/reconstructions/STAGE-STEP.png.

    >>> watch_reconstructions(object(), [], Path("run"))
    """
    if hasattr(detector, "reconstruction"):  # processes of several devices take a partial along, and no closure
        detector.watch = partial(_watch, detector, dataset[:1], folder / "reconstructions")


def _watch(detector: Any, dataset: Dataset, folder: Path, stage: str, step: int) -> None:
    """Draw what a method makes of the scans."""
    picture = draw_reconstructions(detector, dataset)
    assert picture is not None
    write_whole(folder / f"{stage}-{step:07d}.png", partial(picture.save, format="png"))


def draw_rows(rows: Sequence[tuple[str, Pictures]]) -> Image:
    """Draw named pictures side by side, each row under its title.

    >>> draw_rows([("test/hole/000", {"depth": np.zeros((8, 8)), "reconstruction": np.ones((4, 4))})]).size
    (536, 304)
    """
    from PIL import Image, ImageDraw, ImageFont

    font, height = ImageFont.load_default(13), SIDE + 2 * LINE + GAP
    columns = max(len(pictures) for _, pictures in rows)
    sheet = Image.new("RGB", (GAP + columns * (SIDE + GAP), height * len(rows)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (title, pictures) in enumerate(rows):
        top = number * height
        draw.text((GAP, top + 4), title, INK, font)
        for column, (name, values) in enumerate(pictures.items()):
            left = GAP + column * (SIDE + GAP)
            draw.text((left, top + LINE + 4), name, INK, font)
            pixels = np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)
            sheet.paste(Image.fromarray(pixels).convert("RGB").resize((SIDE, SIDE), 0), (left, top + 2 * LINE))
    return sheet
