"""`geoad info`: what runs on this machine, and why the rest does not."""

from __future__ import annotations

import os
import platform
import re
import sys
from argparse import Namespace
from importlib.metadata import PackageNotFoundError, requires, version

from geoad import __version__
from geoad._optional import need
from geoad.cli.kernels import kernel_states
from geoad.cli.names import shipped_weights
from geoad.evaluation.text_table import table

WITHOUT_METADATA = ("numpy", "torch", "numba", "scipy")


def run(arguments: Namespace) -> int:
    """Print versions, devices, weights and kernels, of which each is run once: the first time they are compiled."""
    del arguments
    print(table(["geoad", __version__], [("Python", platform.python_version()), ("machine", machine()), *devices()]))
    print("\n" + table(["library", "version"], libraries()))
    print("\n" + table(["weights", ""], list(shipped_weights().items())), flush=True)
    print("kernels are run, the first time compiled, which takes a minute ...", file=sys.stderr, flush=True)
    print("\n" + table(["kernel", "backend", "state"], kernel_states()))
    return 0


def machine() -> str:
    """Return system, architecture and the number of cores."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def devices() -> list[tuple[str, str]]:
    """Return a line for the CPU and one for each CUDA device, or why there is none."""
    torch = need("torch", "run detectors")
    found = [("cpu", f"{torch.get_num_threads()} threads")]
    if not torch.cuda.is_available():
        built = torch.version.cuda
        return [*found, ("cuda", "no device" if built else f"torch {torch.__version__} is a build without CUDA")]
    return found + [(f"cuda:{i}", torch.cuda.get_device_name(i)) for i in range(torch.cuda.device_count())]


def libraries() -> list[tuple[str, str]]:
    """Return the version of every library that geoad may need, or that it is not installed."""
    try:
        lines = [line for line in requires("geoad") or () if "extra ==" not in line]
    except PackageNotFoundError:  # a source tree on the path, not installed
        lines = list(WITHOUT_METADATA)
    names = sorted({re.split(r"[^\w-]", line)[0] for line in lines})
    return [(name, _version(name)) for name in names]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return f"not installed: pip install {name}"
