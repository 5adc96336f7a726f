"""The benchmark's report: means over what all have, the thesis beside, and whose code gave the numbers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from geoad.cli import benchmark_report as cli_benchmark_report
from geoad.cli.benchmark_report import report


def row_of(key: str, method: str, value: float | None, **more: object) -> dict:
    row = {"key": key, "method": method, "source": "3D", "dataset": "mvtec3d", "category": "bagel", "seed": 0}
    row |= {"params": {}, "cpu_s": 2.0, "resumed": False, "metric": "au_pro", "limit": 0.3, "value": value}
    return {**row, **more}


def lines_of(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_it_holds_means_over_seeds_and_latent_dimensions(tmp_path: Path) -> None:
    rows = []
    for key, latent, values in (("depth-ae", 512, (0.2, 0.4)), ("depth-ae-128", 128, (0.1, 0.1))):
        for seed, value in enumerate(values):
            row = {"key": key, "method": "Depth AE", "source": "3D", "dataset": "mvtec3d", "category": "bagel"}
            row |= {"seed": seed, "params": {"latent": latent}, "cpu_s": 2.0, "resumed": bool(seed)}
            rows += [{**row, "metric": "au_pro", "limit": 0.3, "value": value}]
            rows += [{**row, "metric": "image_auroc", "limit": None, "value": 2 * value}]
    lines = [line.split() for line in report(tmp_path, rows, "full: as it was").splitlines()]
    assert lines[0][:4] == ["mvtec3d,", "seeds", "0,", "1;"] and lines[1] == ["full:", "as", "it", "was"]
    assert ["Depth", "AE", "3D", "mvtec3d", "0.300", "0.300"] in lines  # AU-PRO
    assert ["Depth", "AE", "3D", "thesis", "0.147", "0.147"] in lines
    assert ["Depth", "AE", "3D", "mvtec3d", "0.600", "0.600"] in lines  # image AUROC
    assert ["Depth", "AE", "mvtec3d", "0.100", "0.300"] in lines and [
        "Depth",
        "AE",
        "thesis",
        "0.199",
        "0.203",
    ] in lines
    assert ["Depth", "AE", "3D", "2.000"] in lines


def test_a_report_may_name_what_is_no_utf_8(tmp_path: Path) -> None:
    report(tmp_path, [row_of("depth-ae", "Depth AE", 0.5)], "full", [os.fsdecode(b"M\xfcnchen: no camera")])
    assert "failed: M\\udcfcnchen: no camera" in (tmp_path / "report.txt").read_text()


def test_means_are_over_categories_and_seeds_that_all_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row_of("depth-ae", "Depth AE", v, category=c) for c, v in (("bagel", 0.4), ("tire", 0.4))]
    rows += [row_of("depth-ae", "Depth AE", 0.9, seed=1)]
    rows += [row_of("voxel-ae", "Voxel AE", 0.6), row_of("depth-vm", "Depth VM", 0.3, seed=1)]
    curves = []
    monkeypatch.setattr(cli_benchmark_report, "write_limit_curves", lambda _, drawn, __: curves.append(drawn))
    text = report(tmp_path, rows, "full")
    assert "AU-PRO@0.3 (table 9.3); means leave out what some lack: tire, seed 1" in text
    lines = lines_of(text)
    assert ["Depth", "AE", "3D", "mvtec3d", "0.400", "0.400", "0.400"] in lines
    assert ["Voxel", "AE", "3D", "mvtec3d", "0.600", "-", "0.600"] in lines
    assert ["Voxel", "AE", "3D", "thesis", "0.260", "0.185", "0.260"] in lines
    assert ["Depth", "VM", "3D", "mvtec3d", "0.300", "-", "0.300"] in lines  # not trained: the same under every seed
    assert {name: areas[0.3] for (name, _), areas in curves[0].items()} == {
        "Depth AE": 0.4,
        "Voxel AE": 0.6,
        "Depth VM": 0.3,
    }


def test_without_a_category_that_all_have_there_are_no_means(tmp_path: Path) -> None:
    text = report(
        tmp_path, [row_of("depth-ae", "Depth AE", 0.4), row_of("voxel-ae", "Voxel AE", 0.6, category="tire")], ""
    )
    assert ["Depth", "AE", "3D", "mvtec3d", "0.400", "-", "-"] in lines_of(text)


def test_latent_dimensions_are_compared_on_the_same_categories(tmp_path: Path) -> None:
    rows = [
        row_of("depth-ae", "Depth AE", v, category=c, params={"latent": 512})
        for c, v in (("bagel", 0.5), ("tire", 0.2))
    ]
    rows += [row_of("depth-ae-128", "Depth AE", 0.6, params={"latent": 128})]
    text = report(tmp_path, rows, "full")
    assert "(table 9.5); means leave out what some lack: tire" in text
    assert ["Depth", "AE", "mvtec3d", "0.600", "0.500"] in lines_of(text)


def test_cells_of_several_commits_and_machines_are_told(tmp_path: Path) -> None:
    rows = [
        row_of("depth-ae", "Depth AE", 0.4, commit="c0ffee", machine="one"),
        row_of("voxel-ae", "Voxel AE", 0.6, commit="decade", machine="one"),
    ]
    text = report(tmp_path, rows, "full")
    assert "cells of 2 commits: c0ffee; decade\n" in text and "cells of 1 machine: one\n" in text


def test_seconds_are_those_of_cells_that_were_not_interrupted(tmp_path: Path) -> None:
    rows = [row_of("depth-ae", "Depth AE", 0.4), row_of("depth-ae", "Depth AE", 0.4, seed=1, cpu_s=99.0, resumed=True)]
    assert ["Depth", "AE", "3D", "2.000"] in lines_of(report(tmp_path, rows, "full"))
