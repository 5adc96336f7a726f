"""Scores of whole parts beside their maps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from geoad.evaluation import evaluate_maps, write_map
from geoad.evaluation.part_scores import read_scores, write_scores
from geoad.metrics import Threshold
from geoad.sample import AnomalyMap

NAMES = ["test/good/000", "test/good/001", "test/hole/000"]


def stored(folder: Path) -> SimpleNamespace:
    """Three maps whose maxima call the good parts worse than the defective one."""
    for name, peak in zip(NAMES, (5.0, 4.0, 3.0), strict=True):
        write_map(folder / f"{name}.tiff", AnomalyMap(np.array([[0.0, peak]], np.float32)))
    return SimpleNamespace(
        NAME="toy",
        entries=[SimpleNamespace(name=name, kind=name.split("/")[1]) for name in NAMES],
        mask=lambda i: np.array([[False, i == 2]]),
        label=lambda i: int(i == 2),
    )


def auroc(folder: Path, dataset: SimpleNamespace) -> tuple[float, str]:
    rows = evaluate_maps(folder, dataset, limits=[0.3])
    return next((row["value"], row["image_score"]) for row in rows if row["metric"] == "image_auroc")


def test_a_methods_own_scores_count_before_the_maxima(tmp_path: Path) -> None:
    dataset = stored(tmp_path)
    assert auroc(tmp_path, dataset) == (0.0, "maximum")
    write_scores(tmp_path, dict(zip(NAMES, (0.1, 0.2, 0.3), strict=True)))
    assert auroc(tmp_path, dataset) == (1.0, "own")


def test_a_later_score_replaces_its_own_alone(tmp_path: Path) -> None:
    write_scores(tmp_path, {"a": 1.0, "b": 1.0})
    write_scores(tmp_path, {"a": 2.0})
    assert read_scores(tmp_path, ["a", "b"]).tolist() == [2.0, 1.0]  # type: ignore[union-attr]


def test_a_lacking_or_damaged_score_is_named(tmp_path: Path) -> None:
    write_scores(tmp_path, {NAMES[0]: 1.0})
    with pytest.raises(ValueError, match=r"scores.json: no score of test/good/001: score again"):
        read_scores(tmp_path, NAMES)
    for text in ('{"a": ', '{"a": "b"}', '{"a": NaN}', "[1]"):
        (tmp_path / "scores.json").write_text(text)
        with pytest.raises(ValueError, match=r"scores\.json: "):
            read_scores(tmp_path, NAMES)


def test_own_scores_count_for_thresholds_and_intervals_too(tmp_path: Path) -> None:
    dataset = stored(tmp_path)
    write_scores(tmp_path, dict(zip(NAMES, (0.1, 0.2, 0.3), strict=True)))
    how = {"limits": [0.3], "threshold": Threshold("by hand", 9.0, 0.25), "resamples": 20}
    found = {row["metric"]: row for row in evaluate_maps(tmp_path, dataset, **how) if row["kind"] is None}
    assert (found["image_tp"]["value"], found["image_fp"]["value"]) == (1, 0)
    assert (found["image_auroc"]["low"], found["image_auroc"]["high"]) == (1, 1)


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_score_that_is_no_number_spoils_no_other(tmp_path: Path, score: float) -> None:
    write_scores(tmp_path, {"a": 1.0})
    with pytest.raises(ValueError, match=r"the score of b must be a finite number, got (nan|inf)"):
        write_scores(tmp_path, {"b": score})
    assert read_scores(tmp_path, ["a"]).tolist() == [1.0]  # type: ignore[union-attr]


def test_a_number_of_four_hundred_digits_is_named(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(f'{{"a": 1{"0" * 400}}}')
    with pytest.raises(ValueError, match=r"scores\.json: must hold a finite number a sample"):
        read_scores(tmp_path, ["a"])
