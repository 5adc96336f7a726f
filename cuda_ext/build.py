"""Compile cuda_ext/*.cu into one shared library: `python cuda_ext/build.py OUT.so`. Needs nvcc, not torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
OLDEST = 75  # CUDA 13 knows nothing older
CURRENT = (75, 80, 86, 89, 90, 100, 120)


def find_nvcc() -> str | None:
    """Return the path of nvcc: from CUDA_HOME, the PATH or /usr/local/cuda."""
    home = os.environ.get("CUDA_HOME")
    named = [str(Path(home) / "bin" / "nvcc")] if home else []
    return next((found for name in [*named, "nvcc", "/usr/local/cuda/bin/nvcc"] if (found := shutil.which(name))), None)


def architectures(nvcc: str) -> list[int]:
    """Return GEOAD_CUDA_ARCHS, else what the GPUs of this machine are, else every current one, of those nvcc knows.

    Raises RuntimeError if it knows none, or one that was asked for is too old.
    """
    named = re.findall(r"\d[\d.]*", os.environ.get("GEOAD_CUDA_ARCHS", ""))
    asked = {int(arch.replace(".", "")) for arch in named}
    if asked and min(asked) < OLDEST:
        raise RuntimeError(f"GEOAD_CUDA_ARCHS must be {OLDEST} (7.5) or newer, got {min(asked)}")
    if asked:
        return sorted(asked)
    listed = subprocess.run([nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=False)
    known = {int(arch) for arch in re.findall(r"compute_(\d+)", listed.stdout)}
    found = sorted(known.intersection(_present()) or known.intersection(CURRENT))
    if not found:
        raise RuntimeError(f"{nvcc} compiles for none of {CURRENT}: set GEOAD_CUDA_ARCHS\n{listed.stderr}")
    return found


def _present() -> list[int]:
    """Return the architectures of the GPUs of this machine."""
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [int(line.replace(".", "")) for line in done.stdout.split() if re.fullmatch(r"\d+\.\d+", line)]


def build(out: Path) -> None:
    """Write the library; it appears whole or not at all. Raises RuntimeError with nvcc's words."""
    nvcc = find_nvcc()
    if nvcc is None:
        raise RuntimeError("nvcc was found neither in CUDA_HOME, on the PATH nor in /usr/local/cuda")
    archs = architectures(nvcc)
    targets = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in archs]
    targets.append(f"-gencode=arch=compute_{archs[-1]},code=compute_{archs[-1]}")  # for GPUs yet to come
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    # No fast math: results are defined to the last bit. The static runtime leaves torch's own alone.
    options = ["-O3", "-std=c++17", "-shared", "-cudart=static", "-Xcompiler=-fPIC,-fvisibility=hidden", "--threads=0"]
    command = [nvcc, *options, *targets, "-o", str(draft), *map(str, sorted(HERE.glob("*.cu")))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        draft.unlink(missing_ok=True)
        raise RuntimeError(f"nvcc failed:\n{done.stdout}{done.stderr}")
    os.replace(draft, out)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
