"""How a file that cannot be read is reported: one line with its name, what is wrong and the mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def reading(path: str | Path, form: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a one-line ValueError that names the file; a missing file stays one.

    ImportError (an optional package) passes with the file's name in front.

    >>> with reading("scan.tiff", "tiff"):
    ...     raise EOFError("no more bytes")
    Traceback (most recent call last):
    ValueError: scan.tiff: not a readable tiff (no more bytes): copy or record the file again
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file: restore it, or remove what refers to it") from error
    except IsADirectoryError as error:
        raise ValueError(f"{path}: is a folder, expected a {form} file") from error
    except PermissionError as error:
        raise PermissionError(f"{path}: cannot be read: permission denied: chmod u+r it") from error
    except ImportError as error:
        raise ImportError(f"{path}: {error}") from error
    except MemoryError:  # no fault of the file
        raise
    except Exception as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: not a readable {form} ({detail}): copy or record the file again") from error
