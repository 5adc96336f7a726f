"""Pairs of methods of the thesis's 3D benchmark: which rows count, and what is said of them."""

from __future__ import annotations

import pytest

from geoad.evaluation.published import MEAN, published_values
from geoad.evaluation.thesis_3d_orderings import PAIRS, orderings

TEN = {(category, 0): 0.5 for category in {*published_values("Voxel VM", "3D", "au_pro", 0.3)} - {MEAN}}


def rows(key: str, values: dict[tuple[str, int], float | None]) -> list[dict[str, object]]:
    same = {"key": key, "metric": "au_pro"}
    return [
        {**same, "limit": limit, "category": category, "seed": seed, "value": value if limit == 0.3 else 1.0}
        for (category, seed), value in values.items()
        for limit in (0.3, 1.0)
    ]


def test_without_colours_the_thesis_finds_every_pair_in_this_order() -> None:
    every = {key for pair in PAIRS for key in pair}
    found = list(orderings([row for key in every for row in rows(key, TEN)]))
    assert len(found) == len(PAIRS) and all(each.source == "3D" for each in found)
    assert all(each.thesis[0] > each.thesis[1] for each in found)
    assert all((each.categories, each.seeds) == ((0, 10), (0, 1)) for each in found)  # alike is not above


def test_the_thesis_is_asked_about_the_same_categories() -> None:
    bagel = rows("voxel-fanogan", {("bagel", 0): 0.440}) + rows("voxel-vm", {("bagel", 0): 0.453})
    (found,) = orderings(bagel)
    assert found.thesis == pytest.approx(found.means)  # there, too, the GAN is not above: in the mean over all it is
    (found,) = orderings(rows("voxel-fanogan", TEN) + rows("voxel-vm", TEN))
    assert found.thesis == (0.583, 0.492)  # as printed
    elsewhere = {("screw", 0): 0.5}
    (found,) = orderings(rows("voxel-fanogan", elsewhere) + rows("voxel-vm", elsewhere))
    assert found.thesis == (0.583, 0.492)


def test_methods_with_colours_are_compared_with_one_another() -> None:
    measured = rows("voxel-ae-rgb", TEN) + rows("depth-ae-rgb", dict.fromkeys(TEN, 0.4))
    (found,) = orderings(measured)
    assert found.source == "3D+RGB" and found.names == ("Voxel AE", "Depth AE")
    assert found.thesis == pytest.approx((0.564, 0.481)) and found.seeds == (1, 1)


def test_means_are_over_categories_that_both_have_under_all_seeds() -> None:
    gan = {("foam", 0): 0.9, ("foam", 1): 0.2, ("tire", 0): 0.1, ("tire", 1): 0.3, ("rope", 0): 0.0}
    machine = {("foam", 0): 0.5, ("tire", 0): 0.2, ("rope", 0): 1.0}
    (found,) = orderings(rows("voxel-fanogan", gan) + rows("voxel-vm", machine))
    assert found.means == pytest.approx((0.375, 0.35))
    assert found.categories == (1, 2)  # foam 0.55 above 0.5, tire 0.2 not above 0.2
    assert found.seeds == (1, 2)


def test_seeds_that_only_one_has_do_not_count() -> None:
    voxel = {("foam", 0): 0.5, ("foam", 1): 0.1, ("tire", 0): 0.3}
    (found,) = orderings(rows("voxel-ae", voxel) + rows("depth-ae", {("foam", 0): 0.4, ("tire", 0): 0.2}))
    assert found.means == pytest.approx((0.4, 0.3)) and (found.categories, found.seeds) == ((2, 2), (1, 1))
    assert not list(orderings(rows("voxel-ae", {("foam", 0): 0.5}) + rows("depth-ae", {("foam", 1): 0.4})))


def test_what_was_not_measured_is_not_compared() -> None:
    assert not list(orderings(rows("voxel-vm", {("foam", 0): 0.5})))
    none = rows("voxel-ae", {("foam", 0): None}) + rows("voxel-vm", {("foam", 0): 0.5})
    assert not list(orderings(none))
