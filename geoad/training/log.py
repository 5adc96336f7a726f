"""What training did, one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from geoad._whole_file import fault


class Log:
    """Appends lines to a file; a line that a killed process left unfinished is closed first. Without a path: nothing.

    >>> Log(None).write(stage="student", step=1)
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
                self._append("\n")

    def write(self, **fields: Any) -> None:
        """Append one line."""
        if self._path is not None:
            self._append(json.dumps(fields) + "\n")

    def _append(self, text: str) -> None:
        assert self._path is not None
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise fault(self._path, "written", error) from error
