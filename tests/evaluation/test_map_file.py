import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.evaluation import read_map, write_map, write_mask
from geoad.sample import AnomalyMap


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read(tmp_path_factory, seed, height, width):
    pixels = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    path = tmp_path_factory.mktemp("maps") / "hole" / "000.tiff"
    write_map(path, AnomalyMap(pixels))
    again = read_map(path)
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, pixels)


def test_files_are_plain_float32_tiffs(tmp_path):
    write_map(tmp_path / "000.tiff", AnomalyMap(np.ones((20, 30))))
    with tifffile.TiffFile(tmp_path / "000.tiff") as file:
        page = file.pages[0]
        assert (page.shape, page.dtype, page.compression) == ((20, 30), np.float32, tifffile.COMPRESSION.NONE)


def test_foreign_maps_keep_their_precision(tmp_path):
    np.save(tmp_path / "a.npy", np.full((2, 3), 1 + 1e-12))
    assert read_map(tmp_path / "a.npy").max() > 1
    np.save(tmp_path / "b.npy", np.array([[1, np.inf]], np.float16))
    assert read_map(tmp_path / "b.npy").tolist() == [[1, np.inf]]
    tifffile.imwrite(tmp_path / "c.tif", np.array([[0, 255]], np.uint8))
    assert read_map(tmp_path / "c.tif").tolist() == [[0, 255]]


def test_the_scores_of_points_may_have_one_axis(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(4.0))
    assert read_map(tmp_path / "a.npy").tolist() == [[0, 1, 2, 3]]


def test_damaged_maps_are_named(tmp_path):
    good = tmp_path / "good.tiff"
    write_map(good, AnomalyMap(np.ones((20, 30))))
    whole = good.read_bytes()
    cases = {
        "cut.tiff": (whole[:900], "not a readable map"),
        "head.tiff": (whole[:4], "not a readable map"),
        "empty.tiff": (b"", "not a readable map"),
        "text.npy": (b"scores", "not a readable map"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}: {message}") as caught:
            read_map(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r"none\.tiff: no such file"):
        read_map(tmp_path / "none.tiff")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4)), r"a map has shape \(H, W\), one score a pixel, got \(2, 3, 4\)"),
        (np.zeros((0, 3)), r"a map has shape \(H, W\), one score a pixel, got \(0, 3\)"),
        (np.zeros((2, 3), complex), "a map holds real numbers, got complex128"),
        (np.array([[0, np.nan, np.nan]]), "holds 2 NaN: every pixel needs a score"),
    ],
)
def test_what_is_no_map_is_refused(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=rf"a\.npy: {message}"):
        read_map(tmp_path / "a.npy")


def test_maps_are_written_as_tiff_only(tmp_path):
    with pytest.raises(ValueError, match=r"a\.png: maps are written as \.tiff, got '\.png'"):
        write_map(tmp_path / "a.png", AnomalyMap(np.ones((2, 2))))


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"a\.npy: not a readable map"):
        read_map(tmp_path / "a.npy")


def test_what_is_written_is_a_map_and_a_mask(tmp_path):
    with pytest.raises(TypeError, match=r"anomaly_map must be an AnomalyMap, such as .*, got ndarray"):
        write_map(tmp_path / "a.tiff", np.ones((2, 2)))
    for bad in (-1.0, np.nan):
        with pytest.raises(ValueError, match="mask must be 0 where good and above 0 where defective"):
            write_mask(tmp_path / "a.png", np.full((2, 2), bad))
    assert not list(tmp_path.iterdir())
