import numpy as np
import pytest

from geoad.evaluation import draw_picture
from geoad.evaluation.picture import OUTLINE, extent_of, scale_limits
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import AnomalyMap, Sample
from tests.evaluation.toys import Height, ToyDataset

WIDTH = 8 * 32  # of a panel: 32 pixels, enlarged 8 times


def panels(picture, count):
    """Cut the panels of a 24 by 32 scan out of a picture."""
    pixels = np.asarray(picture)
    return [pixels[40 : 40 + 8 * 24, 8 + i * (WIDTH + 8) : 8 + i * (WIDTH + 8) + WIDTH] for i in range(count)]


def has(panel, colour):
    return (panel == colour).all(-1).any()


def test_four_panels_the_heat_where_the_bump_is():
    sample = ToyDataset()[1]
    colours, surface, over_surface, over_colours = panels(draw_picture(sample, Height().score(sample)), 4)
    assert (colours == 120).all()
    for heat, ground in ((over_surface, surface), (over_colours, colours)):
        assert has(heat, OUTLINE) and not has(ground, OUTLINE)
        redness = heat[..., 0].astype(int) - heat[..., 2]
        row, column = np.unravel_index(redness.argmax(), redness.shape)
        assert abs(row / 8 - 12) < 3 and abs(column / 8 - 9) < 3


def test_pixels_without_a_point_look_different():
    sample = ToyDataset()[0]
    _, surface, heat, _ = panels(draw_picture(sample, Height().score(sample)), 4)
    grey = (surface[..., 0] == surface[..., 1]) & (surface[..., 1] == surface[..., 2])
    assert not grey[:8, :40].any() and grey[8:].all()
    assert (heat[:8, :40].astype(int).max(-1) - heat[:8, :40].min(-1)).min() > 10


def test_a_missing_point_may_still_be_hot():
    sample = ToyDataset()[0]
    scores = np.zeros(sample.shape)
    cold = panels(draw_picture(sample, AnomalyMap(scores), limits=(0, 1)), 4)[2][:8, :40]
    scores[0, :5] = 1
    hot = panels(draw_picture(sample, AnomalyMap(scores), limits=(0, 1)), 4)[2][:8, :40]
    assert hot[..., 0].min() > cold[..., 0].max() + 100


def test_limits_decide_the_colours():
    sample = ToyDataset()[1]
    scored = Height().score(sample)
    one, same, other = (draw_picture(sample, scored, limits=limits) for limits in ((0, 0.01), (0, 0.01), (0, 1)))
    assert one.tobytes() == same.tobytes() != other.tobytes()
    top = np.s_[8 * 12, 8 * 9, 0]
    assert panels(one, 4)[2][top] > panels(other, 4)[2][top] + 100


def test_whatever_a_sample_lacks_is_left_out():
    scan = ToyDataset()[0]
    scored = Height().score(scan)
    widths = [
        draw_picture(sample, scored).size[0]
        for sample in (scan, Sample(xyz=scan.xyz), Sample(rgb=scan.rgb), Sample(xyz=XYZImage(scan.xyz.xyz, scan.rgb)))
    ]
    assert widths[0] == widths[3] == 8 + 4 * (WIDTH + 8) and widths[1] == widths[2] > 2 * WIDTH


@pytest.mark.parametrize("scale", [1.0, 1.23456e-9, 1.23456e9])
def test_the_scale_has_room_for_its_numbers(scale):
    scan = Sample(xyz=XYZImage(ToyDataset()[0].xyz.xyz[:, :4]))
    picture = np.asarray(draw_picture(scan, AnomalyMap(scale * scan.xyz.xyz[..., 2])))
    assert (picture[-18:, -6:] == 255).all() and (picture[-18:, :-6] < 255).any()


def test_a_cloud_is_drawn_from_both_sides():
    points = np.random.default_rng(0).random((1, 4000, 3))
    picture = draw_picture(Sample(xyz=XYZImage(points)), AnomalyMap(points[..., 0]))
    assert picture.size[0] > 3 * 250 and picture.mode == "RGB"


def test_constant_maps_can_be_drawn():
    sample = ToyDataset()[0]
    plain = draw_picture(sample, Height().score(sample))
    assert draw_picture(sample, AnomalyMap(np.full(sample.shape, 3.0))).size == plain.size


def test_scales_are_of_typical_maps():
    assert scale_limits([(0, 1)] * 9 + [(0, 100)]) == pytest.approx((0, 1 + 0.1 * 99), abs=10)
    assert scale_limits([(1.0, 2.0), (3.0, 4.0)]) == (2.0, pytest.approx(3.8))


def test_a_map_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"map of test/good/000 must be \(24, 32\) like the sample, got \(2, 2\)"):
        draw_picture(ToyDataset()[0], AnomalyMap(np.zeros((2, 2))))


def test_a_map_of_few_raised_pixels_has_its_maximum_for_the_upper_end():
    scores = np.zeros((20, 20))
    scores[3, 4] = 5
    assert extent_of(AnomalyMap(scores)) == (0.0, 5.0)


def test_a_picture_is_of_a_sample_and_its_map():
    sample = ToyDataset()[0]
    with pytest.raises(TypeError, match=r"sample must be a Sample, such as .*, got ndarray"):
        draw_picture(sample.xyz.xyz, Height().score(sample))
    with pytest.raises(TypeError, match=r"anomaly_map must be an AnomalyMap, such as .*, got ndarray"):
        draw_picture(sample, np.zeros(sample.shape))
