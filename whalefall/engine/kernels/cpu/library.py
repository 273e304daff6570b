"""The compiled kernels as functions of addresses and sizes.

ctypes lets go of the interpreter's lock while one runs. Nothing here checks shapes: the kernels'
public functions beside this module do."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Sequence
from ctypes import POINTER, Structure, c_float, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

from torch import Tensor

from whalefall.engine.kernels.cpu.build import COMPILER, build

_log = logging.getLogger(__name__)


class WeightStruct(Structure):
    _fields_ = (
        ("values", c_void_p),
        ("scales", c_void_p),
        ("storage", c_int64),
        ("num_outputs", c_int64),
        ("num_inputs", c_int64),
    )


class MLPStruct(Structure):
    _fields_ = (("gate_up", POINTER(WeightStruct)), ("down", POINTER(WeightStruct)))


class MixtureStruct(Structure):
    _fields_ = (
        ("experts", POINTER(MLPStruct)),
        ("x", c_void_p),
        ("expert_ids", c_void_p),
        ("weights", c_void_p),
        ("y", c_void_p),
        ("num_experts", c_int64),
        ("x_stride", c_int64),
        ("num_rows", c_int64),
        ("num_per_row", c_int64),
        ("width", c_int64),
    )


class GateStruct(Structure):
    _fields_ = (
        ("logits", c_void_p),
        ("bias", c_void_p),
        ("expert_ids", c_void_p),
        ("weights", c_void_p),
        ("scores", c_void_p),
        ("num_rows", c_int64),
        ("num_experts", c_int64),
        ("num_chosen", c_int64),
        ("num_groups", c_int64),
        ("num_kept_groups", c_int64),
        ("num_best", c_int64),
        ("is_sigmoid", c_int64),
        ("is_normed", c_int64),
        ("is_given", c_int64),
        ("factor", c_float),
    )


class AttentionStruct(Structure):
    _fields_ = (
        ("q_latent", c_void_p),
        ("q_rope", c_void_p),
        ("latent", c_void_p),
        ("rope_key", c_void_p),
        ("slots", c_void_p),
        ("counts", c_void_p),
        ("out", c_void_p),
        ("num_groups", c_int64),
        ("num_queries", c_int64),
        ("num_slots", c_int64),
        ("num_heads", c_int64),
        ("rank", c_int64),
        ("rope", c_int64),
        ("scale", c_float),
    )


class IndexerStruct(Structure):
    _fields_ = (
        ("query", c_void_p),
        ("head_weights", c_void_p),
        ("key", c_void_p),
        ("slots", c_void_p),
        ("counts", c_void_p),
        ("scores", c_void_p),
        ("num_groups", c_int64),
        ("num_queries", c_int64),
        ("num_slots", c_int64),
        ("num_heads", c_int64),
        ("width", c_int64),
    )


class LayerStruct(Structure):
    _fields_ = (
        *((name, POINTER(WeightStruct)) for name in ("query_down", "query_up")),
        *((name, POINTER(WeightStruct)) for name in ("key_value_down", "absorb_key")),
        *((name, POINTER(WeightStruct)) for name in ("absorb_value", "output")),
        *((name, POINTER(WeightStruct)) for name in ("index_query", "index_key", "index_weights")),
        *((name, c_void_p) for name in ("input_norm", "post_norm", "query_norm")),
        *((name, c_void_p) for name in ("key_value_norm", "index_norm_weight", "index_norm_bias")),
        ("dense", POINTER(MLPStruct)),
        ("router", POINTER(WeightStruct)),
        ("experts", POINTER(MLPStruct)),
        ("shared", POINTER(MLPStruct)),
        ("gate", GateStruct),
        *((name, c_int64) for name in ("width", "num_heads", "nope", "rope", "rank")),
        *((name, c_int64) for name in ("query_rank", "value_width")),
        *((name, c_int64) for name in ("num_index_heads", "index_width", "index_top_k")),
        *((name, c_float) for name in ("eps", "latent_eps", "index_eps", "scale", "index_scale")),
    )


class KeyGroupStruct(Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("rows", "slots", "counts")),
        *((name, c_int64) for name in ("num_rows", "num_groups", "num_slots", "is_sparse")),
    )


class PassStruct(Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("cos", "sin", "slot_mapping")),
        ("groups", POINTER(KeyGroupStruct)),
        *((name, c_int64) for name in ("num_rows", "num_groups", "has_sparse")),
    )


class LayerCacheStruct(Structure):
    _fields_ = tuple((name, c_void_p) for name in ("latent", "rope_key", "index_key"))


class NativeLibrary:
    """Each attribute is a function of the file, ready to be called."""

    def __init__(self, path: Path) -> None:
        """Raises OSError when the file is no library of ours."""
        library = ctypes.CDLL(str(path))
        try:
            self._declare(library)
        except AttributeError as error:
            raise OSError(f"{path}: {error}") from None

    def _declare(self, library: ctypes.CDLL) -> None:
        pointer, size = c_void_p, c_int64
        matrix = (pointer, size)  # address, floats from row to row
        slices = (pointer, size, size)  # address, floats from row to row and head to head
        self.panel_width = _function(library, "panel_width", (), c_int64)
        self.linear = _function(library, "linear", (pointer, *matrix, *matrix, size))
        self.head_linear = _function(
            library, "head_linear", (pointer, size, *slices, pointer, size)
        )
        self.rms_norm = _function(
            library, "rms_norm", (*matrix, pointer, c_float, pointer, size, size)
        )
        self.layer_norm = _function(
            library, "layer_norm", (*matrix, pointer, pointer, c_float, pointer, size, size)
        )
        turned = (*slices, pointer, pointer, pointer, size, size, size)
        self.rotary_interleaved = _function(library, "rotary_interleaved", turned)
        self.rotary_half_split = _function(library, "rotary_half_split", (*turned, size))
        self.gated_mlp = _function(
            library, "gated_mlp", (POINTER(MLPStruct), *matrix, pointer, size), c_int
        )
        self.moe_experts = _function(library, "moe_experts", (POINTER(MixtureStruct),), c_int)
        self.moe_gate = _function(library, "moe_gate", (POINTER(GateStruct),))
        self.paged_mla_attention = _function(
            library, "paged_mla_attention", (POINTER(AttentionStruct),), c_int
        )
        self.paged_indexer_scores = _function(
            library, "paged_indexer_scores", (POINTER(IndexerStruct),)
        )
        layer = (POINTER(LayerStruct), POINTER(PassStruct), POINTER(LayerCacheStruct))
        self.decoder_layer = _function(library, "decoder_layer", (*layer, pointer), c_int)
        self.softmax_row = _function(
            library, "softmax_row", (pointer, size, c_float, pointer, pointer), c_int64
        )
        self.select_top_k = _function(
            library, "select_top_k", (pointer, size, size, size, pointer), c_int
        )


def load_library(folder: Path, compiler: str = COMPILER) -> NativeLibrary | None:
    """The kernels, compiled into `folder` on first use; None, and a line in the log, without."""
    path = build(folder, compiler)
    if path is None:
        return None
    try:
        return NativeLibrary(path)
    except OSError as error:
        _log.warning("no native kernels, PyTorch computes instead: %s", error)
        return None


def rows_of(x: Tensor) -> Tensor:
    """[..., K] -> [M, K] whose rows lie anywhere, each in one piece."""
    rows = x.reshape(-1, x.shape[-1])
    return rows if rows.stride(1) == 1 else rows.contiguous()


def raise_without_memory(status: int) -> None:
    if status:
        raise MemoryError("a native kernel found no memory for its intermediate results")


def _function(
    library: ctypes.CDLL, name: str, arguments: Sequence[type], result: type | None = None
) -> Callable[..., Any]:
    function = getattr(library, name)
    function.argtypes = arguments
    function.restype = result
    return function
