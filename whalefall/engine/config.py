"""What the model is and how the engine runs it, as two frozen values.

`ModelConfig` keeps the checkpoint's own field names. One class describes the whole family: V2 and
V2-Lite (plain or low-rank queries, softmax gate), V3/R1/V3.1, and V3.2, which adds the sparse
attention's indexer. It must not know tensors, files of weights, or requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from whalefall.engine.errors import CheckpointError

BLOCK_SIZE = 64
"""Tokens in one cache block: the unit of caching, of hits, and of the prefix keys."""

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class RopeConfig:
    """Rotary position embedding: plain, or YaRN when `rope_type` is "yarn"."""

    rope_theta: float = 10000.0
    rope_type: str = "default"
    factor: float = 1.0
    original_max_position_embeddings: int = 4096
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    mscale: float | None = None
    mscale_all_dim: float | None = None
    attention_factor: float | None = None

    @property
    def is_yarn(self) -> bool:
        return self.rope_type == "yarn"


@dataclass(frozen=True)
class QuantizationConfig:
    """Native block FP8: e4m3 weights with one fp32 `weight_scale_inv` per block."""

    weight_block_size: tuple[int, int] = (128, 128)
    scale_fmt: str | None = None
    """"ue8m0" when every scale is a power of two."""


@dataclass(frozen=True)
class ModelConfig:
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    q_lora_rank: int | None = None
    """None (V2-Lite): one `q_proj` instead of `q_a_proj`, norm, `q_b_proj`."""
    moe_intermediate_size: int = 0
    n_routed_experts: int = 0
    n_shared_experts: int = 0
    num_experts_per_tok: int = 0
    first_k_dense_replace: int = 0
    moe_layer_freq: int = 1
    n_group: int = 1
    topk_group: int = 1
    topk_method: str = "noaux_tc"
    """"noaux_tc" (V3), "greedy" or "group_limited_greedy" (V2)."""
    scoring_func: str = "sigmoid"
    norm_topk_prob: bool = True
    routed_scaling_factor: float = 1.0
    index_topk: int | None = None
    """Set on V3.2 only: how many keys a query attends to."""
    index_n_heads: int = 0
    index_head_dim: int = 0
    num_nextn_predict_layers: int = 0
    max_position_embeddings: int = 4096
    rms_norm_eps: float = 1e-6
    rope: RopeConfig = RopeConfig()
    tie_word_embeddings: bool = False
    bos_token_id: int | None = 0
    eos_token_ids: tuple[int, ...] = (1,)
    model_type: str = "deepseek_v3"
    quantization: QuantizationConfig | None = None

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise CheckpointError(f"config: {name} must be positive, is {getattr(self, name)}")
        if self.qk_rope_head_dim % 2:
            raise CheckpointError("config: qk_rope_head_dim must be even")
        if self.num_nextn_predict_layers not in (0, 1):
            raise CheckpointError("config: num_nextn_predict_layers must be 0 or 1")
        if self.n_routed_experts:
            self._check_experts()
        if self.index_topk is not None:
            self._check_indexer()

    def _check_experts(self) -> None:
        if self.n_routed_experts % self.n_group:
            raise CheckpointError("config: n_group must divide n_routed_experts")
        if not 0 < self.topk_group <= self.n_group:
            raise CheckpointError("config: topk_group must be between 1 and n_group")
        reachable = self.n_routed_experts // self.n_group * self.topk_group
        if not 0 < self.num_experts_per_tok <= reachable:
            raise CheckpointError(f"config: num_experts_per_tok must be between 1 and {reachable}")
        if self.topk_method not in ("noaux_tc", "greedy", "group_limited_greedy"):
            raise CheckpointError(f"config: unknown topk_method {self.topk_method!r}")
        if self.scoring_func not in ("sigmoid", "softmax"):
            raise CheckpointError(f"config: unknown scoring_func {self.scoring_func!r}")
        if self.moe_intermediate_size <= 0 or self.moe_layer_freq <= 0:
            raise CheckpointError("config: moe_intermediate_size and moe_layer_freq are required")

    def _check_indexer(self) -> None:
        assert self.index_topk is not None
        if self.q_lora_rank is None:
            raise CheckpointError("config: index_topk needs q_lora_rank, the indexer's input")
        if self.index_topk <= 0 or self.index_n_heads <= 0:
            raise CheckpointError("config: index_topk and index_n_heads must be positive")
        if self.index_head_dim < self.qk_rope_head_dim:
            raise CheckpointError("config: index_head_dim is smaller than qk_rope_head_dim")

    @property
    def qk_head_dim(self) -> int:
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    @property
    def has_indexer(self) -> bool:
        return self.index_topk is not None

    @property
    def num_cache_layers(self) -> int:
        """Layers with cache storage: the decoder layers and the MTP layer."""
        return self.num_hidden_layers + self.num_nextn_predict_layers

    @property
    def architecture(self) -> str:
        """The name that `architectures` carries in config.json."""
        if self.has_indexer:
            return "DeepseekV32ForCausalLM"
        return "DeepseekV2ForCausalLM" if self.is_v2 else "DeepseekV3ForCausalLM"

    @property
    def is_v2(self) -> bool:
        return self.model_type == "deepseek_v2"

    def is_moe_layer(self, layer_index: int) -> bool:
        return (
            self.n_routed_experts > 0
            and layer_index >= self.first_k_dense_replace
            and layer_index % self.moe_layer_freq == 0
        )

    @classmethod
    def from_directory(cls, path: Path) -> ModelConfig:
        """Read `config.json`. Raises CheckpointError when it is absent, broken or unsupported."""
        file = path / "config.json"
        try:
            raw = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise CheckpointError(f"{file} does not exist") from error
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{file} cannot be read: {error}") from error
        if not isinstance(raw, dict):
            raise CheckpointError(f"{file} is not a JSON object")
        return cls.from_dict(raw)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ModelConfig:
        """From the content of a config.json; raises CheckpointError naming the key."""
        _refuse_unsupported(raw)
        is_v2 = raw.get("model_type") == "deepseek_v2"
        defaults: dict[str, Any] = _V2_DEFAULTS if is_v2 else {}
        return cls(
            **{name: _integer(raw, name) for name in _REQUIRED},
            **{
                name: _integer(raw, name, defaults.get(name, fallback))
                for name, fallback in _INTEGERS.items()
            },
            q_lora_rank=_optional_integer(raw, "q_lora_rank"),
            index_topk=_optional_integer(raw, "index_topk"),
            first_k_dense_replace=_first_dense(raw),
            topk_method=str(raw.get("topk_method") or defaults.get("topk_method", "noaux_tc")),
            scoring_func=str(raw.get("scoring_func") or defaults.get("scoring_func", "sigmoid")),
            norm_topk_prob=bool(raw.get("norm_topk_prob", not is_v2)),
            routed_scaling_factor=_number(raw, "routed_scaling_factor", 1.0),
            rms_norm_eps=_number(raw, "rms_norm_eps", 1e-6),
            rope=_rope_from_dict(raw),
            tie_word_embeddings=bool(raw.get("tie_word_embeddings", False)),
            bos_token_id=_optional_integer(raw, "bos_token_id"),
            eos_token_ids=_eos_token_ids(raw),
            model_type=str(raw.get("model_type", "deepseek_v3")),
            quantization=_quantization_from_dict(raw),
        )

    def to_dict(self) -> dict[str, Any]:
        """The content of a config.json that `from_dict` and other engines read back."""
        plain = {name: getattr(self, name) for name in (*_REQUIRED, *_INTEGERS, *_OTHERS)}
        if not self.has_indexer:
            plain = {name: value for name, value in plain.items() if not name.startswith("index_")}
        eos = self.eos_token_ids
        return {
            "architectures": [self.architecture],
            **plain,
            "num_key_value_heads": self.num_attention_heads,
            "hidden_act": "silu",
            "attention_bias": False,
            "eos_token_id": eos[0] if len(eos) == 1 else list(eos),
            "rope_theta": self.rope.rope_theta,
            "rope_scaling": _rope_scaling_to_dict(self.rope),
            **_quantization_to_dict(self.quantization),
        }


@dataclass(frozen=True)
class EngineConfig:
    """How one engine process runs its model."""

    model_dir: Path
    dtype: str = "float32"
    """"float32" or "bfloat16"."""
    num_blocks: int = 1024
    block_size: int = BLOCK_SIZE
    max_num_batched_tokens: int = 1024
    """Tokens computed in one step, prompts and decodes together."""
    max_num_seqs: int = 64
    max_model_len: int = 8192
    """Prompt plus output."""
    num_threads: int = 2
    kernels_dir: Path | None = None
    """Where native kernels are compiled on first use and kept; None: PyTorch computes everything.
    The folder must belong to this user alone."""
    strict: bool = True
    """Batch invariance: a request's tokens do not depend on what runs beside it."""


_REQUIRED = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "kv_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
)
_POSITIVE = (*_REQUIRED, "max_position_embeddings", "n_group", "topk_group")
_INTEGERS = {
    "moe_intermediate_size": 0,
    "n_routed_experts": 0,
    "n_shared_experts": 0,
    "num_experts_per_tok": 0,
    "moe_layer_freq": 1,
    "n_group": 1,
    "topk_group": 1,
    "index_n_heads": 0,
    "index_head_dim": 0,
    "num_nextn_predict_layers": 0,
    "max_position_embeddings": 4096,
}
_OTHERS = (
    "q_lora_rank",
    "index_topk",
    "first_k_dense_replace",
    "topk_method",
    "scoring_func",
    "norm_topk_prob",
    "routed_scaling_factor",
    "rms_norm_eps",
    "tie_word_embeddings",
    "bos_token_id",
    "model_type",
)
_V2_DEFAULTS = {"topk_method": "greedy", "scoring_func": "softmax"}
_SUPPORTED_TYPES = ("deepseek_v2", "deepseek_v3", "deepseek_v32")


def _refuse_unsupported(raw: Mapping[str, Any]) -> None:
    model_type = raw.get("model_type", "deepseek_v3")
    if model_type not in _SUPPORTED_TYPES:
        raise CheckpointError(
            f"config: model_type {model_type!r} is not supported; one of {_SUPPORTED_TYPES} is"
        )
    for name, expected in (
        ("hidden_act", "silu"),
        ("attention_bias", False),
        ("rope_interleave", True),
    ):
        if raw.get(name, expected) != expected:
            raise CheckpointError(f"config: {name} {raw[name]!r} is not supported")


def _checked(name: str, value: object, kind: type[_Number]) -> _Number:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CheckpointError(f"config: {name} must be a number, is {value!r}")
    if kind is int and value != int(value):
        raise CheckpointError(f"config: {name} must be whole, is {value!r}")
    return kind(value)


def _integer(raw: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = raw.get(name)
    if value is None:
        value = default
    if value is None:
        raise CheckpointError(f"config: {name} is missing")
    return _checked(name, value, int)


def _optional_integer(raw: Mapping[str, Any], name: str) -> int | None:
    value = raw.get(name)
    return None if value is None else _checked(name, value, int)


def _number(raw: Mapping[str, Any], name: str, default: float) -> float:
    value = raw.get(name)
    return default if value is None else _checked(name, value, float)


def _optional_number(raw: Mapping[str, Any], name: str) -> float | None:
    value = raw.get(name)
    return None if value is None else _checked(name, value, float)


def _first_dense(raw: Mapping[str, Any]) -> int:
    """`first_k_dense_replace`, or the same fact told as transformers' `mlp_layer_types`."""
    types = raw.get("mlp_layer_types")
    if types is None:
        return _integer(raw, "first_k_dense_replace", 0)
    num_dense = sum(1 for kind in types if kind == "dense")
    if list(types) != ["dense"] * num_dense + ["sparse"] * (len(types) - num_dense):
        raise CheckpointError("config: mlp_layer_types must be dense layers, then sparse ones")
    return num_dense


def _eos_token_ids(raw: Mapping[str, Any]) -> tuple[int, ...]:
    value = raw.get("eos_token_id")
    values = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(_checked("eos_token_id", item, int) for item in values)


def _rope_from_dict(raw: Mapping[str, Any]) -> RopeConfig:
    """Both spellings: `rope_theta` + `rope_scaling`, and transformers' `rope_parameters`."""
    scaling = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    if not isinstance(scaling, Mapping):
        raise CheckpointError("config: rope_scaling must be an object")
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind not in ("default", "yarn"):
        raise CheckpointError(f"config: rope_type {kind!r} is not supported")
    theta = _number(scaling, "rope_theta", _number(raw, "rope_theta", 10000.0))
    if kind == "default":
        return RopeConfig(rope_theta=theta)
    return RopeConfig(
        rope_theta=theta,
        rope_type="yarn",
        factor=_number(scaling, "factor", 1.0),
        original_max_position_embeddings=_integer(
            scaling,
            "original_max_position_embeddings",
            _integer(raw, "max_position_embeddings", 4096),
        ),
        beta_fast=_number(scaling, "beta_fast", 32.0),
        beta_slow=_number(scaling, "beta_slow", 1.0),
        mscale=_optional_number(scaling, "mscale"),
        mscale_all_dim=_optional_number(scaling, "mscale_all_dim"),
        attention_factor=_optional_number(scaling, "attention_factor"),
    )


def _rope_scaling_to_dict(rope: RopeConfig) -> dict[str, Any] | None:
    if not rope.is_yarn:
        return None
    names = ("factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "attention_factor")
    values = {name: getattr(rope, name) for name in names if getattr(rope, name) is not None}
    original = rope.original_max_position_embeddings
    return {"type": "yarn", "original_max_position_embeddings": original, **values}


def _quantization_from_dict(raw: Mapping[str, Any]) -> QuantizationConfig | None:
    quantization = raw.get("quantization_config")
    if quantization is None:
        return None
    if quantization.get("quant_method") != "fp8" or quantization.get("fmt", "e4m3") != "e4m3":
        raise CheckpointError("config: quantization_config must be fp8 with fmt e4m3")
    rows, columns = quantization.get("weight_block_size", (128, 128))
    return QuantizationConfig((int(rows), int(columns)), quantization.get("scale_fmt"))


def _quantization_to_dict(quantization: QuantizationConfig | None) -> dict[str, Any]:
    if quantization is None:
        return {}
    described: dict[str, Any] = {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "activation_scheme": "dynamic",
        "weight_block_size": list(quantization.weight_block_size),
    }
    if quantization.scale_fmt is not None:
        described["scale_fmt"] = quantization.scale_fmt
    return {"quantization_config": described}
