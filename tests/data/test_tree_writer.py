"""Writing scans: the originals' format, whole files, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from geoad.data import read_scan, write_scan
from tests.trees import make_scan


def test_files_and_their_format(tmp_path: Path) -> None:
    scan = make_scan((40, 50), "dent")
    write_scan(tmp_path, "000", scan.image, mask=scan.mask)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")) == [
        "gt/000.png",
        "rgb/000.png",
        "xyz/000.tiff",
    ]
    with tifffile.TiffFile(tmp_path / "xyz" / "000.tiff") as file:
        page = file.pages[0]
        assert (page.shape, page.dtype, page.compression, len(file.pages)) == ((40, 50, 3), np.float32, 1, 1)
    assert (tmp_path / "xyz" / "000.tiff").stat().st_size == 40 * 50 * 12 + 288
    assert np.unique(np.array(Image.open(tmp_path / "gt" / "000.png"))).tolist() == [0, 255]


def test_back_again(tmp_path: Path) -> None:
    scan = make_scan((40, 50))
    write_scan(tmp_path, "a.b", scan.image.xyz.astype(np.float64), rgb=scan.image.rgb)
    image = read_scan(tmp_path / "xyz" / "a.b.tiff", rgb=tmp_path / "rgb" / "a.b.png")
    np.testing.assert_array_equal(image.xyz, scan.image.xyz)
    np.testing.assert_array_equal(image.rgb, scan.image.rgb)


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xyz = make_scan((4, 5)).image.xyz
    write_scan(tmp_path, "000", xyz)
    before = (tmp_path / "xyz" / "000.tiff").read_bytes()

    def fail(file: object, *_: object, **__: object) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(OSError, match="disk full"):
        write_scan(tmp_path, "000", xyz + 1)
    assert [path.name for path in (tmp_path / "xyz").iterdir()] == ["000.tiff"]
    assert (tmp_path / "xyz" / "000.tiff").read_bytes() == before


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    xyz = np.ones((4, 5, 3))
    with pytest.raises(ValueError, match=r"rgb must have shape \(4, 5, 3\), got \(5, 4, 3\)"):
        write_scan(tmp_path, "000", xyz, rgb=np.zeros((5, 4, 3), np.uint8))
    with pytest.raises(ValueError, match=r"mask must have shape \(4, 5\), got \(5, 4\)"):
        write_scan(tmp_path, "000", xyz, mask=np.zeros((5, 4)))
    with pytest.raises(ValueError, match="mask must be 0 where good and above 0 where defective"):
        write_scan(tmp_path, "000", xyz, mask=np.full((4, 5), np.nan))
    with pytest.raises(ValueError, match="rgb must not be masked"):
        write_scan(tmp_path, "000", xyz, rgb=np.ma.masked_equal(np.zeros((4, 5, 3), np.uint8), 0))
    with pytest.raises(TypeError, match="xyz must be float32"):
        write_scan(tmp_path, "000", np.ones((4, 5, 3), int))
    assert not list(tmp_path.iterdir())


def test_what_is_masked_is_written_as_invalid_and_shares_of_colours_are_refused(tmp_path: Path) -> None:
    xyz = np.ma.masked_array(np.ones((2, 3, 3)), mask=np.zeros((2, 3, 3), bool))
    xyz[0, 0] = np.ma.masked
    write_scan(tmp_path, "000", xyz)
    assert np.isnan(tifffile.imread(tmp_path / "xyz" / "000.tiff")[..., 0]).sum() == 1
    with pytest.raises(ValueError, match=r"rgb must be uint8 in 0\.\.255, got float64"):
        write_scan(tmp_path, "001", np.ones((2, 3, 3)), rgb=np.full((2, 3, 3), 0.7))
    assert not (tmp_path / "xyz" / "001.tiff").exists()


def test_any_number_in_a_mask_marks_a_defect(tmp_path: Path) -> None:
    write_scan(tmp_path, "000", np.ones((1, 4, 3)), mask=np.array([[0, 2, 255, 256]]))
    assert np.array(Image.open(tmp_path / "gt" / "000.png")).tolist() == [[0, 255, 255, 255]]
