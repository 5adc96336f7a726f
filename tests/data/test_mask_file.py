"""Masks: class codes are defects, anything else is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoad.data.mask_file import MAX_CODES, read_codes, read_mask

TRUTH = np.array([[0, 1, 1], [0, 0, 1]], bool)


@pytest.mark.parametrize(
    "image", [TRUTH, TRUTH * np.uint8(255), TRUTH * np.uint8(1), TRUTH * np.uint8([253, 254, 255])]
)
def test_every_way_to_write_the_same_mask(tmp_path: Path, image: np.ndarray) -> None:
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png", (2, 3)), TRUTH)


def test_a_palette_is_read_by_its_indices(tmp_path: Path) -> None:
    image = Image.fromarray(TRUTH * np.uint8(1)).convert("P")
    image.putdata((TRUTH * 2).ravel().tolist())
    image.putpalette([0, 0, 0, 9, 9, 9, 0, 0, 0])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png", (2, 3)), TRUTH)


def test_points_of_a_cloud(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", TRUTH.ravel())
    np.savetxt(tmp_path / "a.txt", TRUTH.ravel())
    for name in ("a.npy", "a.txt"):
        np.testing.assert_array_equal(read_mask(tmp_path / name, (1, 6)), TRUTH.reshape(1, 6))
    (tmp_path / "one.txt").write_text("1")
    assert read_mask(tmp_path / "one.txt", (1, 1)).all()


def test_an_array_of_an_organised_scan(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", TRUTH.astype(np.int64) * 3)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.npy", (2, 3)), TRUTH)


def test_a_scaled_mask_is_noticed(tmp_path: Path) -> None:
    rows, columns = np.indices((64, 64))
    disc = Image.fromarray((np.hypot(rows - 30, columns - 33) < 20) * np.uint8(255))
    for way in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC):
        disc.resize((150, 150), way).save(tmp_path / "a.png")
        with pytest.raises(ValueError, match=r"a\.png: a mask holds 0 and 255 .*got \d+ grey levels: scale masks"):
            read_mask(tmp_path / "a.png", (150, 150))
    disc.resize((150, 150), Image.Resampling.NEAREST).save(tmp_path / "a.png")
    assert 0.2 < read_mask(tmp_path / "a.png", (150, 150)).mean() < 0.4


def test_as_many_classes_as_a_dataset_may_have(tmp_path: Path) -> None:
    Image.fromarray(np.arange(MAX_CODES + 1, dtype=np.uint8)[None]).save(tmp_path / "a.png")
    assert read_mask(tmp_path / "a.png", (1, MAX_CODES + 1)).sum() == MAX_CODES
    Image.fromarray(np.arange(MAX_CODES + 2, dtype=np.uint8)[None]).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="grey levels"):
        read_mask(tmp_path / "a.png", (1, MAX_CODES + 2))


def test_only_listed_classes(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 253, 255]], np.uint8)).save(tmp_path / "a.png")
    assert read_mask(tmp_path / "a.png", (1, 3), {253}).tolist() == [[False, True, True]]
    with pytest.raises(ValueError, match=r"a\.png: mask value 253 is no class \(known: 0, 254, 255\): mend it or"):
        read_mask(tmp_path / "a.png", (1, 3), {254})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([0, -1, 1], "negative or fractional"),
        ([0, 0.5, 1], "negative or fractional"),
        ([0, np.nan, 1], "negative or fractional"),
        ([0, 1], r"mask must be 1x3 \(HxW\) like its scan, got 1x2"),
    ],
)
def test_nonsense_is_named(tmp_path: Path, values: list[float], problem: str) -> None:
    np.save(tmp_path / "a.npy", np.array(values))
    with pytest.raises(ValueError, match=rf"a\.npy: .*{problem}"):
        read_mask(tmp_path / "a.npy", (1, 3))


@pytest.mark.parametrize(
    ("name", "content"), [("a.png", b"no"), ("a.npy", b"no"), ("a.txt", b"yes no"), ("a.png", b"")]
)
def test_damage_is_named_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: not a readable mask") as caught:
        read_mask(tmp_path / name, (1, 3))
    assert "\n" not in str(caught.value)


def test_codes_must_be_numbers(tmp_path: Path) -> None:
    (tmp_path / "class_ids.json").write_text('{"255": "cut", "0": "good"}')
    assert read_codes(tmp_path / "class_ids.json") == {0, 255}
    (tmp_path / "class_ids.json").write_text('{"cut": 255}')
    with pytest.raises(ValueError, match=r"class_ids\.json: not a readable list of classes"):
        read_codes(tmp_path / "class_ids.json")


@pytest.mark.data
def test_real_masks(shared_data: Path) -> None:
    tire = shared_data / "mvtec3d_tire_rgb_gt" / "tire"
    codes = read_codes(tire / "class_ids.json")
    paths = sorted(tire.glob("test/*/gt/*.png"))
    assert len(paths) >= 87
    for path in paths[::6]:
        mask = read_mask(path, (800, 600), codes)
        assert mask.any() == (path.parent.parent.name != "good") and mask.mean() < 0.02
