"""Import what is not needed by everyone, or say which command installs it."""

from __future__ import annotations

import ctypes
import importlib
from types import ModuleType

INSTALL = {"lightning_fabric": "lightning-fabric", "sklearn": "scikit-learn", "torch_geometric": "torch-geometric"}


def need(module: str, purpose: str) -> ModuleType:
    """Import `module` ("package" or "package.module"), or raise an ImportError that names purpose and mend.

    >>> need("json", "write results").__name__
    'json'
    >>> need("no_such_module", "read minds")
    Traceback (most recent call last):
    ImportError: no_such_module is needed to read minds: pip install no_such_module
    """
    try:
        if module == "open3d":
            _load_libusb()
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        package = module.partition(".")[0]
        absent = isinstance(error, ModuleNotFoundError) and error.name == package
        told = f"{package} is needed to {purpose}: pip install {INSTALL.get(package, package)}"
        raise ImportError(told if absent else f"{told} ({error})") from error


def _load_libusb() -> None:
    """Make libusb-1.0 visible before open3d, which links it without shipping it."""
    try:
        path = importlib.import_module("libusb_package").get_library_path()
    except ImportError:  # then the system may have it; if not, importing open3d says so
        return
    if path is not None:
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
