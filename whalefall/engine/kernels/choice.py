"""Native kernels where they can be had, PyTorch's otherwise."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from whalefall.engine.kernels.cpu.build import COMPILER
from whalefall.engine.kernels.cpu.kernel_set import native_kernels
from whalefall.engine.kernels.cpu.library import load_library
from whalefall.engine.kernels.kernel_set import REFERENCE, KernelSet

_log = logging.getLogger(__name__)


def choose_kernels(folder: Path | None, dtype: torch.dtype, compiler: str = COMPILER) -> KernelSet:
    """folder: where native kernels are compiled and kept; None asks for PyTorch. They compute in
    fp32, so a model in another dtype runs on PyTorch too."""
    if folder is None or dtype != torch.float32:
        return REFERENCE
    library = load_library(folder, compiler)
    if library is None:
        return REFERENCE
    _log.info("native kernels from %s", folder)
    return native_kernels(library)
