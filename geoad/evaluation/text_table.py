"""Text tables, as wide as they need to be: a terminal wraps, a file keeps the columns."""

from __future__ import annotations

from collections.abc import Sequence

Cell = str | float | int | None


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return lines with aligned columns: numbers to the right with three decimals, None as a dash.

    >>> print(table(["name", "value"], [("bagel", 0.5), ("rope", None)]))
    name   value
    -----  -----
    bagel  0.500
    rope       -
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    rules = ["-" * max(map(len, column)) for column in zip(head, *texts, strict=True)]
    right = [bool(rows) and all(not isinstance(cell, str) for cell in column) for column in zip(*rows, strict=True)]
    return align([head, rules, *texts], right or [False] * len(head))


def align(lines: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Return lines of cells as text, columns as wide as their widest cell, those that are so marked to the right.

    >>> print(align([["a", "bcd"], ["efg", "h"]], [False, True]))
    a    bcd
    efg    h
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    styles = [f"{'>' if to_right else '<'}{width}" for width, to_right in zip(widths, right, strict=True)]
    return "\n".join("  ".join(map(format, line, styles)).rstrip() for line in lines)


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)
