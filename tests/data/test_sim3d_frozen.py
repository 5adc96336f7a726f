"""sim3d-1 is frozen: the bits of a few scans, so that a change of the simulator is seen."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from geoad.data.sim3d import get_category
from geoad.data.sim3d.cloud import simulate_cloud
from geoad.data.sim3d.cloud_plan import CLOUD_SIZES, CloudEntry
from geoad.data.sim3d.make import VERSION
from geoad.data.sim3d.plan import SIZES, PlannedScan, plan
from geoad.data.sim3d.scan import simulate

SCANS = {
    ("bagel", "combined"): "43bdcf6bbb1da377",
    ("cable_gland", "bent"): "12e52d8beba16e84",
    ("carrot", "combined"): "e6e8151f2e294fd6",
    ("cookie", "combined"): "df74e8b48f4cb199",
    ("dowel", "bent"): "8a23ce869c42f155",
    ("foam", "color"): "23de2d1ef1711b25",
    ("peach", "combined"): "21412fff823923d8",
    ("potato", "combined"): "0032c9edf6c2467d",
    ("rope", "contamination"): "32df57c3750e3f18",
    ("tire", "combined"): "4b3043aa0441e533",
}
CLOUD = "74483566ebeaa252"


@pytest.mark.parametrize(("name", "kind"), SCANS)
def test_a_scan_has_the_bits_of_its_version(name: str, kind: str) -> None:
    """Where this fails after a change of the simulator, its version must change, and every published number with it."""
    scan = simulate(get_category(name), kind, np.random.SeedSequence(1), pixels=96)
    digest = hashlib.sha256(scan.xyz.tobytes() + scan.rgb.tobytes() + scan.mask.tobytes()).hexdigest()
    assert (VERSION, digest[:16]) == ("sim3d-1", SCANS[name, kind])


def test_a_cloud_has_the_bits_of_its_version() -> None:
    cloud = simulate_cloud(get_category("peach"), "hole", np.random.SeedSequence(1), points=1500)
    assert hashlib.sha256(cloud.points.tobytes() + cloud.labels.tobytes()).hexdigest()[:16] == CLOUD


def test_the_streams_of_scans_and_clouds_are_those_of_their_version() -> None:
    entries = (kind("bagel", "test", "hole", 3) for kind in (PlannedScan, CloudEntry))
    assert [int(entry.seed(7).generate_state(1)[0]) for entry in entries] == [209850815, 4089757495]


def test_sizes_are_those_of_their_version() -> None:
    counts = {name: size.counts and tuple(vars(size.counts).values()) for name, size in SIZES.items()}
    assert counts == {"tiny": (24, 6, 6, 16), "small": (100, 12, 12, 32), "full": None}
    assert [size.pixels for size in SIZES.values()] == [300, 400, None]
    clouds = {name: (points, *vars(counts).values()) for name, (points, counts) in CLOUD_SIZES.items()}
    assert clouds == {"tiny": (8192, 4, 0, 6, 16), "small": (32768, 4, 0, 12, 32), "full": (131072, 4, 0, 50, 50)}
    tire = [entry.kind for entry in plan(get_category("tire"), SIZES["tiny"])]
    assert [tire.count(kind) for kind in get_category("tire").kinds[1:]] == [4] * 4
