"""The shim itself: right kernels run, and each fault is seen, or the other tests of this folder prove nothing."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest
import torch

from geoad.ops import _cuda
from tests.cuda.conftest import SOURCES, compile_host

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("faults")
    sources = [SOURCES / "library.cu", Path(__file__).with_name("broken.cu")]
    return _cuda.load(compile_host(folder / "libfaults.so", sources))


@pytest.fixture
def shim(faults: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(_cuda, "library", lambda: faults)
    return faults


def order(library: Any, kind: int, seed: int = 0) -> None:
    library.shim_order(ctypes.c_int64(kind), ctypes.c_int64(seed))


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_barriers_and_collectives(shim: Any, kind: int) -> None:
    order(shim, kind)
    out = torch.empty(192, dtype=torch.int32)
    _cuda.call("shim_block_sum", CPU, out, 1)
    assert (out == 64 * 65 // 2).all()
    out = torch.empty(64, dtype=torch.int32)
    _cuda.call("shim_warp_prefix", CPU, out)
    assert out.tolist() == [*range(1, 33)] * 2


def test_a_missing_barrier_shows_in_some_order(shim: Any) -> None:
    results = []
    for kind in (0, 1, 2):
        order(shim, kind)
        results.append(torch.empty(192, dtype=torch.int32))
        _cuda.call("shim_block_sum", CPU, results[-1], 0)
    assert not all((out == 64 * 65 // 2).all() for out in results)


def test_a_warp_that_runs_ahead_shows_in_some_order(shim: Any) -> None:
    right = {1: [], 2: []}
    for kind in (0, 1, 2):
        order(shim, kind)
        for buffers in right:
            out = torch.empty(64, dtype=torch.int32)
            _cuda.call("shim_tell_the_other", CPU, out, buffers)
            right[buffers].append(bool((out == 3).all()))
    assert all(right[2]) and not all(right[1])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("half_a_barrier", "deadlock"),
        ("two_collectives", "different collectives"),
        ("part_of_a_warp", "part of a warp"),
        ("odd_block", "whole warps"),
    ],
)
def test_faults_end_the_launch(shim: Any, name: str, message: str) -> None:
    order(shim, 0)
    with pytest.raises(RuntimeError, match=message):
        _cuda.call(f"shim_{name}", CPU)
    out = torch.empty(64, dtype=torch.int32)
    _cuda.call("shim_warp_prefix", CPU, out)  # and the next launch is not disturbed
    assert out.tolist() == [*range(1, 33)] * 2
