"""Tensors on disk, whole or not at all."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from geoad._whole_file import write_whole


def write_torch(path: str | Path, content: Any) -> None:
    """Write what `torch.save` takes, as `write_whole` does.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_torch(f"{folder}/a.pt", {"x": torch.ones(2)})
    ...     torch.load(f"{folder}/a.pt")["x"]
    tensor([1., 1.])
    """
    write_whole(path, partial(torch.save, content))
