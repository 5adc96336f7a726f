import numpy as np

from geoad.evaluation.shading import LAMP, shade


def plane(slope_x, slope_y, shape=(20, 24)):
    y, x = np.indices(shape).astype(float)
    return np.dstack([x, y, 50 + slope_x * x + slope_y * y])


def test_a_plane_is_even_and_lit_by_the_angle_to_the_lamp():
    facing = plane(-LAMP[0] / LAMP[2], -LAMP[1] / LAMP[2])
    away = plane(4.0, 4.0)
    valid = np.ones((20, 24), bool)
    bright, dark = shade(facing, valid)[3:-3, 3:-3], shade(away, valid)[3:-3, 3:-3]
    assert np.ptp(bright) < 1e-6 and np.ptp(dark) < 1e-6
    assert bright.mean() > 0.95 and dark.mean() < bright.mean() - 0.3


def test_invalid_pixels_are_black_and_do_not_leak():
    xyz, valid = plane(0.1, 0.2), np.ones((20, 24), bool)
    clean = shade(xyz, valid)
    valid[8:12, 9:15] = False
    xyz[8:12, 9:15] = np.nan
    holed = shade(xyz, valid)
    assert (holed[~valid] == 0).all() and np.isfinite(holed).all()
    assert np.abs(holed - clean)[valid].max() < 0.15


def test_a_single_pixel_has_a_shade():
    assert shade(np.ones((1, 1, 3)), np.ones((1, 1), bool)).shape == (1, 1)
