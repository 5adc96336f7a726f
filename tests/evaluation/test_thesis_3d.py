"""The rows of the thesis's tables are those that are published, and their keywords those of the detectors."""

from __future__ import annotations

import pytest

from geoad.descriptors.teacher import shipped_teachers
from geoad.detectors import DETECTORS, make_detector
from geoad.evaluation.published import read_published
from geoad.evaluation.thesis_3d import ITERATIONS, LATENTS, METHODS, budget, keywords

TRAINED = [key for key, method in METHODS.items() if method.trained]


def test_the_twelve_rows_of_the_tables_and_two_more() -> None:
    published = {(row["method"], row["source"]) for row in read_published() if row["reference"].endswith("table 9.3")}
    rows = [(method.name, method.source) for method in METHODS.values()]
    assert len(published) == 12 and published == set(rows[:12])
    assert list(METHODS)[12:] == ["voxel-vae", "3d-st"] and len(set(rows)) == 14
    assert {row["method"] for row in read_published() if row["method"] == METHODS["3d-st"].name}
    assert {name for name, _ in LATENTS} <= {method.name for method in METHODS.values()} and len(LATENTS) == 12


def test_every_row_is_a_detector_with_these_keywords() -> None:
    for key, method in METHODS.items():
        assert method.detector in DETECTORS
        for size in ("tiny", "small"):
            config = make_detector(method.detector, **keywords(key, size)).config
            assert method.params.items() <= config.items() and keywords(key, size).items() <= config.items()


@pytest.mark.parametrize("key", TRAINED)
def test_small_fixes_the_iterations_and_nothing_else(key: str) -> None:
    method = METHODS[key]
    if key == "3d-st":
        full = keywords(key, "full")
        assert keywords(key, "small") == method.params and full["epochs"] == 100
        assert full["teacher"] == "3d-st-64-thesis" and full["teacher"] in shipped_teachers()
    else:
        assert keywords(key, "full") == method.params
        smaller = {"batch_size": 4} if key.startswith("depth-ae") else {}
        assert keywords(key, "small") == {**method.params, "steps": ITERATIONS, **smaller}
        assert keywords(key, "small", 7)["steps"] == 7


def test_variation_models_and_latent_dimensions() -> None:
    for key in set(METHODS) - set(TRAINED):
        assert keywords(key, "small") == METHODS[key].params
    assert keywords("depth-ae", "full", latent=2048) == {"latent": 2048}
    assert keywords("depth-ae", "tiny", latent=3)["latent"] == 3


def test_every_size_says_what_stands_behind_its_numbers() -> None:
    assert "7 iterations" in budget("small", 7) and "thesis" in budget("full") and "nothing" in budget("tiny")


def test_wrong_words() -> None:
    with pytest.raises(ValueError, match="unknown method 'voxel-gan'"):
        keywords("voxel-gan", "small")
    with pytest.raises(ValueError, match="unknown size 'large'"):
        keywords("depth-ae", "large")
