"""The native kernels for tests, compiled once per machine and version; a test that needs them is
skipped where no compiler is."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest

from whalefall.engine.kernels.cpu.kernel_set import native_kernels
from whalefall.engine.kernels.cpu.library import NativeLibrary, load_library
from whalefall.engine.kernels.kernel_set import KernelSet


@cache
def kernel_folder() -> Path:
    """Shared by all test runs of this user, so that each version is compiled once."""
    import os

    return Path(tempfile.gettempdir()) / f"whalefall-test-kernels-{os.getuid()}"


@cache
def native_library() -> NativeLibrary:
    library = load_library(kernel_folder())
    if library is None:
        pytest.skip("no C compiler here")
    return library


@cache
def native() -> KernelSet:
    return native_kernels(native_library())
