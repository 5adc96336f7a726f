"""Saturated overlap of both kinds of defects, and what it has in no other form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geoad.data.loco_regions import LocoTest
from geoad.evaluation import evaluate_loco
from geoad.evaluation.evaluate import Settings
from geoad.metrics import Threshold
from tests.data.test_loco_regions import root  # noqa: F401


@pytest.mark.parametrize("change", [{"resize": True}, {"threshold": Threshold("by hand", 1.0, 1.0)}], ids=str)
def test_what_does_not_fit_saturated_overlap_is_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="saturated overlap is evaluated exactly"):
        evaluate_loco("maps", "root", "pushpins", Settings(limits=(0.05,), **change))


def test_the_mean_of_both_kinds_has_no_interval(root: Path, tmp_path: Path) -> None:  # noqa: F811
    for name in (entry.name for entry in LocoTest(root, "pushpins").entries):
        (tmp_path / "pushpins" / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "pushpins" / f"{name}.npy", np.random.default_rng(len(name)).random((10, 12)))
    settings = Settings(limits=(0.05,), resamples=5)
    structural, logical, mean = (each.rows for _, each in evaluate_loco(tmp_path, root, "pushpins", settings))
    assert all(any("low" in row for row in rows) for rows in (structural, logical))
    assert mean and not any({"low", "high", "resamples"} & set(row) for row in mean)
