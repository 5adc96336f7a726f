"""What the words of the command line mean, and how an error is put into one line. Imports nothing heavy."""

from __future__ import annotations

import ast
import re
from argparse import ArgumentTypeError
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from geoad import _check

LOCO = "mvtec-loco"


class UsageError(ValueError):
    """The command was wrongly asked: exit code 2."""


class Data(NamedTuple):
    """A dataset's name and its folder."""

    name: str
    root: Path


def dataset(text: str) -> Data:
    """Read NAME:ROOT."""
    from geoad.data import DATASETS

    name, colon, root = text.partition(":")
    if not colon or not root:
        raise ArgumentTypeError(f"must be NAME:ROOT, such as mvtec3d:scans, got {text!r}")
    _known("dataset", name, DATASETS)
    return Data(name, _folder(root))


def ground_truth(text: str) -> Data:
    """Read NAME:ROOT of a dataset, or of the ground truth that only `evaluate` reads."""
    from geoad.data import DATASETS

    name, colon, root = text.partition(":")
    ours = not (colon and root and name == LOCO) or name in DATASETS
    return dataset(text) if ours else Data(name, _folder(root))


def _folder(root: str) -> Path:
    """Return a folder; no shell has looked for a home behind the colon."""
    return Path(root).expanduser() if root == "~" or root.startswith("~/") else Path(root)


def detector(text: str) -> str:
    """Read the name of a registered detector."""
    from geoad.detectors import DETECTORS

    _known("detector", text, DETECTORS)
    return text


def kernel(text: str) -> str:
    """Read the name of a kernel to measure, or "all"."""
    from geoad.bench import KERNELS

    _known("kernel", text, {**KERNELS, "all": ""})
    return text


def sizes(text: str) -> tuple[int, ...]:
    """Read numbers of points with commas between; k is 1024 of them, M a million."""
    found = []
    for word in text.split(","):
        match = re.fullmatch(r"(\d+)([kM]?)", word)
        size = int(match[1]) * {"": 1, "k": 1024, "M": 1_000_000}[match[2]] if match else 0
        if size < 1:
            raise ArgumentTypeError(f"must be whole numbers with commas between, such as 4096,64k,1M, got {text!r}")
        found.append(size)
    return tuple(found)


def dimensions(text: str) -> tuple[int, ...]:
    """Read whole numbers with commas between."""
    found = tuple(int(word) if word.isdecimal() else 0 for word in text.split(","))
    if not all(found):
        raise ArgumentTypeError(f"must be whole numbers above 0 with commas between, such as 128,512, got {text!r}")
    return found


def place(text: str) -> str:
    """Read a folder's place, which an empty word is not: what a shell makes of a variable that is not set."""
    if not text:
        raise ArgumentTypeError("must name a folder, got an empty word")
    return text


def words(text: str) -> tuple[str, ...]:
    """Read names with commas between."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def seconds(text: str) -> float:
    """Read a length of time."""
    return _above(text, "a number of seconds above 0")


def hours(text: str) -> float:
    """Read a longer one."""
    return _above(text, "a number of hours above 0")


def factor(text: str) -> float:
    """Read what to multiply by."""
    return _above(text, "a number above 0, such as 0.5")


def _above(text: str, what: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"must be {what}, got {text!r}")
    return value


def _number(text: str) -> float:
    """Return a number, or one that fails every comparison."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


PRESETS = ("tiny", "thesis")
WORDS = {"true": True, "false": False, "none": None}  # and as Python has them


def setting(text: str) -> tuple[str, Any]:
    """Read KEY=VALUE; a value that is neither true, false, none nor a Python literal is a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise ArgumentTypeError(f"must be KEY=VALUE, such as points=8192, got {text!r}")
    if value in WORDS:
        return key, WORDS[value]
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value


def limits(text: str) -> tuple[float, ...]:
    """Read integration limits: numbers in (0, 1] with commas between."""
    values = tuple(map(_number, text.split(",")))
    if not all(0 < value <= 1 for value in values):
        raise ArgumentTypeError(f"must be numbers in (0, 1] with commas between, such as 0.05,0.3, got {text!r}")
    return values


def share(text: str) -> float:
    """Read a part of a whole: a number between 0 and 1."""
    value = _number(text)
    if not 0 < value < 1:
        raise ArgumentTypeError(f"must be a number between 0 and 1, such as 0.2, got {text!r}")
    return value


def device(text: str) -> str:
    """Read where to compute."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", text):
        raise ArgumentTypeError(f"must be auto, cpu, cuda or cuda:NUMBER, got {text!r}")
    return text


def count(text: str) -> int:
    """Read a number of things, at least one."""
    return _whole(text, 1)


def seeds(text: str) -> tuple[int, ...]:
    """Read seeds with commas between, each once."""
    return tuple(dict.fromkeys(natural(word) for word in text.split(",")))


def natural(text: str) -> int:
    """Read a whole number, at least zero."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise ArgumentTypeError(f"must be a whole number, at least {least}, got {text!r}")
    return int(text)


def _known(what: str, name: str, known: dict[str, str]) -> None:
    try:
        _check.one_of(what, name, known)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def check_words(what: str, words: Sequence[str] | None, known: Collection[str]) -> None:
    """Raise UsageError for names that an option gave if there are none, or one that is not known."""
    if words is not None and not words:
        raise UsageError(f"no {what} is named: give names with commas between, or leave the option out for all")
    for word in words or ():
        try:
            _check.one_of(what, word, known)
        except ValueError as error:
            raise UsageError(str(error)) from None


def check_category(data: Data, category: str | None) -> None:
    """Raise UsageError for a category that the dataset has not."""
    from geoad.data import list_categories

    if category is not None:
        check_words(f"category of {data.name}:{data.root}", [category], list_categories(data.name, data.root))


def asked_categories(data: Data, category: str | None) -> list[str | None]:
    """Return the category, if one is named, or all that a dataset has; None where it has none."""
    from geoad.data import list_categories

    check_category(data, category)
    return [category] if category is not None else [*list_categories(data.name, data.root)] or [None]


def describe(error: BaseException) -> str:
    """Put an error into one line that a person can act on."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}"
    text = one_line(str(error))
    if isinstance(error, ValueError | TypeError | ImportError | OSError | MemoryError) and text:
        return text
    return f"{type(error).__name__}{': ' if text else ''}{text} (--debug shows where)"


def one_line(text: str) -> str:
    """Return the words of a text with single spaces between."""
    return " ".join(text.split())
