"""Writing a checkpoint directory in the Hugging Face layout: bf16, or native FP8 as DeepSeek
stores it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from whalefall.engine.checkpoint import INDEX_NAME, SCALE_SUFFIX, weight_block_size
from whalefall.engine.config import ModelConfig
from whalefall.engine.errors import CheckpointError
from whalefall.engine.kernels.reference.fp8_quantize import fp8_quantize
from whalefall.engine.shapes import expected_shapes

SHARD_BYTES_MAX = 45 << 20
_QUANTIZED_PARTS = (
    "gate_proj",
    "up_proj",
    "down_proj",
    "q_proj",
    "q_a_proj",
    "q_b_proj",
    "kv_a_proj_with_mqa",
    "kv_b_proj",
    "o_proj",
    "wq_b",
    "wk",
)
"""What DeepSeek keeps in FP8. Embeddings, head, norms, router, eh_proj and the indexer's head
weights stay in bf16 or fp32."""


def save_checkpoint(
    directory: Path, config: ModelConfig, state: Mapping[str, Tensor], *, fp8: bool = True
) -> None:
    """Write config.json, the shards and their index, replacing an older checkpoint.

    `state` is a model's state_dict, or at least every name of `expected_shapes`; names that repeat
    a tensor are left out. Where the config has a quantization, and unless `fp8` is off, the
    matrices that DeepSeek quantises become e4m3 with scales; the rest is bf16, the correction bias
    fp32.
    Raises CheckpointError when `state` is not what the config says."""
    if not fp8:
        config = replace(config, quantization=None)
    tensors = dict(_stored(state, config))
    directory.mkdir(parents=True, exist_ok=True)
    shards = _split(tensors)
    names = [f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i in range(len(shards))]
    for file_name, shard in zip(names, shards, strict=True):
        save_file(shard, str(directory / file_name), metadata={"format": "pt"})
    for path in directory.glob("*.safetensors"):
        if path.name not in names:
            path.unlink()
    weight_map = {
        name: file_name for file_name, shard in zip(names, shards, strict=True) for name in shard
    }
    index = {
        "metadata": {"total_size": sum(tensor.nbytes for tensor in tensors.values())},
        "weight_map": weight_map,
    }
    (directory / INDEX_NAME).write_text(json.dumps(index, indent=1) + "\n", "utf-8")
    (directory / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n", "utf-8")


def is_quantized(name: str) -> bool:
    """Whether DeepSeek's checkpoints keep this tensor in FP8."""
    parts = name.split(".")
    return parts[-1] == "weight" and parts[-2] in _QUANTIZED_PARTS


def _stored(state: Mapping[str, Tensor], config: ModelConfig) -> Iterator[tuple[str, Tensor]]:
    block = weight_block_size(config)
    for name, shape in expected_shapes(config).items():
        tensor = state.get(name)
        if tensor is None or tuple(tensor.shape) != shape:
            found = "missing" if tensor is None else f"of the shape {list(tensor.shape)}"
            raise CheckpointError(f"{name} should have the shape {list(shape)} and is {found}")
        tensor = tensor.detach()
        if config.quantization is not None and is_quantized(name):
            is_ue8m0 = config.quantization.scale_fmt == "ue8m0"
            weight, scale = fp8_quantize(tensor, block, power_of_two=is_ue8m0)
            yield name, weight
            yield name + SCALE_SUFFIX, scale
        elif name.endswith("e_score_correction_bias"):
            yield name, tensor.float().contiguous()
        else:
            yield name, tensor.to(torch.bfloat16).contiguous()


def _split(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Shards below the size limit; a tensor above it stands alone."""
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if shards[-1] and size + tensor.nbytes > SHARD_BYTES_MAX:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    return shards
