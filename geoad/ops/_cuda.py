"""The CUDA library: loaded by ctypes when it is first needed, called on torch's stream with memory from torch."""

from __future__ import annotations

import contextlib
import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ABI = 3
LIBRARY = Path(__file__).with_name("libgeoad.so")
SOURCES = Path(__file__).parents[2] / "cuda_ext"
MEND = "with nvcc on the PATH, install geoad again (in a source tree: python setup.py build_ext --inplace)"


def is_live() -> bool:
    """Tell whether kernels of the library can run here."""
    return why_not() is None


def why_not() -> str | None:
    """Return None if kernels of the library can run here, else the reason and its mend."""
    if not torch.cuda.is_available():
        built = torch.version.cuda
        return "no CUDA device" if built else f"torch {torch.__version__} is a build without CUDA"
    try:
        library()
    except ImportError as error:
        return str(error)
    return None


@cache
def library() -> Any:
    """Return the library; raise ImportError that says how to get one that runs here."""
    if not LIBRARY.is_file():
        raise ImportError(f"the CUDA library was not built: {MEND}")
    built = LIBRARY.stat().st_mtime
    newer = sorted(path.name for path in SOURCES.glob("*.cu*") if path.stat().st_mtime > built)
    if newer:
        raise ImportError(f"the CUDA library is older than cuda_ext/{newer[0]}: {MEND}")
    found = load(LIBRARY)
    if code := found.geoad_usable():
        raise ImportError(f"the CUDA library cannot run on this GPU ({_words(found, code)}): {MEND}")
    return found


def load(path: Path) -> Any:
    """Return the library at `path` if it is of the version that this code knows; raise ImportError if not."""
    try:
        found = ctypes.CDLL(str(path))
    except OSError as error:
        raise ImportError(f"the CUDA library cannot be loaded ({error}): {MEND}") from error
    found.geoad_error.restype = ctypes.c_char_p
    version = found.geoad_abi_version()
    if version != ABI:
        raise ImportError(f"the CUDA library has version {version}, this code needs {ABI}: {MEND}")
    return found


def call(name: str, device: torch.device, *arguments: Any) -> None:
    """Run an exported function on torch's current stream of `device`; the stream is its last argument.

    Tensors go as pointers, None as a null pointer, integers as int64, floats as float, ctypes.c_double as it is.
    Raises RuntimeError with CUDA's words. Kernels run asynchronously: what they are given must come from torch, which
    then keeps the order.
    """
    function = getattr(library(), name)
    with torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext():
        code = function(*map(_to_c, arguments), ctypes.c_void_p(stream(device)))
    if code != 0:
        raise RuntimeError(f"{name}: {_words(library(), code)}")


def measure(name: str, *arguments: Any) -> int:
    """Return what an exported function of sizes says, an int64: how many bytes of workspace another one needs."""
    function = getattr(library(), name)
    function.restype = ctypes.c_int64
    return int(function(*map(_to_c, arguments)))


def workspace(count: int, device: torch.device) -> Tensor:
    """Return `count` bytes from torch's caching allocator."""
    return torch.empty(count, dtype=torch.uint8, device=device)


def stream(device: torch.device) -> int:
    """Return the handle of torch's current stream of `device`."""
    return int(torch.cuda.current_stream(device).cuda_stream) if device.type == "cuda" else 0


def is_capturing(device: torch.device) -> bool:
    """Tell whether what is called on `device` is being recorded in a CUDA graph, not run."""
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def _words(found: Any, code: int) -> str:
    words: bytes = found.geoad_error(ctypes.c_int64(code))
    return words.decode()


def _to_c(value: Any) -> Any:
    if value is None:
        return ctypes.c_void_p(0)
    if isinstance(value, Tensor):
        if not value.is_contiguous():
            raise ValueError(f"the library takes contiguous tensors, got strides {value.stride()}")
        return ctypes.c_void_p(value.data_ptr())
    if isinstance(value, ctypes.c_double):
        return value
    return ctypes.c_float(value) if isinstance(value, float) else ctypes.c_int64(value)
