"""Colour images: eight bits, three channels, the scan's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoad.data.image_file import read_rgb

RGB = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)


def test_rgb_is_read_as_written(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.png", (4, 5)), RGB)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    Image.fromarray(RGB).convert(mode).save(tmp_path / "a.png")
    rgb = read_rgb(tmp_path / "a.png", (4, 5))
    assert rgb.shape == (4, 5, 3) and rgb.dtype == np.uint8
    if mode == "RGBA":
        np.testing.assert_array_equal(rgb, RGB)


def test_sixteen_bits_are_refused_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 5), 40_000, np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: colours must have 8 bits a channel"):
        read_rgb(tmp_path / "a.png")


@pytest.mark.parametrize("content", [b"", b"hello world"])
def test_damage_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.png: not a readable image"):
        read_rgb(tmp_path / "a.png")


def test_a_truncated_picture_is_not_filled_with_grey(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    for name in ("a.png", "a.jpg"):
        Image.fromarray(noise).save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(ValueError, match=rf"{name}: not a readable image .*truncated"):
            read_rgb(tmp_path / name)


def test_another_size(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: rgb must be 5x4 \(HxW\) like its scan, got 4x5"):
        read_rgb(tmp_path / "a.png", (5, 4))
