""".pcd files: every encoding, and the same points as other readers see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geoad._optional import need
from geoad.data import read_scan
from geoad.data.pcd_file import read_pcd, read_pcd_header
from tests.data.test_lzf import compress_literally

RECORD = np.dtype([("_", "u1", (3,)), ("x", "f4"), ("y", "f8"), ("z", "f4"), ("rgb", "f4"), ("hist", "f4", (2,))])
HEAD = "# .PCD v0.7\nVERSION 0.7\nFIELDS _ x y z rgb hist\nSIZE 1 4 8 4 4 4\nTYPE U F F F F F\nCOUNT 3 1 1 1 1 2\n"


def records(n: int) -> np.ndarray:
    """Points with padding, mixed sizes, colours in the bits of a float, and a descriptor."""
    random = np.random.default_rng(0)
    points = np.zeros(n, RECORD)
    for name in ("x", "y", "z", "hist"):
        points[name] = random.normal(size=points[name].shape)
    points["rgb"] = random.integers(0, 2**24, n, dtype=np.uint32).view(np.float32)
    points["z"][1] = np.nan
    return points


def write(path: Path, points: np.ndarray, data: str, width: int, height: int) -> Path:
    head = f"{HEAD}WIDTH {width}\nHEIGHT {height}\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\nDATA {data}\n"
    if data == "ascii":
        rows = [np.concatenate([np.ravel(v).astype(np.float64) for v in point.tolist()]) for point in points]
        body = "\n".join(" ".join(f"{v:.17g}" for v in row) for row in rows).encode() + b"\n"
    elif data == "binary":
        body = points.tobytes()
    else:
        plain = b"".join(np.ascontiguousarray(points[name]).tobytes() for name in RECORD.names)
        packed = compress_literally(plain)
        body = np.array([len(packed), len(plain)], "<u4").tobytes() + packed
    path.write_bytes(head.encode() + body)
    return path


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize(("width", "height", "shape"), [(12, 1, (1, 12)), (1, 12, (1, 12)), (4, 3, (3, 4))])
def test_encodings_and_sizes(tmp_path: Path, data: str, width: int, height: int, shape: tuple[int, int]) -> None:
    points = records(12)
    xyz, rgb = read_pcd(write(tmp_path / "a.pcd", points, data, width, height))
    expected = np.stack([points[axis] for axis in "xyz"], -1).reshape(*shape, 3)  # as exactly as the file has them
    np.testing.assert_array_equal(xyz, expected)
    packed = points["rgb"].view(np.uint32)
    np.testing.assert_array_equal(rgb.reshape(-1, 3), np.stack([packed >> 16, packed >> 8 & 255, packed & 255], -1))
    assert read_scan(tmp_path / "a.pcd").organised == (shape[0] > 1)


@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
def test_truncated_bodies(tmp_path: Path, data: str) -> None:
    path = write(tmp_path / "a.pcd", records(12), data, 4, 3)
    content = path.read_bytes()
    for share in (0.3, 0.6, 0.95):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ValueError, match=r"a\.pcd: not a readable pcd"):
            read_scan(path)


@pytest.mark.parametrize(
    ("line", "change", "problem"),
    [
        ("FIELDS _ x y z rgb hist", "FIELDS _ a b c rgb hist", "no x, y, z among its fields"),
        ("HEIGHT 1\n", "", "no HEIGHT line"),
        ("DATA ascii", "DATA zip", "DATA must be one of ascii, binary, binary_compressed, got zip"),
        ("SIZE 1 4 8 4 4 4", "SIZE 1 4 8 4 4", "argument"),
        ("DATA ascii\n", "", "no DATA line"),
        ("WIDTH 12", "WIDTH 13", "truncated: 12 of 13 points"),
    ],
)
def test_broken_headers(tmp_path: Path, line: str, change: str, problem: str) -> None:
    path = write(tmp_path / "a.pcd", records(12), "ascii", 12, 1)
    path.write_text(path.read_text().replace(line, change))
    with pytest.raises(ValueError, match=r"a\.pcd: not a readable pcd") as caught:
        read_scan(path)
    assert problem in str(caught.value)


def test_header_only() -> None:
    text = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 640\nHEIGHT 480\nDATA binary\n"
    header = read_pcd_header(text.encode())
    assert header.shape == (480, 640) and header.offset == len(text) and header.dtype.itemsize == 12


@pytest.mark.data
def test_real_files_hold_the_points_that_open3d_sees(shared_data: Path) -> None:
    try:
        open3d = need("open3d", "compare .pcd readers")
    except ImportError as error:
        pytest.skip(str(error))
    paths = sorted((shared_data / "point_files").glob("*.pcd"))
    assert {read_pcd_header(path.read_bytes()).data for path in paths} == {"ascii", "binary", "binary_compressed"}
    for path in paths:
        other = open3d.io.read_point_cloud(str(path), remove_nan_points=False)
        xyz, rgb = read_pcd(path)
        np.testing.assert_array_equal(xyz[0], np.asarray(other.points).astype(np.float32))
        assert (rgb is not None) == other.has_colors()
        if rgb is not None:
            np.testing.assert_array_equal(rgb[0], np.round(np.asarray(other.colors) * 255))


def test_several_fields_may_be_padding(tmp_path: Path) -> None:
    """As PCL writes a point of 32 bytes."""
    record = np.dtype([("xyz", "f4", (3,)), ("one", "u1", (4,)), ("intensity", "f4"), ("two", "u1", (12,))])
    points = np.zeros(5, record)
    points["xyz"] = np.arange(15).reshape(5, 3)
    head = "FIELDS x y z _ intensity _\nSIZE 4 4 4 1 4 1\nTYPE F F F U F U\nCOUNT 1 1 1 4 1 12\n"
    (tmp_path / "a.pcd").write_bytes(f"{head}WIDTH 5\nHEIGHT 1\nDATA binary\n".encode() + points.tobytes())
    np.testing.assert_array_equal(read_pcd(tmp_path / "a.pcd")[0][0], points["xyz"])


def test_colours_may_have_an_opacity(tmp_path: Path) -> None:
    head = "FIELDS x y z rgba\nSIZE 4 4 4 4\nTYPE F F F U\nWIDTH 1\nHEIGHT 1\nDATA ascii\n"
    (tmp_path / "a.pcd").write_text(f"{head}0 0 1 {0xFF00FF01}\n")
    assert read_pcd(tmp_path / "a.pcd")[1].tolist() == [[[0, 255, 1]]]  # type: ignore[union-attr]
