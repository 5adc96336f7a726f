"""Threads, hardware and real data for every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch or numba is imported, here and in every process that a test starts: two cores shared by
# oversubscribed pools are many times slower, and one thread gives the same bits every time.
for _name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["GOMP_SPINCOUNT"] = "0"

settings.register_profile("geoad", deadline=None)  # no test is about time
settings.load_profile("geoad")

ROOT = Path(__file__).resolve().parents[1]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device, torch sees none")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans: $GEOAD_SHARED_DATA, or shared/data beside the checkout or one of its parents."""
    named = os.environ.get("GEOAD_SHARED_DATA")
    places = [Path(named)] if named else [parent / "shared" / "data" for parent in ROOT.parents]
    for place in places:
        if place.is_dir():
            return place
    pytest.skip(f"real scans are not here: no folder {places[0]} (set GEOAD_SHARED_DATA)")
