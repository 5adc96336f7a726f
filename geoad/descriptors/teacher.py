"""The pretrained 3D-ST teacher: a learned geometric descriptor for every point, weights in the package."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoad import _check
from geoad._safetensors import read_safetensors, write_safetensors
from geoad.descriptors.neighbourhood import neighbourhood
from geoad.descriptors.pieces import apply_in_pieces
from geoad.geometry.xyz_image import XYZImage
from geoad.nn.default_dtype import float32_by_default
from geoad.nn.local_features import LocalFeatures
from geoad.ops._arrays import whole

WEIGHTS = Path(__file__).parent.parent / "weights"
FORMAT = "geoad-teacher-1"
CHUNK = 1 << 16  # points: smaller pieces overlap more, larger ones leave the caches


class Teacher(nn.Module):
    """Descriptors (N, d) of points (N, 3), in any unit and from any place: only offsets between neighbours count.

    One cloud a call: `cloud.points` of a `PointCloud`, `np.asarray(pcd.points)` of Open3D's. Arrays (or lists) give
    arrays; a tensor gives a tensor where it is, which must be where the teacher is. Coordinates are taken as float32.
    Float64 ones that float32 does not hold, as far from the origin, are taken from their median, which loses less and
    which no outlier moves.

    The cloud is scaled so that its mean distance to the k neighbours is 1, or that of `spacing`, in the points' unit,
    if it is given: clouds to be compared share one, as in 3D-ST. Of N ≤ k points each has N − 1 neighbours. Not
    invariant to rotation: to register turned parts take `fpfh`. On the CPU, permuted points get the same descriptors
    bit for bit, unless points tie for the place of a k-th neighbour.

    At most `chunk` points are described at a time, by the part of the cloud that they depend on: the descriptors are
    the same, and the memory is little more than that of the neighbours and the result.

    No gradient flows. Raises ValueError for points of another shape, fewer than two, not finite, all in one place
    (without `spacing`) or on another device than the teacher, TypeError for what holds no real numbers, and
    RuntimeError where torch traces it.

    >>> teacher = Teacher.from_pretrained("3d-st-64")
    >>> points = np.random.default_rng(0).random((200, 3), dtype=np.float32)
    >>> teacher(points).shape
    (200, 64)
    >>> teacher(torch.from_numpy(points)).shape
    torch.Size([200, 64])
    """

    def __init__(self, network: LocalFeatures, k: int = 32) -> None:
        super().__init__()
        _check.positive(k=k)
        self.network, self.k = network, k

    @classmethod
    def from_pretrained(cls, name: str | Path, device: str | torch.device = "cpu") -> Teacher:
        """Load a teacher that ships with geoad (`shipped_teachers()` lists them) or a file that `geoad pretrain` wrote.

        Raises ValueError for an unknown name (the known ones are listed), a file that is no teacher, or a `device`
        that is not here.

        >>> Teacher.from_pretrained("3d-st-64").network.width
        64
        """
        teacher = _read(name)
        try:
            return teacher.to(device)
        except (AssertionError, RuntimeError) as error:  # torch has either, and several lines
            reason = str(error).partition("\n")[0]
            raise ValueError(f"device must be one that torch has here, got {str(device)!r}: {reason}") from error

    def save(self, path: str | Path, **note: Any) -> None:
        """Write a .safetensors file for `from_pretrained`, whole or not at all; `note` goes to its metadata.

        Raises ValueError for a path that `from_pretrained` would take for a name.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Teacher(LocalFeatures(8, 1), k=4).save(f"{folder}/mine.safetensors")
        ...     Teacher.from_pretrained(f"{folder}/mine.safetensors").k
        4
        """
        if Path(path).suffix != ".safetensors":
            raise ValueError(f"a teacher's file must be called *.safetensors, got {path}")
        network = self.network
        own = {"format": FORMAT, "width": network.width, "blocks": len(network.blocks), "k": self.k}
        if network.outputs != network.width:
            own["outputs"] = network.outputs
        # One entry: safetensors writes several in no fixed order, and equal teachers should be equal files.
        text = {"geoad": json.dumps({**note, **own, "coordinates": network.coordinates}, sort_keys=True)}
        write_safetensors(path, network.state_dict(), text)

    @torch.no_grad()  # and not in inference mode, whose tensors no layer that learns could take
    def forward(self, points: Any, spacing: float | None = None, *, chunk: int = CHUNK) -> Any:
        """Return the descriptors (N, d)."""
        described = self._describe(self._coordinates("points", points, ("N", 3)), spacing, chunk)
        return described if isinstance(points, Tensor) else described.cpu().numpy()

    @torch.no_grad()
    def apply_organized(self, xyz: Any, spacing: float | None = None, *, chunk: int = CHUNK) -> Any:
        """Return the descriptors (H, W, d) of an organised scan (H, W, 3) or an `XYZImage`; NaN where it is invalid.

        Invalid are pixels that are not finite or (0, 0, 0). Raises what the call of the teacher raises, for scans with
        fewer than two valid pixels too.

        >>> scan = np.random.default_rng(0).random((9, 8, 3))
        >>> scan[0, 0] = 0
        >>> described = Teacher.from_pretrained("3d-st-64").apply_organized(scan)
        >>> described.shape, bool(np.isnan(described[0, 0]).all()), bool(np.isnan(described[0, 1]).any())
        ((9, 8, 64), True, False)
        """
        scan = self._coordinates("xyz", xyz.xyz if isinstance(xyz, XYZImage) else xyz, ("H", "W", 3))
        valid = scan.isfinite().all(-1) & (scan != 0).any(-1)
        if (count := int(valid.sum())) < 2:
            raise ValueError(f"xyz must have at least 2 valid pixels, got {count}")
        described = self._describe(scan[valid], spacing, chunk)
        image = described.new_full((*valid.shape, described.shape[1]), math.nan)
        image[valid] = described
        return image if isinstance(xyz, Tensor) else image.cpu().numpy()

    def _coordinates(self, name: str, array: Any, shape: tuple[int | str, ...]) -> Tensor:
        """Return what came as float64 on the teacher's device."""
        # The neighbours are found outside of torch: a trace would hold them as constants.
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            raise RuntimeError("a teacher cannot be traced: its neighbours would be those of the example")
        device = self.network.output.weight.device
        numbers = array.detach() if isinstance(array, Tensor) else _array(name, array)
        _check.shape(name, numbers, shape)
        if isinstance(numbers, Tensor):
            if numbers.device != device:
                raise ValueError(f"{name} must be where the teacher is, on {device}, got {name} on {numbers.device}")
            if not (numbers.is_complex() or numbers.dtype == torch.bool):
                return numbers.double()
        elif numbers.dtype.kind in "fiu":
            return torch.from_numpy(np.require(numbers, np.float64, ["C", "W"])).to(device)
        raise TypeError(f"{name} must hold real numbers, got {numbers.dtype}")

    def _describe(self, points: Tensor, spacing: float | None, chunk: int) -> Tensor:
        """Return the descriptors (N, d) of float64 points, in the precision of the network."""
        chunk = whole("chunk", chunk)
        like = self.network.output.weight
        if like.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"a teacher describes in float32 or float64, got one in {like.dtype}: call its float()")
        if len(points) < 2:
            raise ValueError(f"points must be at least 2, got {len(points)}")
        if not (finite := points.isfinite().all(1)).all():
            raise ValueError(f"points must be finite, got {int((~finite).sum())} of {len(points)} that are not")
        cloud = points.float()
        if self.network.coordinates == "relative" and not torch.equal(cloud.double(), points):
            median = points.sort(0).values[(len(points) - 1) // 2]  # torch's own is not deterministic on a GPU
            cloud = (points - median).float()
        index, distance = neighbourhood(cloud, self.k)
        scale = 1 / _unit(spacing, distance)
        with torch.autocast(like.device.type, enabled=False):  # descriptors are the same wherever they are asked for
            return apply_in_pieces(self.network, cloud.to(like), index, scale, chunk)


def _array(name: str, values: Any) -> NDArray[Any]:
    """Return values as an array; masked ones are not finite."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(values.astype(np.float64), math.nan))
    try:
        array = np.asarray(values)
    except ValueError:
        if isinstance(values, list | tuple):
            raise ValueError(f"{name} must be an array, got rows of several lengths") from None
        array = np.empty((), object)  # as numpy makes of most that is no array
    told = isinstance(values, list | tuple) or hasattr(values, "__array__")  # what it holds, then
    if not (array.ndim and (told or array.dtype != object)):
        raise TypeError(f"{name} must be an array, got {type(values).__name__}")
    return array


def _unit(spacing: float | None, distance: float) -> float:
    """Return the distance that becomes 1."""
    if spacing is None and distance == 0:
        raise ValueError("points must not all coincide with their neighbours, got a mean distance of 0")
    unit = distance if spacing is None else _check.number("spacing", spacing)
    if not np.finfo(np.float32).tiny < unit < math.inf:  # its inverse is float32 too
        raise ValueError(f"spacing must be positive and finite, got {spacing}")
    return float(unit)


def shipped_teachers() -> list[str]:
    """Return the names of the teachers in the package.

    >>> "3d-st-64" in shipped_teachers()
    True
    """
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def _read(name: str | Path) -> Teacher:
    """Return a shipped teacher by its name, or any teacher by its path."""
    if not isinstance(name, str | Path):
        raise TypeError(f"a teacher must be a name or a path, got {type(name).__name__}")
    path = Path(name)
    if path.suffix != ".safetensors":
        _check.one_of("teacher", str(name), shipped_teachers())
        path = WEIGHTS / f"{name}.safetensors"
    try:
        state, metadata = read_safetensors(path)
        note = json.loads(metadata.get("geoad", "{}"))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such teacher file; shipped ones: {', '.join(shipped_teachers())}") from None
    except ValueError as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error}): pretrain or copy it again") from error
    return _build(path, note, state)


def _build(path: Path, note: Mapping[str, Any], state: dict[str, Tensor]) -> Teacher:
    if note.get("format") != FORMAT:
        raise ValueError(f"{path}: not a teacher: its format must be {FORMAT!r}, got {note.get('format')!r}")
    if lacking := {"width", "blocks", "coordinates", "k"} - note.keys():
        raise ValueError(f"{path}: not a teacher: it does not say its {min(lacking)}: pretrain or copy it again")
    with float32_by_default(), torch.device("cpu"), torch.random.fork_rng([]):  # what is drawn here is overwritten
        network = LocalFeatures(note["width"], note["blocks"], note["coordinates"], outputs=note.get("outputs"))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{path}: its tensors are not those of a teacher of width {note['width']}") from error
    return Teacher(network, note["k"]).eval().requires_grad_(False)
