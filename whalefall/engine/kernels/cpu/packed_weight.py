"""A weight matrix as the native products read it: in panels, and in as few bytes as lose nothing.

Checkpoints of the family hold FP8 with power-of-two scales, or bf16. Both fit exactly into what
they came from, so the smallest of e4m3, bf16 and fp32 that gives back every value is kept: a decode
step reads each weight once, and is as fast as the bytes come."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from whalefall.engine.kernels.cpu.library import NativeLibrary, WeightStruct
from whalefall.engine.kernels.reference.fp8_dequantize import fp8_dequantize
from whalefall.engine.kernels.reference.fp8_quantize import fp8_quantize

_SCALE_BLOCK = 128
_ROWS_AT_ONCE = 8192
"""A multiple of every panel width; bounds the memory of packing."""
_STORAGES = {torch.float32: 0, torch.bfloat16: 1, torch.float8_e4m3fn: 2}


@dataclass(frozen=True)
class PackedWeight:
    values: Tensor
    """[panels, K, panel width] in the storage type, zeros past the last row."""
    scales: Tensor
    """fp32 [panels, ceil(K / 128)]; empty unless e4m3."""
    num_outputs: int
    num_inputs: int

    struct: WeightStruct
    """Addresses of the above, for the kernels."""


def pack_weight(library: NativeLibrary, weight: Tensor) -> PackedWeight:
    """weight fp32 [N, K], unchanged -> the same values in panels."""
    assert weight.dtype == torch.float32
    N, K = weight.shape
    width = library.panel_width()
    dtype = _smallest_exact(weight, width)
    parts = [_panels(part, width, dtype) for part in _stretches(weight)]
    values = torch.cat([values for values, _ in parts])
    scales = torch.cat([scales for _, scales in parts])
    struct = WeightStruct(values.data_ptr(), scales.data_ptr(), _STORAGES[dtype], N, K)
    return PackedWeight(values, scales, N, K, struct)


def _stretches(weight: Tensor) -> list[Tensor]:
    starts = range(0, weight.shape[0], _ROWS_AT_ONCE)
    return [weight[start : start + _ROWS_AT_ONCE] for start in starts]


def _smallest_exact(weight: Tensor, width: int) -> torch.dtype:
    for dtype in (torch.float8_e4m3fn, torch.bfloat16):
        if all(_is_exact(part, width, dtype) for part in _stretches(weight)):
            return dtype
    return torch.float32


def _is_exact(part: Tensor, width: int, dtype: torch.dtype) -> bool:
    if dtype == torch.bfloat16:
        return torch.equal(part.to(dtype).float(), part)
    if not bool(part.isfinite().all()):
        return False
    block = (width, _SCALE_BLOCK)
    return torch.equal(fp8_dequantize(*_quantized(part, width), block), part)


def _quantized(part: Tensor, width: int) -> tuple[Tensor, Tensor]:
    return fp8_quantize(part, (width, _SCALE_BLOCK), power_of_two=True)


def _panels(part: Tensor, width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    scales = part.new_empty((0,))
    if dtype == torch.float8_e4m3fn:
        stored, scales = _quantized(part, width)
    else:
        stored = part.to(dtype)
    # Not every operation knows e4m3, but its bytes are enough here.
    raw = stored.view(torch.uint8) if dtype == torch.float8_e4m3fn else stored
    padded = F.pad(raw, (0, 0, 0, -raw.shape[0] % width))
    panels = padded.view(-1, width, raw.shape[1]).transpose(1, 2).contiguous()
    return panels.view(dtype), scales
