from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_model import TINY_V2_LITE, TINY_V3, TINY_V32
from whalefall.engine.checkpoint import shared_names
from whalefall.engine.config import ModelConfig, QuantizationConfig
from whalefall.engine.errors import CheckpointError
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM
from whalefall.engine.shapes import expected_shapes

V32: dict[str, Any] = {
    "architectures": ["DeepseekV32ForCausalLM"],
    "model_type": "deepseek_v32",
    "vocab_size": 129280,
    "hidden_size": 7168,
    "num_hidden_layers": 61,
    "first_k_dense_replace": 3,
    "moe_layer_freq": 1,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "num_experts_per_tok": 8,
    "n_shared_experts": 1,
    "n_group": 8,
    "topk_group": 4,
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "index_n_heads": 64,
    "index_head_dim": 128,
    "index_topk": 2048,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "max_position_embeddings": 163840,
    "rope_theta": 10000,
    "rope_scaling": {
        "type": "yarn",
        "factor": 40,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4096,
    },
    "tie_word_embeddings": False,
    "attention_bias": False,
    "num_nextn_predict_layers": 1,
    "quantization_config": {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "activation_scheme": "dynamic",
        "weight_block_size": [128, 128],
        "scale_fmt": "ue8m0",
    },
    "bos_token_id": 0,
    "eos_token_id": 1,
}
"""DeepSeek-V3.2's published config.json."""


def num_parameters(config: ModelConfig) -> int:
    return sum(math.prod(shape) for shape in expected_shapes(config).values())


def test_v3_2_is_read_as_published() -> None:
    config = ModelConfig.from_dict(V32)
    assert config.has_indexer
    assert config.index_topk == 2048
    assert config.rope.is_yarn
    assert config.rope.factor == 40.0
    assert config.quantization == QuantizationConfig((128, 128), "ue8m0")
    assert [config.is_moe_layer(i) for i in (0, 2, 3, 60)] == [False, False, True, True]
    assert config.num_cache_layers == 62


def test_v3_has_671_billion_parameters() -> None:
    raw = {k: v for k, v in V32.items() if not k.startswith("index_")}
    raw |= {"model_type": "deepseek_v3", "num_nextn_predict_layers": 0}
    assert num_parameters(ModelConfig.from_dict(raw)) == pytest.approx(671.03e9, rel=1e-5)


def test_indexer_adds_fourteen_million_parameters_to_each_layer() -> None:
    with_indexer = ModelConfig.from_dict(V32 | {"num_nextn_predict_layers": 0})
    without = replace(with_indexer, index_topk=None)
    added = num_parameters(with_indexer) - num_parameters(without)
    assert added == 61 * (1536 * 64 * 128 + 7168 * 128 + 7168 * 64 + 2 * 128)


@pytest.mark.parametrize(
    "config", [TINY_V32, TINY_V3, TINY_V2_LITE, replace(TINY_V32, tie_word_embeddings=True)]
)
def test_shapes_told_by_the_config_are_those_of_the_model(config: ModelConfig) -> None:
    model = DeepseekV32ForCausalLM(config)
    state = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    expected = expected_shapes(config)
    repeated = shared_names(config)
    assert state == expected | {name: state[owner] for name, owner in repeated.items()}
    assert not set(expected) & set(repeated)


@pytest.mark.parametrize("config", [TINY_V32, TINY_V3, TINY_V2_LITE])
def test_written_config_is_read_back(config: ModelConfig) -> None:
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_both_spellings_of_rope_say_the_same() -> None:
    newer = {k: v for k, v in V32.items() if k not in ("rope_theta", "rope_scaling")}
    scaling = {k: v for k, v in V32["rope_scaling"].items() if k != "type"}
    newer["rope_parameters"] = {**scaling, "rope_type": "yarn", "rope_theta": 10000.0}
    assert ModelConfig.from_dict(newer) == ModelConfig.from_dict(V32)


def test_layer_types_of_transformers_say_how_many_layers_are_dense() -> None:
    raw = V32 | {"num_hidden_layers": 4, "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"]}
    assert ModelConfig.from_dict(raw).first_k_dense_replace == 1
    mixed = raw | {"mlp_layer_types": ["sparse", "dense", "sparse", "sparse"]}
    with pytest.raises(CheckpointError, match="mlp_layer_types"):
        ModelConfig.from_dict(mixed)


def test_several_end_tokens_are_kept() -> None:
    config = ModelConfig.from_dict(V32 | {"eos_token_id": [1, 5]})
    assert config.eos_token_ids == (1, 5)
    assert config.to_dict()["eos_token_id"] == [1, 5]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model_type": "llama"}, "model_type"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"attention_bias": True}, "attention_bias"),
        ({"rope_scaling": {"type": "linear", "factor": 2}}, "rope_type"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"hidden_size": "wide"}, "hidden_size must be a number"),
        ({"hidden_size": 12.5}, "hidden_size must be whole"),
        ({"kv_lora_rank": 0}, "kv_lora_rank must be positive"),
        ({"n_group": 7}, "n_group"),
        ({"topk_group": 9}, "topk_group"),
        ({"num_experts_per_tok": 200}, "num_experts_per_tok"),
        ({"topk_method": "dice"}, "topk_method"),
        ({"scoring_func": "tanh"}, "scoring_func"),
        ({"q_lora_rank": None}, "q_lora_rank"),
        ({"index_head_dim": 32}, "index_head_dim"),
        ({"num_nextn_predict_layers": 2}, "num_nextn_predict_layers"),
        ({"quantization_config": {"quant_method": "awq"}}, "quantization_config"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(CheckpointError, match=named):
        ModelConfig.from_dict(V32 | changes)


def test_directory_without_a_readable_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        ModelConfig.from_directory(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        ModelConfig.from_directory(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match="not a JSON object"):
        ModelConfig.from_directory(tmp_path)
