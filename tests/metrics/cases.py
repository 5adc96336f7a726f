"""Random test sets, full of ties, of images of different sizes."""

import numpy as np
from hypothesis import strategies as st


def make_test_set(seed, images, levels, dtype):
    """Maps of few distinct values (negative, zero of either sign, infinite) and masks; both classes are there."""
    random = np.random.default_rng(seed)
    values = np.r_[random.normal(scale=10.0 ** random.integers(-6, 4), size=levels), -0.0, 0.0, np.inf]
    maps, masks = [], []
    for _ in range(images):
        shape = tuple(random.integers(2, 9, 2))
        maps.append(random.choice(values, shape).astype(dtype))
        masks.append((random.random(shape) < random.choice([0.0, 0.2, 0.6])).astype(np.uint8) * 255)
    masks[0].flat[:2] = 0, 253
    return maps, masks


TEST_SETS = st.builds(
    make_test_set,
    st.integers(0, 2**32 - 1),
    st.integers(1, 5),
    st.integers(1, 60),
    st.sampled_from(["float16", "float32", "float64"]),
)
LIMITS = (0.01, 0.05, 0.3, 1.0)
