"""Tensors on disk, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from geoad._whole_file import write_whole


def write_tensors(path: str | Path, content: Any) -> None:
    """Write what `torch.save` takes, as `write_whole` does.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_tensors(f"{folder}/a.pt", {"x": torch.ones(2)})
    ...     torch.load(f"{folder}/a.pt")["x"]
    tensor([1., 1.])
    """
    buffer = io.BytesIO()  # of a full disk torch says neither the file nor that it is full
    torch.save(content, buffer)
    write_whole(path, buffer.getbuffer())
