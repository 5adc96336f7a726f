"""The numbers of the card: `python datasets/sim3d_statistics.py SCANS [--real MVTEC]` prints tables in Markdown.

SCANS is made by `geoad data make sim3d SCANS`. Beside ours stand the counts that are published of MVTec 3D-AD (table
9.1 of Bergmann's thesis), and with --real what the masks of the original categories under that folder say.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geoad.data import list_categories, open_dataset
from geoad.data.image_file import read_rgb
from geoad.data.mask_file import read_mask

# category: defective scans, defect types, annotated regions
PUBLISHED = {
    "bagel": (88, 4, 112),
    "cable_gland": (87, 4, 90),
    "carrot": (132, 5, 159),
    "cookie": (103, 4, 128),
    "dowel": (104, 4, 131),
    "foam": (80, 4, 115),
    "peach": (106, 5, 131),
    "potato": (92, 4, 115),
    "rope": (69, 3, 72),
    "tire": (87, 4, 95),
}


def regions(mask: NDArray[np.bool_]) -> list[float]:
    """The sizes of the connected defects, percent of the image."""
    label, count = ndimage.label(mask, np.ones((3, 3)))
    return [100 * size / mask.size for size in np.bincount(label.ravel(), minlength=count + 1)[1:]]


def spread(values: list[float]) -> str:
    return ", ".join(f"{np.quantile(values, q):.2f}" for q in (0, 0.25, 0.5, 0.75, 1))


def simulated(root: Path) -> None:
    print(
        "| category | invalid pixels, % (least, median, most) | region, % of the image (least, quartiles, most) |",
        end="",
    )
    print(" regions a defective scan | published |\n|---|---|---|---|---|")
    for category in list_categories("sim3d", root):
        lost: list[float] = []
        sizes: list[float] = []
        bad = 0
        for split in ("train", "validation", "test"):
            for sample in open_dataset("sim3d", root, category=category, split=split):
                assert sample.xyz is not None
                lost.append(100 * (1 - sample.xyz.valid.mean()))
                if sample.label:
                    assert sample.mask is not None
                    sizes += regions(sample.mask)
                    bad += 1
        parts, _, marked = PUBLISHED[category]
        invalid = ", ".join(f"{value:.1f}" for value in (min(lost), np.median(lost), max(lost)))
        print(f"| {category} | {invalid} | {spread(sizes)} | {len(sizes) / bad:.2f} | {marked / parts:.2f} |")


def real(root: Path, scans: Path) -> None:
    """Regions by kind, ours and theirs, and the brightness of the colours."""
    for category in sorted(path.name for path in root.iterdir() if (path / "test").is_dir()):
        print(f"\n| {category} | region, % of the image: sim3d | MVTec 3D-AD |\n|---|---|---|")
        for folder in sorted((scans / category / "test").iterdir()):
            if folder.name == "good":
                continue
            rows = [
                [
                    size
                    for path in (base / category / "test" / folder.name / "gt").iterdir()
                    for size in regions(read_mask(path, None))
                ]
                for base in (scans, root)
            ]
            print(f"| {folder.name} | {spread(rows[0])} | {spread(rows[1])} |")
        for base, name in ((scans, "sim3d"), (root, "MVTec 3D-AD")):
            paths = sorted((base / category).glob("t*/good/rgb/*.png"))[:20]
            grey = np.concatenate([read_rgb(path).mean(-1).ravel() for path in paths])
            print(
                f"\ngrey values of {name}, 10, 50, 90, 99 %: {np.percentile(grey, (10, 50, 90, 99)).round().tolist()}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scans", type=Path)
    parser.add_argument("--real", type=Path, help="a folder with categories of MVTec 3D-AD")
    arguments = parser.parse_args()
    simulated(arguments.scans)
    if arguments.real:
        real(arguments.real, arguments.scans)
