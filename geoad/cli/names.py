"""`geoad list`: what there is to choose from. (A module `list` would stand in the package for Python's own.)"""

from __future__ import annotations

from argparse import Namespace
from importlib.resources import files

from geoad.cli.arguments import LOCO
from geoad.data import list_datasets
from geoad.detectors import list_detectors
from geoad.evaluation.text_table import table

TRUTHS = {LOCO: "MVTec LOCO AD: the annotations of its test images, for `geoad evaluate` alone"}


def run(arguments: Namespace) -> int:
    """Print detectors, datasets and weights, each with a line about it."""
    del arguments
    datasets = list_datasets() | TRUTHS
    for noun, known in (("detector", list_detectors()), ("dataset", datasets), ("weights", shipped_weights())):
        print(table([noun, ""], list(known.items())), end="\n\n")
    return 0


def shipped_weights() -> dict[str, str]:
    """Return {name: what the first line of its card says} of the weights in the package."""
    folder, suffix = files("geoad.weights"), ".safetensors"
    names = sorted(file.name.removesuffix(suffix) for file in folder.iterdir() if file.name.endswith(suffix))
    cards = {name: folder / f"{name}.md" for name in names}
    return {name: card.read_text(encoding="utf-8").splitlines()[0].partition(": ")[2] for name, card in cards.items()}
