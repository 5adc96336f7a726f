import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.metrics import label_regions
from tests.metrics import reference

MASKS = st.builds(
    lambda seed, share, height, width: np.random.default_rng(seed).random((height, width)) < share,
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.integers(0, 14).filter(lambda size: size != 1),
    st.integers(0, 14).filter(lambda size: size != 1),
)


@given(MASKS, st.sampled_from([4, 8]))
@settings(max_examples=200, deadline=None)
def test_labels_agree_with_scipy(mask, connectivity):
    labels, count = label_regions(mask, connectivity)
    expected, n = reference.regions(mask, connectivity)
    assert count == n
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1)])
def test_the_points_of_a_cloud_are_one_region(shape):
    labels, count = label_regions(np.array([2, 0, 0, 1]).reshape(shape))
    assert count == 1 and labels.ravel().tolist() == [1, 0, 0, 1] and labels.shape == shape
    assert label_regions(np.zeros(shape))[1] == 0


@pytest.mark.parametrize("size", [1, 2, 31])
def test_checkerboard_has_one_region_or_as_many_as_fields(size):
    mask = np.indices((size, size)).sum(0) % 2 == 0
    assert label_regions(mask, 4)[1] == mask.sum()
    assert label_regions(mask, 8)[1] == 1


def test_spiral_is_one_region():
    mask = np.zeros((41, 41), bool)
    low, high = 0, 40
    while low < high:
        mask[low, low : high + 1] = mask[low : high + 1, high] = mask[high, low : high + 1] = True
        mask[low + 2 : high + 1, low] = True
        mask[low + 2, low : low + 2] = True
        low, high = low + 2, high - 2
    assert label_regions(mask, 4)[1] == reference.regions(mask, 4)[1] == 1


def test_wrong_arguments():
    with pytest.raises(ValueError, match="connectivity must be 4 or 8, got 6"):
        label_regions(np.zeros((2, 2), bool), 6)
    with pytest.raises(ValueError, match=r"mask must have shape \(H, W\), got \(2,\)"):
        label_regions(np.zeros(2, bool))
    for bad in (-1.0, np.nan):
        with pytest.raises(ValueError, match="mask must be 0 where good and above 0 where defective"):
            label_regions(np.array([[bad, 1.0], [0.0, 0.0]]))
