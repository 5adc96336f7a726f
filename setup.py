"""Everything is in pyproject.toml; this file is where the CUDA library will be built."""

from setuptools import setup

setup()
