"""Every scan format: what is read, and one line for what cannot be."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from geoad.data import read_scan
from geoad.data.scan_file import SUFFIXES, scan_shape
from tests.trees import make_scan

trimesh = pytest.importorskip("trimesh")

XYZ = make_scan((8, 9)).image.xyz
POINTS = XYZ.reshape(-1, 3)
RGB = np.random.default_rng(0).integers(0, 256, (72, 3), dtype=np.uint8)


def write(path: Path) -> Path:
    """Write XYZ in the format of the suffix."""
    if path.suffix in (".tiff", ".tif"):
        tifffile.imwrite(path, XYZ, photometric="rgb", compression="zlib" if path.suffix == ".tif" else None)
    elif path.suffix == ".npy":
        np.save(path, XYZ)
    elif path.suffix == ".pcd":
        head = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 9\nHEIGHT 8\nPOINTS 72\nDATA binary\n"
        path.write_bytes(head.encode() + XYZ.tobytes())
    elif path.suffix == ".ply":
        trimesh.PointCloud(POINTS).export(path)
    else:
        trimesh.creation.icosphere(2).export(path)
    return path


@pytest.mark.parametrize("suffix", [".tiff", ".tif", ".npy", ".pcd"])
def test_organised_scans_keep_their_pixels(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"scan{suffix}")
    np.testing.assert_array_equal(read_scan(path).xyz, XYZ)
    assert scan_shape(path) == (8, 9)


def test_suffixes_are_known_in_capitals(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_scan(write(tmp_path / "scan.npy").rename(tmp_path / "SCAN.NPY")).xyz, XYZ)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "zstd"])
@pytest.mark.parametrize("predictor", [False, True])
def test_compressed_tiff(tmp_path: Path, compression: str, predictor: bool) -> None:
    pytest.importorskip("imagecodecs", reason="writes and reads compressed tiff")
    tifffile.imwrite(tmp_path / "a.tiff", XYZ, photometric="rgb", compression=compression, predictor=predictor)
    np.testing.assert_array_equal(read_scan(tmp_path / "a.tiff").xyz, XYZ)


def test_a_codec_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path := tmp_path / "a.tiff").touch()

    def refuse(*_: object) -> None:
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile, "imread", refuse)
    with pytest.raises(ImportError, match=r"a\.tiff: this compression is read by imagecodecs: pip install imagecodecs"):
        read_scan(path)


def test_rows_of_an_array_are_a_cloud(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POINTS.astype(np.float64))
    np.testing.assert_array_equal(read_scan(tmp_path / "a.npy").xyz, POINTS[None])
    np.save(tmp_path / "b.npy", np.hstack([POINTS, RGB]))
    image = read_scan(tmp_path / "b.npy")
    np.testing.assert_array_equal(image.xyz, POINTS[None])
    np.testing.assert_array_equal(image.rgb, RGB[None])
    assert not image.organised and image.rgb.dtype == np.uint8


@pytest.mark.parametrize("columns", [RGB / 255, RGB - 128.0, RGB * 2.0, RGB * np.nan])
def test_what_stands_behind_the_points_must_be_colours(tmp_path: Path, columns: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", np.hstack([POINTS, columns]))
    with pytest.raises(ValueError, match=r"a\.npy: .*columns 4 to 6 must be colours 0\.\.255"):
        read_scan(tmp_path / "a.npy")


def test_ply_clouds_keep_order_colours_and_invalid_points(tmp_path: Path) -> None:
    points = POINTS.copy()
    points[5] = np.nan
    trimesh.PointCloud(points, colors=np.hstack([RGB, np.full((72, 1), 255, np.uint8)])).export(tmp_path / "a.ply")
    image = read_scan(tmp_path / "a.ply")
    np.testing.assert_array_equal(image.xyz, points[None])
    np.testing.assert_array_equal(image.rgb, RGB[None])
    assert not image.valid[0, 5]
    assert read_scan(write(tmp_path / "b.ply")).rgb is None


@pytest.mark.parametrize("suffix", [".off", ".obj", ".stl", ".ply"])
def test_meshes_are_sampled(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sphere{suffix}"
    trimesh.creation.icosphere(4).export(path)
    image = read_scan(path, points=3000, seed=3)
    assert image.shape == (1, 3000) and image.valid.all()
    np.testing.assert_allclose(np.linalg.norm(image.xyz, axis=-1), 1, atol=3e-3)
    np.testing.assert_array_equal(image.xyz, read_scan(path, points=3000, seed=3).xyz)


def test_points_are_drawn_by_area(tmp_path: Path) -> None:
    """Two squares, one with nine times the area of the other."""
    vertices = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 5], [3, 0, 5], [3, 3, 5], [0, 3, 5]]
    faces = [[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7], [0, 1, 1]]
    trimesh.Trimesh(vertices, faces, process=False).export(tmp_path / "a.off")
    points = read_scan(tmp_path / "a.off", points=20_000).xyz[0]
    on_large = points[:, 2] == 5
    assert abs(on_large.mean() - 0.9) < 0.01
    np.testing.assert_allclose(points[on_large].mean(0), [1.5, 1.5, 5], atol=0.05)
    quarters = np.histogram2d(*points[on_large][:, :2].T, bins=2, range=[[0, 3], [0, 3]])[0] / on_large.sum()
    np.testing.assert_allclose(quarters, 0.25, atol=0.02)


def test_a_header_that_runs_into_its_counts(tmp_path: Path) -> None:
    """As in ModelNet."""
    (tmp_path / "a.off").write_text("OFF3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    assert read_scan(tmp_path / "a.off", points=4).shape == (1, 4)
    with pytest.raises(ValueError, match=r"^points must be positive, got -1$"):
        read_scan(tmp_path / "a.off", points=-1)
    with pytest.raises(TypeError, match=r"^seed must be an int, got NoneType$"):
        read_scan(tmp_path / "a.off", seed=None)  # type: ignore[arg-type]


# What cannot be read


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b"hello world" * 50, lambda b: b[: len(b) * 2 // 3]])
def test_damage_is_named_in_one_line(tmp_path: Path, suffix: str, spoil: Callable[[bytes], bytes]) -> None:
    path = write(tmp_path / f"scan{suffix}")
    content = path.read_bytes()
    spoiled = spoil(content)
    if suffix == ".obj" and len(spoiled) == len(content) * 2 // 3:
        pytest.skip("the text of an .obj holds no counts: a shorter one is another mesh")
    path.write_bytes(spoiled)
    with pytest.raises(ValueError, match=rf"scan\{suffix}: ") as caught:
        read_scan(path)
    assert "\n" not in str(caught.value)


def test_a_scan_that_is_not_there(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        with pytest.raises(FileNotFoundError, match=rf"a\{suffix}: no such file"):
            read_scan(tmp_path / f"a{suffix}")


def test_an_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.las: no scan format is called '\.las': convert it to one of \.tiff, "):
        read_scan(tmp_path / "a.las")


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"a\.npy: not a readable npy"):
        read_scan(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", [(8, 9, 4), (8,), (8, 2), (2, 8, 9, 3)])
def test_arrays_of_other_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.ones(shape, np.float32))
    with pytest.raises(ValueError, match=r"a\.npy: xyz must have shape \(H, W, 3\), got"):
        read_scan(tmp_path / "a.npy")


def test_a_cloud_without_a_valid_point(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((0, 3), np.float32))
    with pytest.raises(ValueError, match=r"a\.npy: no valid pixel"):
        read_scan(tmp_path / "a.npy")


def test_a_mesh_without_area(tmp_path: Path) -> None:
    (tmp_path / "a.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n2 0 0\n3 0 1 2\n")
    with pytest.raises(ValueError, match=r"a\.off: .*no face of positive area"):
        read_scan(tmp_path / "a.off")


def test_a_missing_reader_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.ply")
    monkeypatch.setitem(__import__("sys").modules, "trimesh", None)
    with pytest.raises(ImportError, match=r"a\.ply: trimesh is needed to read \.ply files: pip install trimesh"):
        read_scan(path)


def test_reading_imports_only_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def watch(name: str, *rest: object) -> object:
        assert name.partition(".")[0] not in ("torch", "open3d", "trimesh", "numba")
        return plain(name, *rest)

    path = write(tmp_path / "a.tiff")
    monkeypatch.setattr(builtins, "__import__", watch)
    assert read_scan(path).shape == (8, 9)


@pytest.mark.data
def test_real_meshes(shared_data: Path) -> None:
    for path in sorted((shared_data / "meshes").glob("*.obj")):
        image = read_scan(path, points=2000)
        assert image.valid.all() and np.ptp(image.xyz[0], axis=0).min() > 0.01
    for path in sorted((shared_data / "modelnet10_off").rglob("*.off")):
        assert read_scan(path, points=2000).valid.all()


def test_a_truncated_ply_is_not_read_as_a_whole_one(tmp_path: Path) -> None:
    ball, path = trimesh.creation.icosphere(2), tmp_path / "ball.ply"
    for mesh in (ball, trimesh.PointCloud(ball.vertices)):
        text = mesh.export(file_type="ply", encoding="ascii").splitlines(keepends=True)
        path.write_bytes(b"".join(text))
        read_scan(path, points=50)
        path.write_bytes(b"".join(text[:-30]))
        with pytest.raises(ValueError, match=r"ball\.ply: .*truncated: \d+ of (162 rows of vertex|320 rows of face)"):
            read_scan(path, points=50)


@pytest.mark.parametrize(("kind", "red"), [("uchar", 255), ("int", 255), ("ushort", 65535), ("int", 300)])
def test_colours_of_a_ply_are_not_taken_modulo_256(tmp_path: Path, kind: str, red: int) -> None:
    rows = [*(f"float {axis}" for axis in "xyz"), *(f"{kind} {colour}" for colour in ("red", "green", "blue"))]
    head = "ply\nformat {} 1.0\nelement vertex 1\n" + "".join(f"property {row}\n" for row in rows) + "end_header\n"
    row = np.array([(1, 2, 3, red, 0, 0)], "<f4,<f4,<f4" + 3 * {"uchar": ",u1", "int": ",<i4", "ushort": ",<u2"}[kind])
    (tmp_path / "a.ply").write_text(head.format("ascii") + f"1 2 3 {red} 0 0\n")
    (tmp_path / "b.ply").write_bytes(head.format("binary_little_endian").encode() + row.tobytes())
    for name in ("a.ply", "b.ply"):
        if red == 255:
            assert read_scan(tmp_path / name).rgb.tolist() == [[[255, 0, 0]]]  # type: ignore[union-attr]
            continue
        with pytest.raises(
            ValueError, match=rf"{name}: .*colours must be in 0\.\.255, got u?int.. up to {red}: scale them"
        ):
            read_scan(tmp_path / name)


def test_a_ply_need_not_use_all_its_vertices(tmp_path: Path) -> None:
    axes = "".join(f"property float {axis}\n" for axis in "xyzst")
    head = f"ply\nformat ascii 1.0\nelement vertex 5\n{axes}element face 2\nproperty list uchar int vertex_indices\n"
    corners = "".join(f"{x} {y} 1 0 0\n" for x, y in ((0, 0), (1, 0), (1, 1), (0, 1), (9, 9)))
    (tmp_path / "quad.ply").write_text(f"{head}end_header\n{corners}4 0 1 2 3\n3 0 1 2\n")
    assert read_scan(tmp_path / "quad.ply", points=50).shape == (1, 50)
    (tmp_path / "quad.ply").write_text(f"{head}end_header\n{corners}4 0 1 2 3\n")
    with pytest.raises(ValueError, match="truncated: 1 of 2 rows of face"):
        read_scan(tmp_path / "quad.ply", points=50)


def test_coordinates_far_from_the_origin_name_the_file(tmp_path: Path) -> None:
    np.save(tmp_path / "far.npy", np.random.default_rng(0).random((200, 3)) * 0.1 + [4.5e5, 5.6e6, 100])
    with pytest.raises(
        ValueError, match=r"far\.npy: xyz must be near the origin .* subtract \(450000, 5600000, 100\) "
    ):
        read_scan(tmp_path / "far.npy")


@pytest.mark.parametrize("suffix", [".off", ".obj", ".stl", ".ply"])
def test_the_seed_samples_a_mesh(tmp_path: Path, suffix: str) -> None:
    trimesh.creation.box((1, 2, 3)).export(path := tmp_path / f"box{suffix}")
    assert not np.array_equal(*(read_scan(path, points=50, seed=seed).xyz for seed in (0, 1)))


def test_a_mesh_is_of_the_size_that_was_asked_for(tmp_path: Path) -> None:
    trimesh.creation.box([1, 1, 1]).export(path := tmp_path / "box.ply")
    assert scan_shape(path, points=50) == read_scan(path, points=50).shape == (1, 50)


def test_a_number_in_a_comment_is_no_number_of_faces(tmp_path: Path) -> None:
    (tmp_path / "a.off").write_text("OFF\n# made by tool 4.2\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    assert read_scan(tmp_path / "a.off", points=5).shape == (1, 5)
