"""Means of the thesis's benchmark: over the same categories and seeds for every line of a table."""

from __future__ import annotations

import pytest

from geoad.evaluation.thesis_3d_means import Means, shared_means


def means_of(**values: dict[tuple[str, int], float | None]) -> Means[str]:
    """Means of lines such as voxel_ae={("foam", 0): 0.5}."""
    places = [
        (line.replace("_", "-"), *place, value) for line, found in values.items() for place, value in found.items()
    ]
    rows = [{"key": key, "category": category, "seed": seed, "value": value} for key, category, seed, value in places]
    return shared_means(rows, lambda row: row["key"])


def test_a_seed_that_one_cell_lacks_counts_for_none() -> None:
    every = {("foam", 0): 0.1, ("foam", 1): 0.3, ("rope", 0): 0.5, ("rope", 1): 0.7}
    means = means_of(voxel_ae=every, depth_ae=every)
    assert means.lines["voxel-ae"] == means.lines["depth-ae"] == pytest.approx(0.4) and means.note == ""
    means = means_of(voxel_ae=every, depth_ae={place: value for place, value in every.items() if place != ("rope", 1)})
    assert means.seeds == [0] and means.categories == ["foam", "rope"] and means.left_out == ["seed 1"]
    assert means.lines == {"voxel-ae": pytest.approx(0.3), "depth-ae": pytest.approx(0.3)}


def test_a_category_that_one_line_lacks_is_in_no_mean() -> None:
    means = means_of(voxel_ae={("foam", 0): 0.1, ("rope", 0): 0.5}, depth_ae={("foam", 0): 0.3, ("rope", 0): None})
    assert means.cells["voxel-ae", "rope"] == 0.5 and ("depth-ae", "rope") not in means.cells
    assert means.lines == {"voxel-ae": 0.1, "depth-ae": 0.3} and means.left_out == ["rope"]


def test_what_is_not_trained_has_every_seed() -> None:
    means = means_of(voxel_vm={("foam", 4): 0.6}, depth_ae={("foam", 0): 0.1, ("foam", 1): 0.3})
    assert means.lines == {"voxel-vm": pytest.approx(0.6), "depth-ae": pytest.approx(0.2)} and not means.left_out
    assert means_of(voxel_vm={("foam", 4): 0.6}).lines == {"voxel-vm": 0.6}


def test_nothing_shared_gives_no_mean() -> None:
    means = means_of(voxel_ae={("foam", 0): 0.1}, depth_ae={("foam", 1): 0.3})
    assert means.lines == {"voxel-ae": None, "depth-ae": None}
    assert means.left_out == ["foam", "seed 0", "seed 1"]
    assert means_of(voxel_ae={("foam", 0): None}).lines == {"voxel-ae": None}
