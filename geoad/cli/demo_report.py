"""What the demo ends with: one table of both methods, and one sheet of pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoad._whole_file import write_whole
from geoad.evaluation.text_table import Cell, table

if TYPE_CHECKING:
    from PIL.Image import Image

METHODS = ("3d-st", "voxel-vm")
METRICS = {
    ("au_pro", 0.3): "AU-PRO@0.3",
    ("au_pro", 0.05): "AU-PRO@0.05",
    ("pixel_auroc", None): "pixel AUROC",
    ("image_auroc", None): "image AUROC",
}
MARGIN = 110  # pixels, for the names of method and category


def report(out: Path, categories: Sequence[str]) -> str:
    """Return the table and the places of the pictures; write the sheet."""
    values = {key: value for method in METHODS for key, value in _values(out, method).items()}
    rows: list[list[Cell]] = []
    for category in (*categories, "mean"):
        for method in METHODS:
            numbers = [values[(method, category, *metric)] for metric in METRICS]
            rows.append([category, method, *numbers])
    sheet = out / "pictures.png"
    picture = draw_sheet(out, categories)
    write_whole(sheet, lambda file: picture.save(file, format="png"))
    return "\n".join(
        [
            "",
            table(["sim3d", "method", *METRICS.values()], rows),
            "",
            f"pictures: {sheet}; one beside every map in {out / 'maps'}",
            f"numbers:  {out / 'results'}",
        ]
    )


def _values(out: Path, method: str) -> dict[tuple[Any, ...], float]:
    """Return {(method, category, metric, limit): value} of one method's results."""
    rows = json.loads((out / "results" / method / "metrics.json").read_text(encoding="utf-8"))["rows"]
    return {(method, row["category"], row["metric"], row["limit"]): row["value"] for row in rows}


def draw_sheet(out: Path, categories: Sequence[str]) -> Image:
    """Put one defect of each category under another, as either method sees it."""
    from PIL import Image, ImageDraw, ImageFont

    strips = []
    for number, category in enumerate(categories):
        place = _defect(out / "maps" / METHODS[0] / category, number)
        strips += [(f"{method}\n{category}", out / "maps" / method / category / place) for method in METHODS]
    pictures = [Image.open(path).convert("RGB") for _, path in strips]
    width = max(picture.width for picture in pictures)
    sheet = Image.new("RGB", (MARGIN + width, sum(picture.height for picture in pictures)), "white")
    draw, top = ImageDraw.Draw(sheet), 0
    for (name, _), picture in zip(strips, pictures, strict=True):
        draw.text((8, top + 40), name, "black", ImageFont.load_default(15))
        sheet.paste(picture, (MARGIN, top))
        top += picture.height
    return sheet


def _defect(folder: Path, number: int) -> Path:
    """Return the first picture of a defect kind, another kind for another number."""
    kinds = sorted(path.name for path in (folder / "test").iterdir() if path.is_dir() and path.name != "good")
    kind = kinds[number % len(kinds)]
    pictures = (path for path in (folder / "test" / kind).glob("*.png") if not path.name.endswith(".mask.png"))
    return min(pictures).relative_to(folder)
