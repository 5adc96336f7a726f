"""Tables that scripts write into texts, each between two marks of its own."""

from __future__ import annotations

import sys
from pathlib import Path


def between(path: Path, name: str) -> str:
    """Return what lies between the marks of a table; exit with what is wrong if there are none."""
    _, begin, rest = path.read_text().partition(_marks(name)[0])
    inside, end, _ = rest.partition(_marks(name)[1])
    if not (begin and end):
        sys.exit(f"{path}: no place for the table {name}: it needs the lines {' and '.join(_marks(name))}")
    return inside.strip()


def put_between(path: Path, name: str, table: str) -> None:
    """Put a table between its marks."""
    between(path, name)
    begin, end = _marks(name)
    before, _, rest = path.read_text().partition(begin)
    path.write_text(f"{before}{begin}\n\n{table}\n\n{end}{rest.partition(end)[2]}")


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: made by a script -->", f"<!-- end of {name} -->"
