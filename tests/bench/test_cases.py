"""Clouds to measure on."""

from __future__ import annotations

import numpy as np
import pytest

from geoad.bench.cases import CLOUDS, cloud, organised, ragged


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("n", [1, 7, 300, 4097])
def test_a_cloud_has_its_size_and_is_the_same_every_time(name: str, n: int) -> None:
    points = cloud(name, n)
    assert points.shape == (n, 3) and points.dtype == np.float32 and points.flags.c_contiguous
    assert np.isfinite(points).all()
    assert np.array_equal(points, cloud(name, n))


def test_clouds_are_what_their_names_say() -> None:
    assert len(np.unique(cloud("duplicates", 4000), axis=0)) <= 500
    assert len(np.unique(cloud("lattice", 4000), axis=0)) == 4000
    spread = cloud("clusters", 4000).std(0)
    assert (spread > 0.1).all()
    radii = np.linalg.norm(cloud("sphere", 4000), axis=1)
    assert 0.098 < radii.min() < radii.max() < 0.102 and np.ptp(radii) > 1e-4


def test_a_scan_has_holes_and_lies_before_the_sensor() -> None:
    image = organised((60, 80))
    seen = np.isfinite(image).all(2)
    assert image.shape == (60, 80, 3) and 0.7 < seen.mean() < 0.95
    assert np.isnan(image[~seen]).any(1).all()
    assert 0.5 < np.nanmin(image[..., 2]) < np.nanmax(image[..., 2]) < 0.7


@pytest.mark.parametrize("n", [1, 3, 8, 100, 5000])
def test_a_ragged_batch_ascends(n: int) -> None:
    ids = ragged(n)
    assert ids.shape == (n,) and ids[0] == 0 and set(np.diff(ids)) <= {0, 1}
    if n == 5000:
        sizes = np.bincount(ids)
        assert sizes.size == 8 and sizes.max() > 20 * sizes.min()


def test_an_unknown_cloud_is_named_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown case 'scam' \(did you mean 'scan'\?\)"):
        cloud("scam", 10)
