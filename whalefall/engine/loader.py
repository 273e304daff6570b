"""From a checkpoint directory to a model in memory: bf16 and native FP8, whichever shard a tensor
or its scale lies in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from whalefall.engine.checkpoint import Checkpoint, problems, shared_names, weight_block_size
from whalefall.engine.config import ModelConfig
from whalefall.engine.errors import CheckpointError
from whalefall.engine.kernels.kernel_set import REFERENCE, KernelSet
from whalefall.engine.kernels.reference.fp8_dequantize import fp8_dequantize
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM, parameter_dtype
from whalefall.engine.shapes import expected_shapes

NUM_PROBLEMS_SHOWN = 5


def load_model(
    model_dir: Path,
    dtype: torch.dtype = torch.float32,
    progress: Callable[[str, float], None] | None = None,
    kernels: KernelSet = REFERENCE,
) -> tuple[DeepseekV32ForCausalLM, ModelConfig]:
    """The model with every parameter read, in `dtype` save for the few that stay fp32.

    `progress` hears what is being done and how far it is, 0.0 to 1.0. Raises CheckpointError
    naming what is missing, left over or of another shape; nothing is loaded by halves."""
    report = progress or _silent
    checkpoint = Checkpoint(model_dir)
    _refuse_broken(checkpoint)
    with torch.device("meta"):
        model = DeepseekV32ForCausalLM(checkpoint.config)
    model.to_empty(device="cpu")
    model.share_weights()
    targets = model.state_dict(keep_vars=True)
    names = expected_shapes(checkpoint.config)
    for index, name in enumerate(names):
        report("loading the model", index / len(names))
        targets[name].data = _read(checkpoint, name).to(parameter_dtype(name, dtype), copy=True)
    report("loading the model", 1.0)
    model.freeze(kernels)
    return model, checkpoint.config


def _refuse_broken(checkpoint: Checkpoint) -> None:
    found = list(problems(checkpoint))
    for name, owner in shared_names(checkpoint.config).items():
        if found or name not in checkpoint.entries:
            continue
        if not torch.equal(_read(checkpoint, name), _read(checkpoint, owner)):
            found.append(f"{name} differs from {owner}, with which it is shared")
    if found:
        rest = len(found) - NUM_PROBLEMS_SHOWN
        more = f" (and {rest} more)" if rest > 0 else ""
        shown = "; ".join(found[:NUM_PROBLEMS_SHOWN])
        raise CheckpointError(f"{checkpoint.directory}: {shown}{more}")


def _read(checkpoint: Checkpoint, name: str) -> Tensor:
    """The tensor as stored, or fp32 where it was FP8."""
    try:
        tensor = checkpoint.tensor(name)
        scale_name = checkpoint.scale_name(name)
        if scale_name is None:
            return tensor
        scale = checkpoint.tensor(scale_name)
        return fp8_dequantize(tensor, scale, weight_block_size(checkpoint.config))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{name} in {checkpoint.entries[name].file}: {error}") from None


def _silent(_what: str, _fraction: float) -> None:
    pass
