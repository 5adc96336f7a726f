"""Files of tensors, read whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the notes of a .safetensors file.

    Raises ValueError (without the file's name) for one that is not whole, and OSError that names it for one that cannot
    be opened: that one may be whole, and somebody's only copy.

    >>> import tempfile, torch
    >>> from safetensors.torch import save
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(save({"x": torch.ones(2)}, {"made": "by hand"})); file.flush()
    ...     read_tensors(file.name)
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
