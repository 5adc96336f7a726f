"""The benchmarks of voxel methods, at sizes that cost nothing."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from tests.benchmarks.test_scripts import load


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load("bench_voxels")
    full = module.scan
    monkeypatch.setattr(module, "scan", lambda seed: full(seed, 48))
    return module


def test_scans_differ_and_know_their_camera(bench: ModuleType) -> None:
    one, other = bench.scan(0), bench.scan(1)
    assert one.shape == one.camera.shape == (48, 48) and 0.9 < one.xyz.valid.mean() < 1
    assert not np.array_equal(one.rgb, other.rgb) and not np.array_equal(one.xyz.xyz, other.xyz.xyz)


@pytest.mark.parametrize("name", ["vm-fit", "vm-floor", "vm-dense", "vm-score"])
def test_the_variation_model_is_measured(bench: ModuleType, name: str) -> None:
    sizes = []
    for source in ("xyz", "xyz+rgb"):
        run, state = bench.VM[name](source, 8)
        run()
        sizes.append(state())
    cell = {"xyz": 16, "xyz+rgb": 48}
    dense = [8 + 8**3 * cell[source] for source in cell]
    assert sizes == dense if name == "vm-dense" else all(a < b for a, b in zip(sizes, dense, strict=True))


@pytest.mark.parametrize("project", ["hull", "gather"])
def test_projections_run(bench: ModuleType, project: str) -> None:
    found = bench.projection(project)()
    assert found.pixels.shape == (48, 48) and found.pixels.max() <= 1


def test_every_case_of_a_target_is_one_that_is_measured(bench: ModuleType) -> None:
    asked: set[str] = set()
    for target in load("targets").targets_voxels():
        rows = [{"case": case, "cpu_s": 1.0, "wall_s": 1.0, "state_bytes": 1} for case in bench.CASES]
        assert target.value(rows) > 0
        asked.add(target.what)
    assert len(asked) == 13


def test_a_step_of_the_gan_is_one_of_its_critic() -> None:
    rows = [{"case": "voxel-fanogan GPU", "wall_s": 0.04}]
    of_gan = [each for each in load("targets").targets_voxels() if each.file == "gpu/bench_voxels.json"][2:]
    assert {each.what.split()[1]: each.value(rows) for each in of_gan} == {"iteration": 25, "step": 125}


def test_the_table_of_floors_averages_over_categories() -> None:
    study = load("sim3d_voxel_vm")
    same = {"source": "xyz", "smooth": 0.0, "au_pro_0.05": 0.1, "image_auroc": 0.5}
    rows = [
        {**same, "category": c, "chosen": False, "floor": 0.05, "au_pro_0.3": v} for c, v in (("a", 0.2), ("b", 0.4))
    ]
    rows += [{**same, "category": "a", "chosen": True, "floor": 0.02, "au_pro_0.3": 0.7}]
    lines = study.table(rows).splitlines()
    assert len(lines) == 2 and "0.300  0.100  0.500" in lines[0] and lines[1].split()[-1] == "0.02"
