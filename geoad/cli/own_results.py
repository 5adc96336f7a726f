"""Whether the numbers in a folder are those of this very command of `evaluate`: no others are replaced unasked."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from geoad._digest import digest_of

FILES = ("metrics.json", "metrics.csv")
BESIDE = {"versus": "versus", "published": "against"}
"""Folders of numbers beside the main ones, and the options that they answer."""


def digest_asked(arguments: Namespace) -> str:
    """Return a hash of what decides the numbers of a command and where they go, wherever it is run.

    >>> from geoad.cli.arguments import Data
    >>> asked = dict.fromkeys(("category", "limits", "mode", "connectivity", "resize", "bootstrap"))
    >>> asked |= dict.fromkeys(("against", "versus", "threshold"))
    >>> asked |= {"data": Data("folder", Path("parts")), "out": "results"}
    >>> digest_asked(Namespace(**asked, maps="maps")) == digest_asked(Namespace(**asked, maps="./maps"))
    True
    """
    decides = ("category", "limits", "mode", "resize", "bootstrap", "against")
    later = [arguments.connectivity] if arguments.connectivity != 8 else []  # older results were of 8
    places = [getattr(arguments, name) for name in ("maps", "versus", "threshold", "out")]
    resolved = [place and Path(place).resolve() for place in (*places, arguments.data.root)]
    return digest_of([[getattr(arguments, name) for name in decides], resolved, arguments.data.name, *later])


def check_results(arguments: Namespace) -> None:
    """Raise FileExistsError if numbers of another command, or of another program, lie where these are to go.

    >>> check_results(Namespace(out="no such folder", overwrite=False, versus=None, against=None))
    """
    folders = ["", *(name for name, option in BESIDE.items() if getattr(arguments, option))]
    for file in (Path(arguments.out, folder, name) for folder in folders for name in FILES):
        if file.exists() and not arguments.overwrite and _asked(file.parent) != digest_asked(arguments):
            raise FileExistsError(
                f"{file}: has the numbers of another command or version: choose another --out, or --overwrite"
            )


def remove_beside(out: Path) -> None:
    """Remove what an earlier command has written beside its own numbers, which are about to be replaced.

    >>> remove_beside(Path("no such folder"))
    """
    earlier = _asked(out)
    for folder in (out / name for name in BESIDE):
        if earlier is not None and _asked(folder) == earlier:
            for name in reversed(FILES):  # the one that says whose they are goes last
                (folder / name).unlink(missing_ok=True)


def _asked(folder: Path) -> str | None:
    """Return what the numbers in a folder answer; None if they are not of `evaluate`."""
    try:
        content = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    asked = content.get("asked", content.get("command")) if isinstance(content, dict) else None  # older have no hash
    return asked if isinstance(asked, str) else None
