"""Readings in several processes."""

import numpy as np

from geoad.metrics.passes import Reader, Source
from geoad.metrics.pimo import _Top


def test_of_many_slices_each_is_seen_once():
    with Reader(Source([np.zeros((1, 2))] * 60), jobs=2) as reader:
        assert reader.run(_Top(0.5, 60), size=1).images == 60
