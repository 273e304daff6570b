"""The native kernels for tests, compiled once per machine and version. Where no C compiler is, a
test that needs them is skipped."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

import pytest

from whalefall.engine.kernels.cpu.kernel_set import native_kernels
from whalefall.engine.kernels.cpu.library import NativeLibrary, load_library
from whalefall.engine.kernels.kernel_set import KernelSet


def kernel_folder() -> Path:
    """Shared by this user's test runs."""
    return Path(tempfile.gettempdir()) / f"whalefall-test-kernels-{os.getuid()}"


@cache
def _library() -> NativeLibrary | None:
    return load_library(kernel_folder())


def native_library() -> NativeLibrary:
    library = _library()
    if library is None:
        pytest.skip("no C compiler here")
    return library


def native() -> KernelSet:
    return native_kernels(native_library())
