"""`geoad info`: what runs on this machine, and why the rest does not."""

from __future__ import annotations

import platform
import re
from argparse import Namespace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version

from geoad import __version__
from geoad._optional import need
from geoad.cli_list import shipped_weights
from geoad.cli_table import table

MODULE = {"torch-geometric": "torch_geometric", "lightning-fabric": "lightning_fabric", "scikit-learn": "sklearn"}
WITHOUT_METADATA = ("numpy", "torch", "numba", "scipy")


def run(arguments: Namespace) -> int:
    """Print versions, devices, kernels and weights."""
    del arguments
    print(table(["geoad", __version__], [("Python", platform.python_version()), ("machine", machine()), *devices()]))
    print("\n" + table(["library", "version"], libraries()))
    print("\n" + table(["kernel", "backend", "state"], kernels()))
    print("\n" + table(["weights", ""], list(shipped_weights().items())))
    return 0


def machine() -> str:
    """Return system, architecture and the number of cores."""
    import os

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


def kernels() -> list[tuple[str, str, str]]:
    """Return, for every kernel and each of its backends, whether it is live and if not why."""
    ops = import_module("geoad.ops")
    modules = {name: import_module(f"geoad.ops.{home}") for name, home in ops.EXPORTS.items() if name == home}
    states: dict[str, str] = {}
    rows = []
    for name, module in sorted(modules.items()):
        for backend in getattr(module, "BACKENDS", ("numba",)):
            states.setdefault(backend, backend_state(backend))
            rows.append((name, backend, states[backend]))
    return rows


def backend_state(backend: str) -> str:
    """Return "live", or the reason why not."""
    try:
        module = need("torch" if backend == "cuda" else backend, "run it")
    except ImportError as error:
        return str(error)
    if backend == "cuda" and not module.cuda.is_available():
        return "no CUDA device"
    return "live"
