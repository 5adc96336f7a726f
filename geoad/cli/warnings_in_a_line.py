"""Warnings as a command line says them: in one line, without a line of source."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from geoad.cli.arguments import one_line


@contextmanager
def warnings_in_a_line() -> Iterator[None]:
    """Show warnings so within the `with` block."""
    with warnings.catch_warnings():
        warnings.showwarning = warn  # type: ignore[assignment]
        yield


def warn(message: Warning | str, *_: Any) -> None:
    """Say something on standard error."""
    print(f"geoad: warning: {one_line(str(message))}", file=sys.stderr)
