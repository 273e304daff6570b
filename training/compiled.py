"""The parts of a pass that are many small operations, fused by torch's compiler.

Norms and rotations read and write far more than they compute; fused, a training step on two cores
takes two thirds of the time. A C++ compiler is needed; without one everything runs as written."""

from __future__ import annotations

import shutil

import torch
import torch._dynamo

from whalefall.engine.layers.mla import MLA
from whalefall.engine.layers.norm import RMSNorm
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM

_VERSIONS_MAX = 64
"""Of one function: each layer, width and phase may need its own."""


def compile_small_parts(model: DeepseekV32ForCausalLM) -> bool:
    """Whether there was a compiler. The model's parameters and their names stay as they are."""
    if shutil.which("g++") is None:
        return False
    torch._dynamo.config.recompile_limit = _VERSIONS_MAX
    for module in model.modules():
        if isinstance(module, RMSNorm):
            module.compile(dynamic=True)
        elif isinstance(module, MLA):
            for name in ("queries", "latents"):
                setattr(module, name, torch.compile(getattr(module, name), dynamic=True))
    return True
