"""The real compiler takes what the shim took, and the build says what is wrong."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from geoad.ops import _cuda
from geoad.ops.aggregate import _choose
from tests.cuda.conftest import SOURCES

BUILD = runpy.run_path(str(SOURCES / "build.py"))


def test_nvcc_compiles_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if BUILD["find_nvcc"]() is None:
        pytest.skip("nvcc was not found")
    monkeypatch.setenv("GEOAD_CUDA_ARCHS", "90")
    BUILD["build"](tmp_path / "new" / "libgeoad.so")
    made = _cuda.load(tmp_path / "new" / "libgeoad.so")
    assert made.geoad_abi_version() == _cuda.ABI
    if not torch.cuda.is_available():
        assert made.geoad_usable() != 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["libgeoad.so"]


def test_a_failed_build_leaves_nothing_and_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvcc = tmp_path / "nvcc"
    nvcc.write_text("#!/bin/sh\necho 'no such arch' >&2; exit 1\n")
    nvcc.chmod(0o755)
    monkeypatch.setitem(BUILD["build"].__globals__, "find_nvcc", lambda: str(nvcc))
    monkeypatch.setenv("GEOAD_CUDA_ARCHS", "90")
    with pytest.raises(RuntimeError, match="no such arch"):
        BUILD["build"](tmp_path / "out" / "libgeoad.so")
    assert not list((tmp_path / "out").iterdir())


def test_architectures_are_asked_for_with_or_without_a_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOAD_CUDA_ARCHS", "9.0; 86, 12.0.")
    assert BUILD["architectures"]("nvcc") == [86, 90, 120]
    monkeypatch.setenv("GEOAD_CUDA_ARCHS", "6.1")
    with pytest.raises(RuntimeError, match=r"must be 75 \(7.5\) or newer, got 61"):
        BUILD["architectures"]("nvcc")


def test_a_library_of_another_version_is_refused(host_library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cuda, "ABI", 0)
    with pytest.raises(ImportError, match=r"has version \d+, this code needs 0: with nvcc"):
        _cuda.load(Path(host_library._name))


def test_a_library_that_is_missing_or_older_than_its_sources_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cuda.library.cache_clear()
    monkeypatch.setattr(_cuda, "LIBRARY", tmp_path / "libgeoad.so")
    with pytest.raises(ImportError, match="was not built: with nvcc on the PATH, install geoad again"):
        _cuda.library()
    (tmp_path / "libgeoad.so").write_bytes(b"")
    monkeypatch.setattr(_cuda, "SOURCES", tmp_path)
    (tmp_path / "knn.cu").write_text("")
    newer = (tmp_path / "libgeoad.so").stat().st_mtime + 10
    os.utime(tmp_path / "knn.cu", (newer, newer))
    with pytest.raises(ImportError, match=r"older than cuda_ext/knn\.cu"):
        _cuda.library()
    _cuda.library.cache_clear()


def test_a_library_that_cannot_run_leaves_the_work_to_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = SimpleNamespace(geoad_usable=lambda: 209, geoad_error=lambda code: f"no image ({code.value})".encode())
    (tmp_path / "libgeoad.so").write_bytes(b"")
    for place, name, stand_in in (
        (_cuda, "LIBRARY", tmp_path / "libgeoad.so"),
        (_cuda, "SOURCES", tmp_path),
        (_cuda, "load", lambda _: found),
        (torch.cuda, "is_available", lambda: True),
    ):
        monkeypatch.setattr(place, name, stand_in)
    _cuda.library.cache_clear()
    assert str(_cuda.why_not()).startswith("the CUDA library cannot run on this GPU (no image (209)): with nvcc")
    there = SimpleNamespace(device=torch.device("cuda"), requires_grad=False)
    assert _choose(None, there, forwards=False) == "torch"
    found.geoad_usable = lambda: 0
    assert _cuda.why_not() is None and _choose(None, there, forwards=False) == "cuda"
    _cuda.library.cache_clear()


@pytest.mark.parametrize(
    ("known", "present", "expected"),
    [("compute_80 compute_90", "9.0", [90]), ("compute_80 compute_90", "7.0", [80, 90]), ("", "9.0", None)],
)
def test_architectures_are_those_that_nvcc_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str, present: str, expected: list[int] | None
) -> None:
    for name, text in (("nvcc", known), ("nvidia-smi", present)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("GEOAD_CUDA_ARCHS", raising=False)
    if expected is None:  # setup.py takes RuntimeError for a warning, and goes on without the kernels
        with pytest.raises(RuntimeError, match="compiles for none of"):
            BUILD["architectures"](str(tmp_path / "nvcc"))
    else:
        assert BUILD["architectures"](str(tmp_path / "nvcc")) == expected
