"""`device`: the kernels of cuda_ext compiled as plain C++ over a shim of CUDA, or the real library on a GPU."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from geoad.ops import _cuda

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "cuda_ext"
SHIM = HERE / "shim" / "shim.cpp"
COMPILER = os.environ.get("CXX", "g++")
# No contraction: the intrinsics that forbid it on the GPU are plain operators here; no warnings about nvcc's pragmas.
OPTIONS = ("-std=c++17", "-O2", "-fPIC", "-w", "-ffp-contract=off", "-fno-strict-aliasing")
ORDERS = ("forward", "backward", "shuffled")


def compile_host(out: Path, sources: list[Path], options: tuple[str, ...] = ()) -> Path:
    """Compile .cu files and the shim with g++, two at a time, into one library."""
    include = (f"-I{HERE / 'shim'}", f"-I{SOURCES}")
    objects = [out.with_name(f"{source.stem}.o") for source in [*sources, SHIM]]
    with ThreadPoolExecutor(2) as pool:
        commands = [
            (*OPTIONS, *options, *include, "-x", "c++", "-c", str(source), "-o", str(made))
            for source, made in zip([*sources, SHIM], objects, strict=True)
        ]
        list(pool.map(run_compiler, commands))
    run_compiler(("-shared", *options, *map(str, objects), "-o", str(out)))
    return out


def run_compiler(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([COMPILER, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def host_library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Every .cu of cuda_ext as plain C++, compiled once a run."""
    if shutil.which(COMPILER) is None:
        pytest.skip("no C++ compiler: the logic of the CUDA kernels was not tested")
    return _cuda.load(compile_host(tmp_path_factory.mktemp("host") / "libhost.so", sorted(SOURCES.glob("*.cu"))))


@pytest.fixture(params=[*ORDERS, pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Where kernels of the library run: over the shim on the CPU, threads in one of three orders, or on a GPU."""
    if request.param == "gpu":
        reason = _cuda.why_not()
        if reason is not None:
            pytest.skip(reason)
        yield torch.device("cuda")
        return
    library = request.getfixturevalue("host_library")
    monkeypatch.setattr(_cuda, "library", lambda: library)
    library.shim_order(ctypes.c_int64(ORDERS.index(request.param)), ctypes.c_int64(1))
    yield torch.device("cpu")
    library.shim_order(ctypes.c_int64(0), ctypes.c_int64(0))


@pytest.fixture
def in_every_order(
    host_library: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[], Any]], list[Any]]]:
    """A function that returns what another one returns over the shim, threads in each of the orders."""
    monkeypatch.setattr(_cuda, "library", lambda: host_library)

    def run(work: Callable[[], Any]) -> list[Any]:
        results = []
        for order in range(len(ORDERS)):
            host_library.shim_order(ctypes.c_int64(order), ctypes.c_int64(1))
            results.append(work())
        return results

    yield run
    host_library.shim_order(ctypes.c_int64(0), ctypes.c_int64(0))
