"""Rows of an earlier call of a script, for it to go on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def earlier_rows(path: Path, **facts: Any) -> list[dict[str, Any]]:
    """Return the rows of a file of results, [] if there is none; exit if they are of other facts: nothing is lost.

    >>> earlier_rows(Path("no such file"), data={"seed": 0})
    []
    """
    before = json.loads(path.read_text()) if path.exists() else {}
    rows: list[dict[str, Any]] = before.get("rows", [])
    wrong = [name for name, now in facts.items() if before.get(name) != json.loads(json.dumps(now))] if rows else []
    if wrong:
        raise SystemExit(f"{path} holds rows of another {' and '.join(wrong)}: give another --out, or move it away")
    return rows
