"""What goes into a detector and what comes out: both refuse what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoad import AnomalyMap, Sample, XYZImage

XYZ = XYZImage(np.ones((4, 5, 3), np.float32))
RGB = np.zeros((4, 5, 3), np.uint8)


def test_shape_comes_from_what_there_is() -> None:
    assert Sample(xyz=XYZ).shape == Sample(rgb=RGB).shape == Sample(views=(Sample(xyz=XYZ),)).shape == (4, 5)


def test_an_empty_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="a sample needs xyz, rgb or views"):
        Sample(mask=np.zeros((4, 5), bool))


@pytest.mark.parametrize("field", ["rgb", "mask"])
def test_sizes_must_agree(field: str) -> None:
    wrong = {"rgb": np.zeros((5, 4, 3), np.uint8), "mask": np.zeros((5, 4), bool)}[field]
    with pytest.raises(ValueError, match=rf"{field} of test/cut/007 must be \(4, 5\) like xyz, got \(5, 4\)"):
        Sample(xyz=XYZ, name="test/cut/007", **{field: wrong})


def test_the_colours_of_the_scan_are_those_of_the_sample() -> None:
    assert Sample(xyz=XYZImage(XYZ.xyz, RGB)).rgb is RGB
    assert Sample(xyz=XYZ).rgb is None and Sample(xyz=XYZ, rgb=RGB).rgb is RGB


@pytest.mark.parametrize(
    ("rgb", "got"),
    [
        (np.zeros((4, 5, 4), np.uint8), r"uint8 of shape \(4, 5, 4\): convert it to RGB"),
        (np.zeros((4, 5), np.uint8), r"uint8 of shape \(4, 5\): convert it to RGB"),
        (np.zeros((4, 5, 3), np.float32), r"float32 of shape \(4, 5, 3\): scale shares to 0..255"),
    ],
)
def test_colours_of_another_kind_are_refused(rgb: np.ndarray, got: str) -> None:
    with pytest.raises(ValueError, match=rf"rgb of part must be uint8 of shape \(H, W, 3\), got {got}"):
        Sample(xyz=XYZ, rgb=rgb, name="part")


def test_a_map_has_a_score_and_validity() -> None:
    found = AnomalyMap(np.array([[0.0, 2.0, 1.0]]))
    assert found.pixels.dtype == np.float32 and found.score == 2.0 and found.valid.all()
    assert AnomalyMap(found.pixels, score=0.5).score == 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_is_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="an anomaly map must be finite, got 1 NaN or inf"):
        AnomalyMap(np.array([[0.0, bad]]))


def test_a_map_has_two_axes() -> None:
    with pytest.raises(ValueError, match=r"pixels must have shape \(H, W\), got \(3,\)"):
        AnomalyMap(np.zeros(3))


def test_what_a_map_and_a_sample_cannot_be() -> None:
    with pytest.raises(ValueError, match="the score of an anomaly map must be finite, got nan"):
        AnomalyMap(np.zeros((2, 3)), score=float("nan"))
    with pytest.raises(ValueError, match=r"valid must have shape \(2, 3\), got \(5, 5\)"):
        AnomalyMap(np.zeros((2, 3)), valid=np.ones((5, 5), bool))
    with pytest.raises(TypeError, match=r"xyz must be an XYZImage, such as .*, got ndarray"):
        Sample(xyz=np.ones((2, 3, 3)))
    with pytest.raises(TypeError, match="mask must be an array, got list"):
        Sample(xyz=XYZImage(np.ones((1, 2, 3))), mask=[[0, 1]])
    mask = np.array([[0, 255]], np.uint8)
    assert (~Sample(xyz=XYZImage(np.ones((1, 2, 3))), mask=mask).mask).tolist() == [[True, False]]


def test_what_stands_beside_views_is_checked_too() -> None:
    view = Sample(rgb=np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(TypeError, match="views must be samples, got Sample, str"):
        Sample(views=(view, "photo"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="xyz must be an XYZImage"):
        Sample(views=(view,), xyz="scan")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="000 must have xyz, it has views alone"):
        Sample(views=(view,), name="000").scan()


def test_a_map_has_pixels() -> None:
    with pytest.raises(ValueError, match=r"must have pixels, got shape \(0, 4\)"):
        AnomalyMap(np.zeros((0, 4), np.float32))


def test_where_a_map_is_valid_is_its_own_and_true_or_false() -> None:
    scan = XYZImage(np.ones((1, 2, 3)))
    found = AnomalyMap(np.array([[1.0, 2.0]]), valid=scan.valid)
    found.valid[:] = False
    assert scan.valid.all(), "what is changed in a map is not changed in its scan"
    coded = AnomalyMap(found.pixels, valid=np.array([[0, 255]], np.uint8))
    assert coded.valid.dtype == bool and coded.pixels[coded.valid].tolist() == [2.0]


def test_a_map_may_come_from_a_network_as_it_is() -> None:
    pixels = torch.tensor([[0.5, 2.0]], requires_grad=True)
    found = AnomalyMap(pixels, score=pixels.max())
    assert found.pixels.tolist() == [[0.5, 2.0]] and type(found.score) is float and found.score == 2.0
    assert type(AnomalyMap(found.pixels, score=np.float32(0.1)).score) is float


def test_a_map_may_be_a_view_that_numpy_does_not_know() -> None:
    seen = torch.tensor([[1 + 2j, 3 - 4j]]).conj().imag
    assert AnomalyMap(seen).pixels.tolist() == [[-2.0, 4.0]]  # type: ignore[arg-type]


def test_masks_and_colours_are_what_is_meant() -> None:
    for bad in (-1.0, np.nan):
        with pytest.raises(ValueError, match="mask of 007 must be 0 where good and above 0 where defective"):
            Sample(xyz=XYZ, mask=np.full((4, 5), bad), name="007")
    with pytest.raises(ValueError, match="rgb of 007 must not be masked"):
        Sample(rgb=np.ma.masked_equal(RGB, 0), name="007")
    assert type(Sample(rgb=np.ma.masked_equal(RGB, 9)).rgb) is np.ndarray


def test_a_camera_is_one() -> None:
    with pytest.raises(TypeError, match=r"camera must be a Camera, such as Camera\.load\(path\), got str"):
        Sample(xyz=XYZ, camera="camera_parameters.json")  # type: ignore[arg-type]
