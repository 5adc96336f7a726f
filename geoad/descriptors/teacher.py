"""The pretrained 3D-ST teacher: a learned geometric descriptor for every point, weights in the package."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoad import _check
from geoad.nn.local_features import LocalFeatures
from geoad.nn.point_graph import neighbour_distance, point_graph

WEIGHTS = Path(__file__).parent.parent / "weights"
FORMAT = "geoad-teacher-1"


class Teacher(nn.Module):
    """Descriptors (N, d) of points (N, 3), in any unit and from any place: only offsets between neighbours count.

    The cloud is scaled so that its mean distance to the k neighbours is 1, or that of `spacing` if it is given (so
    that several clouds share one scale, as in 3D-ST). Not invariant to rotation.

    >>> teacher = Teacher.from_pretrained("3d-st-64")
    >>> points = np.random.default_rng(0).random((200, 3), dtype=np.float32)
    >>> teacher(points).shape
    torch.Size([200, 64])
    """

    def __init__(self, network: LocalFeatures, k: int = 32) -> None:
        super().__init__()
        self.network, self.k = network, k

    @classmethod
    def from_pretrained(cls, name: str) -> Teacher:
        """Load a teacher that ships with geoad (`shipped_teachers()` lists them) or a file that `geoad pretrain` wrote.

        Raises ValueError for an unknown name (the known ones are listed) or a file that is no teacher.
        """
        return load_teacher(name)

    @torch.inference_mode()
    def forward(self, points: NDArray[Any] | Tensor, spacing: float | None = None) -> Tensor:
        """Return the descriptors; every point must be finite."""
        device = self.network.output.weight.device
        graph = point_graph(np.asarray(torch.as_tensor(points).cpu()), self.k)
        scale = 1 / (spacing if spacing is not None else float(neighbour_distance(graph["points"], graph["index"])))
        return self.network(graph["points"].to(device), graph["index"].to(device), scale)  # type: ignore[no-any-return]


def shipped_teachers() -> list[str]:
    """Return the names of the teachers in the package.

    >>> "3d-st-64" in shipped_teachers()
    True
    """
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def load_teacher(name: str | Path) -> Teacher:
    """Load a shipped teacher by its name, or any teacher by its path.

    >>> load_teacher("3d-st-64").network.width
    64
    """
    path = Path(name)
    if path.suffix != ".safetensors":
        _check.one_of("teacher", str(name), shipped_teachers())
        path = WEIGHTS / f"{name}.safetensors"
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            note = json.loads((file.metadata() or {}).get("geoad", "{}"))
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no dict
    except FileNotFoundError:
        raise ValueError(f"{path}: no such teacher file; shipped ones: {', '.join(shipped_teachers())}") from None
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error}): pretrain or copy it again") from error
    return _build(path, note, state)


def _build(path: Path, note: Mapping[str, Any], state: dict[str, Tensor]) -> Teacher:
    if note.get("format") != FORMAT:
        raise ValueError(f"{path}: not a teacher: its format must be {FORMAT!r}, got {note.get('format')!r}")
    network = LocalFeatures(note["width"], note["blocks"], note["coordinates"])
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path}: its tensors are not those of a teacher of width {note['width']}") from error
    return Teacher(network, note["k"]).eval().requires_grad_(False)


def save_teacher(path: str | Path, teacher: Teacher, **note: Any) -> None:
    """Write a teacher to a .safetensors file, whole or not at all; `note` goes to its metadata.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_teacher(f"{folder}/mine.safetensors", Teacher(LocalFeatures(8, 1), k=4))
    ...     load_teacher(f"{folder}/mine.safetensors").k
    4
    """
    from safetensors.torch import save

    network = teacher.network
    own = {"format": FORMAT, "width": network.width, "blocks": len(network.blocks), "k": teacher.k}
    # One entry: safetensors writes several in no fixed order, and equal teachers should be equal files.
    text = {"geoad": json.dumps({**note, **own, "coordinates": network.coordinates}, sort_keys=True)}
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(save({key: value.contiguous().cpu() for key, value in network.state_dict().items()}, text))
    os.replace(temporary, path)
