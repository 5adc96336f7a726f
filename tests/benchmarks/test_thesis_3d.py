"""The committed tables of the thesis's benchmark are what its committed numbers give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geoad.cli.benchmark_report import report
from geoad.evaluation.thesis_3d import budget

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


@pytest.mark.parametrize(
    ("name", "iterations"), [("thesis-3d", 100), ("thesis-3d-latents", 100), ("thesis-3d-500", 500)]
)
def test_the_report_is_that_of_the_numbers(name: str, iterations: int, tmp_path: Path) -> None:
    rows = json.loads((RESULTS / name / "metrics.json").read_text())["rows"]
    text = report(tmp_path, rows, budget("small", iterations))
    told = (RESULTS / name / "report.txt").read_text().partition("limits.png")[0]  # the paths behind are others
    assert set(told.splitlines()[:-1]) <= set(text.splitlines())
