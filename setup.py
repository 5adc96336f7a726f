"""Everything is in pyproject.toml; here the CUDA library is built where nvcc is found.

GEOAD_CUDA=0 leaves it out, GEOAD_CUDA=1 makes a failed build an error (otherwise a warning, and the install goes on).
GEOAD_CUDA_ARCHS=90 or 80;90 names the architectures: by default that of the GPU at hand, else all current ones.
"""

import os
import platform
import runpy
import warnings
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

CUDA = runpy.run_path(str(Path(__file__).with_name("cuda_ext") / "build.py"))
WANTED = os.environ.get("GEOAD_CUDA", "")


class BuildLibrary(build_ext):
    """Compile with nvcc into one library that needs neither torch's nor Python's binary interface."""

    def get_ext_filename(self, name: str) -> str:
        return f"{name.replace('.', os.sep)}.so"

    def build_extension(self, extension: Extension) -> None:
        out = Path(self.get_ext_fullpath(extension.name))
        out.unlink(missing_ok=True)  # of an earlier build, perhaps of other sources
        try:
            CUDA["build"](out)
        except (OSError, RuntimeError) as error:
            if WANTED == "1":
                raise
            warnings.warn(f"geoad is installed without its CUDA library: {error}", stacklevel=1)

    def copy_extensions_to_source(self) -> None:
        if all(Path(self.build_lib, self.get_ext_filename(extension.name)).is_file() for extension in self.extensions):
            super().copy_extensions_to_source()


class AnyPython(bdist_wheel):
    """The library is loaded by ctypes: its wheel fits every Python 3 on the platform."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2] if self.distribution.ext_modules else "any")


def extensions() -> list[Extension]:
    """Return the library if it is wanted and can be built."""
    possible = CUDA["find_nvcc"]() is not None and platform.system() == "Linux"
    if WANTED == "1" and not possible:
        raise SystemExit("GEOAD_CUDA=1, but nvcc was found neither in CUDA_HOME, on the PATH nor in /usr/local/cuda")
    return [Extension("geoad.ops.libgeoad", [])] if possible and WANTED != "0" else []


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildLibrary, "bdist_wheel": AnyPython})
