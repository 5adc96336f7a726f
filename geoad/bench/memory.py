"""How much memory one call adds at most."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import torch

from geoad.bench.timing import Call

MEMORY_RULE = (
    "most of the process's resident memory during one call (VmHWM, reset before it), less that before the call"
)
CUDA_MEMORY_RULE = "most that torch had allocated during one call, less that before the call"


def peak_memory(run: Call, device: str) -> int | None:
    """Return the bytes that one call adds at most, its result included; None where the system does not tell.

    >>> import numpy as np
    >>> peak = peak_memory(lambda: np.ones(10_000_000), "cpu")
    >>> peak is None or 75_000_000 < peak < 100_000_000
    True
    """
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what earlier calls freed, but the allocator kept, would hide what this adds
        Path("/proc/self/clear_refs").write_text("5")
        before = _resident("VmRSS")
        kept = run()
        peak = _resident("VmHWM") - before
        del kept
        return max(peak, 0)
    except (OSError, AttributeError):  # no such file, or no such function
        run()
        return None


def _resident(field: str) -> int:
    found = re.search(rf"{field}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise OSError(f"/proc/self/status has no {field}")
    return int(found[1]) * 1024
