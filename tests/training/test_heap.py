"""What is freed in a training stays with the process, and goes back when it ends."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from geoad.training.heap import kept_memory

ROUNDS = """
import resource, torch
from contextlib import nullcontext
from geoad.training.heap import kept_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def round():
    kept = [torch.zeros(4 << 20) for _ in range(8)]

with CONTEXT():
    for _ in range(3):
        round()
    before = faults()
    for _ in range(5):
        round()
    print(faults() - before)
print(int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize())
"""


def measured(context: str) -> tuple[int, int]:
    """Return page faults of five rounds that ask for the same 128 MB, and the bytes resident after them."""
    command = [sys.executable, "-c", ROUNDS.replace("CONTEXT", context)]
    first = {"MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_MMAP_THRESHOLD_": "131072"}  # malloc's own, which it changes
    out = subprocess.run(command, env={**os.environ, **first}, check=True, capture_output=True, text=True).stdout
    faults, resident = map(int, out.split())
    return faults, resident


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="kept_memory sets glibc's malloc")
def test_a_step_that_asks_for_the_same_again_faults_no_page_and_the_end_gives_all_back() -> None:
    (kept, after), (plain, usual) = measured("kept_memory"), measured("nullcontext")
    assert kept < 1000 < 100_000 < plain
    assert after < usual + 70e6  # the heap may keep 64 MB


def test_an_error_inside_goes_through() -> None:
    with pytest.raises(ZeroDivisionError), kept_memory():
        _ = 1 / 0
