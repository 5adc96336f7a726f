"""The ablations of 3D-ST: what is compared, what the thesis claims, figures from the file alone, a stopped run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from geoad.checks import synthetic_scan
from geoad.descriptors.teacher import Teacher
from geoad.detectors import make_detector
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.nn.local_features import LocalFeatures

HERE = Path(__file__).resolve().parents[2] / "benchmarks"
SMALL = ["--points", "300", "--width", "8", "--k", "8", "--steps", "2"]
SWEEPS = ["--sweep-points", "100", "--sweep-widths", "12", "--sweep-k", "4", "--seeds", "0,1", "--categories", "foam"]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(HERE)
    return import_module("bench_3dst_ablations")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    (tmp_path / "manifest.json").write_text(json.dumps({"simulator": "sim3d-1", "size": {}, "seed": 0}))
    return tmp_path


@pytest.fixture
def run(bench: ModuleType, scans: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The script with cells and teachers that cost nothing; `run.cells` and `run.pretrained` say what was asked for."""

    def measure(_: str, params: dict[str, Any], method: str, category: str, seed: int, device: str) -> dict[str, Any]:
        if len(call.cells) == call.patience:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        call.cells.append((method, category, seed, params))  # type: ignore[attr-defined]
        return {key: value for key, value in row("", category=category, seed=seed).items() if key != "variant"}

    def pretrain(folder: Path, **keywords: Any) -> Path:
        call.pretrained.append(keywords)  # type: ignore[attr-defined]
        folder.mkdir(parents=True)
        torch.manual_seed(len(call.pretrained))  # type: ignore[attr-defined]
        network = LocalFeatures(keywords["width"], 1, keywords.get("coordinates", "relative"))
        Teacher(network, keywords["k"]).save(path := folder / f"3d-st-{keywords['width']}.safetensors")
        return path

    def call(*words: str) -> dict[str, Any]:
        everything = [
            str(scans),
            *SMALL,
            *SWEEPS,
            "--out",
            str(scans / "out.json"),
            "--cache",
            str(scans / "t"),
            *words,
        ]
        monkeypatch.setattr(sys, "argv", ["bench_3dst_ablations.py", *everything])
        bench.main()
        content: dict[str, Any] = json.loads((scans / "out.json").read_text())
        return content

    call.cells, call.pretrained, call.patience = [], [], -1  # type: ignore[attr-defined]
    monkeypatch.setattr(bench, "measure", measure)
    monkeypatch.setattr(bench, "pretrain", pretrain)
    monkeypatch.setattr(bench, "_warm_up", lambda _: None)
    return call


def row(variant: str, value: float = 0.5, **facts: Any) -> dict[str, Any]:
    cost = {"fit_cpu_s": 1.0, "score_cpu_s": 1.0, "fit_peak_bytes": 9, "score_peak_bytes": 5}
    limits = {"0.05": value / 2, "0.3": value}
    return {"variant": variant, "category": "foam", "seed": 0, "value": value, "limits": limits, **cost, **facts}


def rows_of(values: dict[str, list[float]], **facts: Any) -> list[dict[str, Any]]:
    return [row(name, value, seed=seed, **facts) for name, run in values.items() for seed, value in enumerate(run)]


def test_the_defaults_are_the_thesis(bench: ModuleType) -> None:
    given = bench.parse(["scans"])
    plan = bench.plan_of(given)
    assert plan.variants["baseline"].params == {"points": 64_000, "k": 32, **StudentTeacher3D.thesis()}
    assert bench._budget(given) == {"scenes": 1000, "validation_scenes": 50, "points": 64_000, "steps": 250_000}
    assert plan.recipes["base"] == {"width": 64, "k": 32, "source": "solids"}
    assert list(plan.groups["points"].values()) == ["points 8000", "points 16000", "points 32000", "baseline"]
    assert given.seeds == [0, 1, 2] and len(given.categories) == 10
    assert make_detector("3d-st", **plan.variants["baseline"].params).config["select"] == "best"


def test_every_variant_is_a_detector(bench: ModuleType) -> None:
    words = ["scans", *SMALL, "--source", "meshes=meshes:F", "--features", "sines=numpy:sin", "--set", "decay=True"]
    plan = bench.plan_of(bench.parse([*words, "--teacher", "kitti=K.safetensors"]))
    for name in plan.only(list(plan.groups)):
        variant = plan.variants[name]
        if variant.teacher is None:
            assert make_detector(variant.method, **variant.params).config.items() >= variant.params.items()
        else:
            assert variant.teacher in plan.recipes and variant.params["decay"] is True
    assert plan.variants["rotated"].params["rotate"] and plan.recipes["absolute"]["coordinates"] == "absolute"
    assert plan.recipes["k16"] == {"width": 8, "k": 16, "source": "solids"}
    assert plan.variants["k 16"].params["k"] == 16 and plan.variants["k 16"].teacher == "k16"
    assert plan.groups["pretraining"] == {
        "meshes": "pretrained on meshes", "kitti": "pretrained on kitti", "solids": "baseline",
    }  # fmt: skip
    assert set(plan.groups["features"]) == {"fpfh", "sines", "3d-st"}


def test_fpfh_describes_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    detector = make_detector("3d-st", teacher="fpfh_open3d:fpfh", points=300, k=8)
    features = detector.prepare(synthetic_scan(0))["features"]
    assert features.shape == (300, 33) and features.isfinite().all()
    assert torch.allclose(features.view(300, 3, 11).sum(2), torch.tensor(200.0), atol=20)  # 100 of its own, 100 around


def test_a_stopped_run_goes_on(run: Any) -> None:
    run.patience = 7
    with pytest.raises(KeyboardInterrupt):
        run()
    run.patience = -1
    content = run()
    names = ["3d-st"] * 8 + ["voxel-vm", "depth-vm"]
    assert sorted(cell[0] for cell in run.cells) == sorted(names * 2)  # two seeds, none twice
    assert len(content["rows"]) == 20 and content["command"].startswith("python benchmarks/bench_3dst_ablations.py ")
    assert [keywords["steps"] for keywords in run.pretrained] == [250_000] * len(run.pretrained)
    assert sum("coordinates" in keywords for keywords in run.pretrained) == 1
    assert sorted((k["width"], k["k"]) for k in run.pretrained) == [(8, 4), (8, 8), (8, 8), (12, 8)]
    asked = {(cell[3].get("teacher"), cell[3].get("k")) for cell in run.cells}
    assert ("random", 8) in asked and ("fpfh_open3d:fpfh", 8) in asked and any(k == 4 for _, k in asked)
    assert set(content["teachers"]) == {"base", "d12", "k4", "absolute"}
    assert content["teachers"]["k4"]["source"] == "solids" and len(content["teachers"]["k4"]["sha256"]) == 64
    assert all(claim["holds"] is not None for claim in content["orderings"])
    assert str(content).count("/t/") == 0  # no path of a teacher


def test_only_some_groups_and_then_others(run: Any) -> None:
    run("--only", "strategy", "--seeds", "0")
    content = run("--only", "points", "--sweep-points", "50,200", "--seeds", "0")
    assert [r["variant"] for r in content["rows"]] == [
        "random",
        "absolute",
        "rotated",
        "baseline",
        "points 50",
        "points 200",
    ]
    assert set(content["groups"]["points"]) == {"50", "100", "200", "300"}


def test_rows_of_other_settings_are_kept(run: Any, scans: Path, tmp_path: Path) -> None:
    run("--only", "strategy", "--seeds", "0")
    before = (scans / "out.json").read_bytes()
    for words, text in (
        (["--steps", "3"], "holds rows of another base"),
        (["--pretrain-steps", "9"], "holds rows of another pretraining"),
        (["--pretrain-set", "optimizer=muon"], "holds rows of another pretraining"),
        (["--features", "fpfh=numpy:sin", "--only", "features"], None),
    ):
        if text:
            with pytest.raises(ValueError, match=text):
                run("--only", "strategy", *words)
            assert (scans / "out.json").read_bytes() == before
        else:
            run(*words)
    with pytest.raises(ValueError, match="features fpfh has other parameters in earlier rows: choose another --out"):
        run("--only", "features")
    Teacher(LocalFeatures(8, 1), 8).save(other := tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="teacher base is not the one of the earlier rows"):
        run("--only", "points", "--teacher", f"base={other}")
    with pytest.raises(ValueError, match=r"teacher k4 must have k 4, got 8 in .*other\.safetensors"):
        run("--only", "k", "--teacher", f"k4={other}")


@pytest.mark.parametrize("words", [[], ["s", "--plot"], ["s", "--only", "point"], ["s", "--categories", "bagle"],
                                   ["s", "--source", "meshes"]])  # fmt: skip
def test_bad_words(bench: ModuleType, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        bench.parse(words)
    assert caught.value.code == 2


GROUPS = {
    "limits": {"vm": "vm", "3d-st": "baseline"},
    "points": {"1000": "points 1000", "2000": "points 2000", "4000": "baseline"},
    "strategy": {"random teacher": "random", "3d-st": "baseline"},
    "pretraining": {"kitti": "pretrained on kitti", "solids": "baseline"},
    "features": {"fpfh": "features fpfh", "3d-st": "baseline"},
}
VALUES = {
    "points 1000": [0.70, 0.72],
    "points 2000": [0.79, 0.81],
    "baseline": [0.80, 0.84],
    "vm": [0.6, 0.6],
    "random": [0.75, 0.85],
    "pretrained on kitti": [0.79, 0.80],
    "features fpfh": [0.55, 0.55],
}


def claims(bench: ModuleType, rows: list[dict[str, Any]]) -> dict[str, tuple[bool | None, str]]:
    found = bench.orderings(rows, GROUPS)
    return {claim["claim"]: (claim["holds"], claim["seeds"]) for claim in found}


def test_claims_that_hold_and_that_do_not(bench: ModuleType) -> None:
    rows = rows_of(VALUES)
    for each in rows:
        if each["variant"] == "baseline":
            each.update(score_cpu_s=2.5, score_peak_bytes=9)  # for twice the points: more than twice, less than twice
    found = claims(bench, rows)
    assert found == {
        "3d-st above all others at limit 0.05": (True, "2 of 2"),
        "3d-st above all others at limit 0.3": (True, "2 of 2"),
        "AU-PRO grows with |P|": (True, "2 of 2"),
        "AU-PRO saturates with |P|: the last gain is below the first": (True, "2 of 2"),
        "CPU seconds a scan grow faster than |P|": (True, "2 of 2"),
        "memory of scoring grows faster than |P|": (False, "0 of 2"),
        "every |P| above all other methods": (True, "2 of 2"),
        "random teacher: worse": (True, "1 of 2"),
        "pretrained on kitti: within 0.03 of the baseline": (True, "1 of 2"),
        "features of fpfh: worse": (True, "2 of 2"),
        "features of fpfh: above all other methods": (False, "0 of 2"),
    }
    (random,) = (c for c in bench.orderings(rows, GROUPS) if c["claim"] == "random teacher: worse")
    assert random["values"]["random"] == {"mean": 0.8, "spread": pytest.approx(0.0707, abs=1e-4)}
    assert "yes 10.8  random teacher: worse (1 of 2 seeds): random 0.8 ± 0.071, baseline 0.82" in bench.show([random])


def test_only_cells_that_both_have_are_compared(bench: ModuleType) -> None:
    rows = [*rows_of({"baseline": [0.9, 0.9], "random": [0.1]}), row("baseline", 0.0, category="bagel", seed=0)]
    found = claims(bench, rows)
    assert found["random teacher: worse"] == (True, "1 of 1")
    assert found["AU-PRO grows with |P|"] == (None, "0 of 0")
    one, two = row("baseline", 0.2), row("random", 0.1, category="bagel")
    assert claims(bench, [one, two])["random teacher: worse"][0] is None


@pytest.mark.parametrize("rows", [rows_of(VALUES), rows_of({"baseline": [0.5]}), []])
def test_figures_come_from_the_file_alone(
    bench: ModuleType, rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.json").write_text(json.dumps({"rows": rows, "groups": GROUPS}))
    monkeypatch.setattr(sys, "argv", ["bench_3dst_ablations.py", "--plot", "--out", str(tmp_path / "out.json")])
    bench.main()
    pictures = sorted(path.name for path in tmp_path.glob("*.png"))
    assert pictures == ["out_limits.png", "out_sizes.png", "out_teachers.png"]


def test_a_cell_is_measured(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Split(list):  # type: ignore[type-arg]
        def mask(self, i: int) -> np.ndarray:
            return self[i].mask

        def label(self, i: int) -> int:
            return self[i].label

    parts = {"train": [0, 1], "validation": [2], "test": [3, 4]}

    def open_dataset(*_: str, category: str, split: str) -> Split:
        return Split(synthetic_scan(seed, defect=seed == 4) for seed in parts[split])

    monkeypatch.setattr("common.open_dataset", open_dataset)
    params = {"teacher": "random", "width": 8, "points": 300, "k": 8, "steps": 30}
    found = bench.measure("scans", params, "3d-st", "foam", 1, "cpu")
    assert (found["category"], found["seed"], found["metric"], found["limit"]) == ("foam", 1, "au_pro", 0.3)
    assert found["value"] == found["limits"]["0.3"] and list(found["limits"])[-1] == "1"
    assert 0 <= found["image_auroc"] <= 1 and found["fit_cpu_s"] > found["score_cpu_s"] > 0
    assert json.loads(json.dumps(found)) == found
