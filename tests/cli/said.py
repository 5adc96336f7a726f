"""What a command answered, and what an error must look like."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SMALL = ("--set", "resolution=8")


class Said(NamedTuple):
    """Exit code, standard output and standard error."""

    code: int
    out: str
    err: str


def assert_one_line(said: Said, *parts: object, code: int = 1) -> None:
    """The command failed with `code` and said so in one line that holds `parts`."""
    assert said.code == code, said
    assert said.err.startswith("geoad: error: ") and said.err.count("\n") == 1, said.err
    for part in parts:
        assert str(part) in said.err


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])
