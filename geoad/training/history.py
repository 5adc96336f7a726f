"""What the log of a training tells, over all its sittings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class History:
    """The lines of a `Log`. A sitting begins with a line that says so, or where the seconds begin anew.

    >>> History([{"sitting": "a laptop"}, {"step": 9, "validation": 0.5, "seconds": 36.0}]).hours
    0.01
    """

    lines: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> History:
        """Read a log; lines that a kill left torn are passed over, and without a file there are none."""
        lines = []
        for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                continue
        return cls(lines)

    @property
    def sittings(self) -> list[list[dict[str, Any]]]:
        """The lines of each sitting in which something was done."""
        found: list[list[dict[str, Any]]] = []
        last = 0.0
        for line in self.lines:
            if "sitting" not in line and "seconds" not in line:
                continue
            now = float(line.get("seconds", 0.0))
            if not found or "sitting" in line or now < last:
                found.append([])
            found[-1].append(line)
            last = now
        return [lines for lines in found if "seconds" in lines[-1]]

    @property
    def places(self) -> list[str]:
        """Where the sittings were, each place once, as far as they told."""
        return list(dict.fromkeys(lines[0]["sitting"] for lines in self.sittings if "sitting" in lines[0]))

    @property
    def hours(self) -> float:
        """The hours of all sittings together."""
        return sum(float(lines[-1]["seconds"]) for lines in self.sittings) / 3600

    def curve(self, until: int) -> dict[int, float]:
        """Return the validation losses by step; what a later sitting did again counts as it did it."""
        found = {line["step"]: line["validation"] for line in self.lines if "validation" in line}
        return {step: found[step] for step in sorted(found) if step <= until}

    def short(self) -> list[dict[str, Any]]:
        """Return the lines from which all of this still follows."""
        return [
            line
            for lines in self.sittings
            for place, line in enumerate(lines, 1)
            if "sitting" in line or "validation" in line or place == len(lines)
        ]
