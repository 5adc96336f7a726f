"""Unorganised clouds: all around, labelled, in Real3D-AD's tree."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from geoad.data.pcd_file import read_pcd
from geoad.data.sim3d import get_category, make_clouds, make_sim3d
from geoad.data.sim3d.cloud import simulate_cloud
from geoad.data.sim3d.cloud_plan import CLOUD_SIZES, plan_clouds, write_cloud
from geoad.data.sim3d.plan import Counts, Size


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CLOUD_SIZES, "tiny", (1200, Counts(2, 0, 1, 4)))
        return make_clouds(tmp_path_factory.mktemp("clouds") / "root", categories=["dowel"], seed=3)


def test_the_tree_is_that_of_real3d_ad(made: Path) -> None:
    files = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    bad = ("001_bent", "002_combined", "003_contamination", "004_cut")
    wanted = {
        ".lock",
        "manifest.json",
        "dowel/train/000_template.pcd",
        "dowel/train/001_template.pcd",
        "dowel/test/000_good.pcd",
    }
    assert files == wanted | {f"dowel/test/{name}.pcd" for name in bad} | {f"dowel/gt/{name}.txt" for name in bad}
    manifest = json.loads((made / "manifest.json").read_text())
    assert (
        manifest["unorganised"] and manifest["complete"] and len(manifest["files"]) == len(files) - 2
    )  # of itself and of the lock it says nothing


def test_labels_belong_to_the_points_of_the_cloud(made: Path) -> None:
    for path in sorted((made / "dowel" / "gt").iterdir()):
        points = read_pcd(made / "dowel" / "test" / f"{path.stem}.pcd")[0].reshape(-1, 3)
        table = np.loadtxt(path)
        np.testing.assert_allclose(table[:, :3], points, atol=6e-6)
        assert set(np.unique(table[:, 3])) == {0, 1} and table[:, 3].mean() < 0.4


def test_same_seed_same_bytes_and_a_finished_run_writes_nothing(made: Path, tmp_path: Path) -> None:
    entry = plan_clouds(get_category("dowel"), Counts(2, 0, 1, 4))[-1]
    write_cloud(tmp_path, entry, 1200, seed=3)
    for path in entry.paths.values():
        assert (tmp_path / path).read_bytes() == (made / path).read_bytes()
    assert not write_cloud(tmp_path, entry, 1200, seed=3)


def test_clouds_and_scans_do_not_mix(made: Path) -> None:
    with pytest.raises(ValueError, match="was made with unorganised True, got False"):
        make_sim3d(made, categories=["dowel"], size=Size(64, Counts(1, 0, 0, 0)), seed=3)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"size": "huge"}, "known: full, small, tiny"),
        ({"scale": 0.1}, "1000 points or more, .* got 819"),
        ({"jobs": 0}, "jobs must be positive"),
        ({"categories": ["bagle"]}, "did you mean 'bagel'"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, options: dict, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        make_clouds(tmp_path / "root", **options)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("name", ["carrot", "cookie", "dowel", "tire"])
def test_a_cloud_goes_all_around_the_part(name: str) -> None:
    points = simulate_cloud(get_category(name), "good", np.random.SeedSequence(1), points=1500).points
    middle = (points.min(0) + points.max(0)) / 2
    for axis in range(3):
        for side in (-1, 1):
            assert (side * (points[:, axis] - middle[axis]) > 0).mean() > 0.2
    assert abs(points[:, 2].min()) < 3 < points[:, 2].max()  # it lies on the table


def test_a_point_inside_is_not_seen() -> None:
    points = simulate_cloud(get_category("tire"), "good", np.random.SeedSequence(1), points=4000).points
    gland = simulate_cloud(get_category("cable_gland"), "good", np.random.SeedSequence(1), points=4000).points
    assert np.ptp(points[:, 2]) > 90
    x = gland[:, 0] - gland[:, 0].min()
    bore = np.hypot(gland[:, 1] - np.median(gland[:, 1]), gland[:, 2] - 13) < 4.5
    assert not (bore & (x > 12) & (x < 40)).any()  # between the blind ends of the bore there is metal
