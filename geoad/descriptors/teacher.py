"""The pretrained 3D-ST teacher: a learned geometric descriptor for every point, weights in the package."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from geoad import _check
from geoad.geometry.xyz_image import XYZImage
from geoad.nn.compact import compact_pieces
from geoad.nn.cone import cone
from geoad.nn.local_features import LocalFeatures
from geoad.nn.point_graph import neighbour_distance
from geoad.ops.knn import knn

WEIGHTS = Path(__file__).parent.parent / "weights"
FORMAT = "geoad-teacher-1"
CHUNK = 1 << 17  # points that are described at once on the CPU


class Teacher(nn.Module):
    """Descriptors (N, d) of points (N, 3), in any unit and from any place: only offsets between neighbours count.

    Arrays give arrays, tensors tensors on their device, float32. The cloud is scaled so that its mean distance to the
    k neighbours is 1, or that of `spacing`, in the points' unit (so that several clouds share one scale, as in 3D-ST).
    Of N ≤ k points each has N − 1 neighbours. Not invariant to rotation.

    `chunk` points are described at a time, with what their receptive fields hold besides: the same descriptors, in less
    memory. The receptive fields of chunks are searched on the host; on a GPU the default is the whole cloud at once.

    Raises ValueError for points of another shape, fewer than two, or not finite, and TypeError for what holds no real
    numbers.

    >>> import numpy as np
    >>> teacher = Teacher.from_pretrained("3d-st-64")
    >>> points = np.random.default_rng(0).random((200, 3), dtype=np.float32)
    >>> teacher(points).shape
    (200, 64)
    >>> teacher(torch.from_numpy(points)).shape
    torch.Size([200, 64])
    """

    def __init__(self, network: LocalFeatures, k: int = 32) -> None:
        super().__init__()
        self.network, self.k = network, k

    @classmethod
    def from_pretrained(cls, name: str | Path, device: str | torch.device = "cpu") -> Teacher:
        """Load a teacher that ships with geoad (`shipped_teachers()` lists them) or a file that `geoad pretrain` wrote.

        Raises ValueError for an unknown name (the known ones are listed) or a file that is no teacher.
        """
        return load_teacher(name).to(device)

    @torch.inference_mode()
    def forward(self, points: Any, spacing: float | None = None, chunk: int | None = None) -> Any:
        """Return the descriptors (N, d)."""
        cloud = _cloud(points).to(self.network.output.weight.device)
        if chunk is None:
            chunk = CHUNK if cloud.device.type == "cpu" else len(cloud)
        _check.positive("chunk", chunk)
        index = _neighbours(cloud, self.k)
        unit = neighbour_distance(cloud, index).item() if spacing is None else spacing
        if not 0 < unit < math.inf:
            raise ValueError(f"spacing must be positive, and not all points alike, got {unit}")
        described = self._describe(cloud, index, 1 / unit, chunk)
        return described.to(points.device) if isinstance(points, Tensor) else described.cpu().numpy()

    def _describe(self, cloud: Tensor, index: Tensor, scale: float, chunk: int) -> Tensor:
        if len(cloud) <= chunk:
            return self.network(cloud, index, scale)  # type: ignore[no-any-return]
        result = cloud.new_empty(len(cloud), self.network.width)
        for piece in compact_pieces(cloud.cpu().numpy(), chunk):
            part = cone(cloud, index, torch.from_numpy(piece), self.network.hops)
            result[part.described] = self.network(part.points, part.table, scale, part.sizes)
        return result

    def apply_organized(self, xyz: Any, spacing: float | None = None, chunk: int | None = None) -> Any:
        """Return the descriptors (H, W, d) of an organised scan (H, W, 3) or an `XYZImage`; NaN where it is invalid.

        Invalid are pixels that are not finite or (0, 0, 0).

        >>> import numpy as np
        >>> scan = np.random.default_rng(0).random((9, 8, 3))
        >>> scan[0, 0] = 0
        >>> described = Teacher.from_pretrained("3d-st-64").apply_organized(scan)
        >>> described.shape, np.isnan(described[0, 0]).all(), np.isnan(described[0, 1]).any()
        ((9, 8, 64), np.True_, np.False_)
        """
        scan = xyz.xyz if isinstance(xyz, XYZImage) else xyz
        points = torch.as_tensor(scan)
        _check.shape("xyz", points, ("H", "W", 3))
        valid = points.isfinite().all(-1) & (points != 0).any(-1)
        described = self(points[valid], spacing, chunk)
        result = described.new_full((*points.shape[:2], self.network.width), torch.nan)
        result[valid] = described
        return result if isinstance(scan, Tensor) else result.numpy()


def _cloud(points: Any) -> Tensor:
    """Return points (N, 3) float32, float64 ones after an exact step towards the origin."""
    cloud = torch.as_tensor(points)
    _check.shape("points", cloud, ("N", 3))
    if cloud.dtype == torch.bool or cloud.is_complex():
        raise TypeError(f"points must hold real numbers, got {cloud.dtype}")
    if len(cloud) < 2:
        raise ValueError(f"points must be at least 2, got {len(cloud)}")
    if not (finite := cloud.isfinite().all(1)).all():
        raise ValueError(f"points must be finite, got {int((~finite).sum())} that are not: leave them out")
    if cloud.dtype == torch.float32:
        return cloud.contiguous()
    wide = cloud.double()
    return (wide - wide.amin(0)).float()  # far from the origin float32 would round neighbours onto each other


def _neighbours(cloud: Tensor, k: int) -> Tensor:
    found: Tensor = knn(cloud, min(k, len(cloud) - 1), include_self=False).index
    return found.int()


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
