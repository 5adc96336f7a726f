"""Files of tensors that hold nothing to run, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from geoad._whole_file import write_whole

if TYPE_CHECKING:
    from torch import Tensor


def read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the notes of a .safetensors file.

    Raises ValueError (without the file's name) for one that is not whole, and OSError that names it for one that cannot
    be opened: that one may be whole, and somebody's only copy.

    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_safetensors(f"{folder}/x.safetensors", {"x": torch.ones(2)}, {"made": "by hand"})
    ...     read_safetensors(f"{folder}/x.safetensors")
    ({'x': tensor([1., 1.])}, {'made': 'by hand'})
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = Path(path).read_bytes()  # whatever bytes its name has, which safetensors wants to be UTF-8
    try:
        state = load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return state, head.get("__metadata__", {})


def write_safetensors(path: str | Path, state: Mapping[str, Tensor], note: Mapping[str, str]) -> None:
    """Write tensors, from any device, and a note to a .safetensors file.

    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_safetensors(f"{folder}/x.safetensors", {"x": torch.ones(2)}, {})
    """
    from safetensors.torch import save

    write_whole(path, save({name: tensor.contiguous().cpu() for name, tensor in state.items()}, dict(note)))
