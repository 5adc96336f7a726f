"""The ranking on sim3d: the published table is the thesis's, agreement is Spearman's, a stopped run goes on."""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from statistics import mean
from types import ModuleType

import pytest

from geoad.data.sim3d import CATEGORIES
from geoad.detectors import make_detector

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "sim3d_ranking.py"


@pytest.fixture
def ranking() -> ModuleType:
    spec = spec_from_file_location("sim3d_ranking", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_published_rows_have_the_printed_means(ranking: ModuleType) -> None:
    table = ranking.published()
    means = {method: round(mean(table[method, name] for name in CATEGORIES), 3) for method, _ in table}
    assert means == {"voxel-vm": 0.492, "depth-vm": 0.374, "3d-st": 0.818}
    for method, settings in ranking.SETTINGS.items():
        assert (method, "tire") in table and make_detector(method, **settings)


def test_agreement_is_that_of_ranks(ranking: ModuleType) -> None:
    table = ranking.published()
    methods = list(ranking.SETTINGS)
    rows = [{"method": m, "category": c, "value": table[m, c] ** 3} for m in methods for c in CATEGORIES]
    found = ranking.agreement(rows)
    assert (found["cells"], found["rho"], found["mean_rho_of_methods"]) == (30, 1.0, 1.0)
    assert set(found["rho_within_method"].values()) == {1.0}
    upside_down = [{**row, "value": -row["value"]} for row in rows]
    assert ranking.agreement(upside_down)["rho"] == -1.0
    assert ranking.agreement(rows[:2])["rho"] is None


def test_a_stopped_run_goes_on(ranking: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"simulator": "sim3d-1", "size": {}, "seed": 0}))
    calls: list[str] = []

    def measure(_: str, method: str, category: str) -> dict[str, object]:
        if len(calls) == 3:
            calls.append("stop")
            raise KeyboardInterrupt
        calls.append(category)
        params = ranking.SETTINGS[method]
        return {"method": method, "category": category, "params": params, "value": len(calls) / 100, "cpu_s": 1}

    monkeypatch.setattr(ranking, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(ranking, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["sim3d_ranking.py", str(tmp_path), "--methods", "depth-vm"])
    with pytest.raises(KeyboardInterrupt):
        ranking.main()
    assert len(json.loads(ranking.RESULTS.read_text())["rows"]) == 3
    ranking.main()
    assert sorted(calls) == sorted([*CATEGORIES, "stop"])  # none twice
    assert json.loads(ranking.RESULTS.read_text())["cells"] == len(CATEGORIES)
