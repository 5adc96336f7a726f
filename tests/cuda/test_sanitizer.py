"""No kernel of the searches touches memory beside what it was given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cuda.conftest import COMPILER, SOURCES, compile_host

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_searches_touch_no_memory_beside_theirs(tmp_path: Path) -> None:
    runtime = subprocess.run([COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    runtime = Path(runtime.stdout.strip())
    if not runtime.is_absolute():
        pytest.skip(f"{COMPILER} has no address sanitizer")
    sources = sorted(SOURCES.glob("*.cu"))
    library = compile_host(tmp_path / "libhost.so", sources, ("-fsanitize=address", "-fno-omit-frame-pointer"))
    options = "detect_leaks=0:detect_stack_use_after_return=0"
    environment = {"LD_PRELOAD": str(runtime), "ASAN_OPTIONS": options, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.cuda.checked_run", str(library)]
    done = subprocess.run(command, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
