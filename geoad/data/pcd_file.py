"""The Point Cloud Library's .pcd files: ascii, binary and binary_compressed, organised or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoad.data.lzf import decompress

_KEYS = ("FIELDS", "SIZE", "TYPE", "WIDTH", "HEIGHT", "DATA")


class Header(NamedTuple):
    """What stands before the points: the layout of one point, width, height, encoding, and where the points begin.

    >>> Header(np.dtype("f4"), width=1, height=9, data="ascii", offset=0).shape
    (1, 9)
    """

    dtype: np.dtype[Any]
    width: int
    height: int
    data: str
    offset: int

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of an organised scan, (1, N) of anything else."""
        return (self.height, self.width) if min(self.height, self.width) > 1 else (1, self.height * self.width)


def read_pcd_header(content: bytes) -> Header:
    """Parse the header; raise ValueError that says which line is missing or wrong.

    >>> lines = "FIELDS x y z", "SIZE 4 4 4", "TYPE F F F", "WIDTH 2", "HEIGHT 1", "DATA ascii", ""
    >>> read_pcd_header("\\n".join(lines).encode()).shape
    (1, 2)
    """
    lines: dict[str, list[str]] = {}
    offset = 0
    while "DATA" not in lines:
        end = content.find(b"\n", offset)
        if end < 0:
            raise ValueError("no DATA line")
        words = content[offset:end].decode("ascii", "replace").split()
        offset = end + 1
        if words and not words[0].startswith("#"):
            lines[words[0]] = words[1:]
    missing = [key for key in _KEYS if not lines.get(key)]
    if missing:
        raise ValueError(f"no {missing[0]} line")
    return Header(_dtype(lines), int(lines["WIDTH"][0]), int(lines["HEIGHT"][0]), lines["DATA"][0], offset)


def read_pcd(path: str | Path) -> tuple[NDArray[np.floating], NDArray[np.uint8] | None]:
    """Return points (H, W, 3) as the file has them, invalid ones included, and colours (H, W, 3) if it has any.

    Raises ValueError (without the file's name) for a broken header, a truncated body, or no x, y, z.

    >>> import tempfile
    >>> text = "FIELDS x y z\\nSIZE 4 4 4\\nTYPE F F F\\nWIDTH 2\\nHEIGHT 1\\nDATA ascii\\n0 0 1\\nnan nan nan\\n"
    >>> with tempfile.NamedTemporaryFile("w", suffix=".pcd") as file:
    ...     _ = file.write(text); file.flush()
    ...     read_pcd(file.name)[0].tolist()
    [[[0.0, 0.0, 1.0], [nan, nan, nan]]]
    """
    content = Path(path).read_bytes()
    header = read_pcd_header(content)
    if not {"x", "y", "z"} <= set(header.dtype.names or ()):
        raise ValueError(f"no x, y, z among its fields {header.dtype.names}")
    if header.data not in _BODIES:
        raise ValueError(f"DATA must be one of {', '.join(_BODIES)}, got {header.data}")
    points = _BODIES[header.data](content[header.offset :], header)
    kind = np.result_type(np.float32, *(points[axis].dtype for axis in "xyz"))
    xyz = np.stack([points[axis].astype(kind) for axis in "xyz"], axis=-1)
    return xyz.reshape(*header.shape, 3), _colours(points, header.shape)


def _dtype(lines: dict[str, list[str]]) -> np.dtype[Any]:
    """The record of one point; unnamed padding gets a name of its own."""
    counts = lines.get("COUNT") or ["1"] * len(lines["FIELDS"])
    columns = zip(lines["FIELDS"], lines["TYPE"], lines["SIZE"], counts, strict=True)
    fields = [
        (name if name != "_" else f"_{i}", f"<{kind.lower()}{size}", (int(count),) if int(count) > 1 else ())
        for i, (name, kind, size, count) in enumerate(columns)
    ]
    return np.dtype(fields)


def _ascii(body: bytes, header: Header) -> NDArray[Any]:
    table = np.loadtxt(body.decode("ascii").splitlines(), ndmin=2)
    _expect(len(table), header)
    points = np.empty(len(table), header.dtype)
    column = 0
    for name in header.dtype.names or ():
        width = int(np.prod(header.dtype[name].shape))
        points[name] = table[:, column : column + width].reshape(points[name].shape)
        column += width
    return points


def _binary(body: bytes, header: Header) -> NDArray[Any]:
    size = header.dtype.itemsize
    _expect(len(body) // size, header)
    return np.frombuffer(body, header.dtype, count=header.width * header.height)


def _compressed(body: bytes, header: Header) -> NDArray[Any]:
    """Two sizes, then all values of the first field, all of the second, and so on, compressed together."""
    if len(body) < 8:
        raise ValueError("truncated before the compressed block")
    packed, size = (int(n) for n in np.frombuffer(body, "<u4", count=2))
    _expect(size // header.dtype.itemsize, header)
    plain = decompress(body[8 : 8 + packed], size)
    points = np.empty(header.width * header.height, header.dtype)
    start = 0
    for name in header.dtype.names or ():
        kind = header.dtype[name]
        values = np.frombuffer(plain, kind.base, len(points) * int(np.prod(kind.shape)), start)
        points[name] = values.reshape(points[name].shape)
        start += len(points) * kind.itemsize
    return points


def _expect(count: int, header: Header) -> None:
    expected = header.width * header.height
    if count < expected:
        raise ValueError(f"truncated: {count} of {expected} points")


def _colours(points: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Unpack 0x00RRGGBB, which some writers store in the bits of a float."""
    names = [name for name in ("rgb", "rgba") if name in (points.dtype.names or ())]
    if not names or points.dtype[names[0]].itemsize != 4:
        return None
    packed = np.ascontiguousarray(points[names[0]]).view(np.uint32)
    rgb = np.stack([packed >> 16, packed >> 8, packed], axis=-1) & 0xFF
    return rgb.astype(np.uint8).reshape(*shape, 3)


_BODIES = {"ascii": _ascii, "binary": _binary, "binary_compressed": _compressed}
