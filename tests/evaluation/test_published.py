import hashlib

import numpy as np
import pytest

from geoad.evaluation import against_published, read_published
from geoad.evaluation.published import PROTOCOLS
from geoad.evaluation.thesis_3d import LATENTS

CATEGORIES = ("bagel", "cable_gland", "carrot", "cookie", "dowel", "foam", "peach", "potato", "rope", "tire")


def ours(*categories, mode="exact"):
    return [
        {"category": c, "metric": "au_pro", "limit": 0.3, "mode": mode, "connectivity": 8, "value": 0.5}
        for c in categories
    ]


def test_numbers_name_their_table_and_means_are_means():
    rows = read_published()
    assert {row["protocol"] for row in rows} == set(PROTOCOLS)
    assert all(row["reference"] and 0 <= row["value"] <= 1 for row in rows)
    groups = {}
    for row in rows:
        key = (row["method"], row["source"], row["dataset"], row["metric"], row["limit"], row["protocol"])
        assert row["category"] not in groups.setdefault(key, {}), f"twice: {key}"
        groups[key][row["category"]] = row["value"]
    whole = {key: group for key, group in groups.items() if {"mean", *CATEGORIES} == set(group)}
    assert len(whole) > 30
    for key, group in whole.items():
        # The thesis prints 0.143 for Depth GAN, whose categories have the mean 0.1423.
        close = 1e-3 if key[0] == "Depth GAN" else 6e-4
        assert np.mean([group[c] for c in CATEGORIES]) == pytest.approx(group["mean"], abs=close), key


def test_no_number_has_changed_since_it_was_compared_with_the_thesis():
    rows = sorted(tuple(map(str, row.values())) for row in read_published())
    assert hashlib.sha256(repr((rows, sorted(LATENTS.items()))).encode()).hexdigest()[:16] == "fd833738094b822e"


def test_means_only_over_the_same_categories():
    part = against_published(ours("bagel", "rope", "mean"), "mvtec3d")
    assert {row["category"] for row in part.rows} == {"bagel", "rope"}
    assert any("means are not set beside each other" in note for note in part.notes)
    whole = against_published(ours(*CATEGORIES, "mean"), "mvtec3d")
    assert {row["category"] for row in whole.rows} == {*CATEGORIES, "mean"}
    assert not any("means" in note for note in whole.notes)


def test_protocols_that_differ_are_told():
    exact = against_published(ours("bagel"), "mvtec3d").notes
    assert exact[0] == "ours: mode exact, 8-connected regions" and all(
        "differs from ours" in note for note in exact[1:]
    )
    same = against_published(ours("bagel", mode="community-224"), "mvtec3d", "community-224").notes
    assert [note.endswith(": the same") for note in same[1:]] == [False, True]


def test_what_cannot_be_compared():
    assert "sim3d is simulated" in against_published(ours("bagel"), "sim3d").notes[0]
    assert "no published numbers of dataset 'folder'" in against_published(ours("bagel"), "folder").notes[0]
    assert "no published number is of these" in against_published(ours("zipper"), "mvtec3d").notes[0]


def test_what_somebody_does_to_the_numbers_is_not_what_is_published():
    before = read_published()[0]["value"]
    read_published()[0]["value"] = 9.0
    assert read_published()[0]["value"] == before
