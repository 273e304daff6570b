"""Every tensor that a checkpoint stores, told from the config alone: name and shape.

The published parameter counts follow from it (671.03 B for V3), so a checkpoint can be checked
before a byte of its weights is read. Names as in DeepSeek's safetensors files."""

from __future__ import annotations

from collections.abc import Iterator

from whalefall.engine.config import ModelConfig

Shape = tuple[int, ...]


def expected_shapes(config: ModelConfig) -> dict[str, Shape]:
    """All tensors by name; one that is known by several names is listed once."""
    vocabulary = (config.vocab_size, config.hidden_size)
    shapes: dict[str, Shape] = {"model.embed_tokens.weight": vocabulary}
    for index in range(config.num_cache_layers):
        prefix = f"model.layers.{index}."
        shapes |= {prefix + name: shape for name, shape in _layer(config, index)}
    shapes["model.norm.weight"] = (config.hidden_size,)
    if not config.tie_word_embeddings:
        shapes["lm_head.weight"] = vocabulary
    return shapes


def _layer(config: ModelConfig, index: int) -> Iterator[tuple[str, Shape]]:
    d = config.hidden_size
    yield "input_layernorm.weight", (d,)
    yield "post_attention_layernorm.weight", (d,)
    for name, shape in _attention(config):
        yield f"self_attn.{name}", shape
    feed_forward = _moe(config) if config.is_moe_layer(index) else _mlp(d, config.intermediate_size)
    for name, shape in feed_forward:
        yield f"mlp.{name}", shape
    if index == config.num_hidden_layers:
        yield "enorm.weight", (d,)
        yield "hnorm.weight", (d,)
        yield "eh_proj.weight", (d, 2 * d)
        yield "shared_head.norm.weight", (d,)


def _attention(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    d, heads, latent = config.hidden_size, config.num_attention_heads, config.kv_lora_rank
    rank = config.q_lora_rank
    if rank is None:
        yield "q_proj.weight", (heads * config.qk_head_dim, d)
    else:
        yield "q_a_proj.weight", (rank, d)
        yield "q_a_layernorm.weight", (rank,)
        yield "q_b_proj.weight", (heads * config.qk_head_dim, rank)
    yield "kv_a_proj_with_mqa.weight", (latent + config.qk_rope_head_dim, d)
    yield "kv_a_layernorm.weight", (latent,)
    yield "kv_b_proj.weight", (heads * (config.qk_nope_head_dim + config.v_head_dim), latent)
    yield "o_proj.weight", (d, heads * config.v_head_dim)
    if config.has_indexer and rank is not None:
        yield "indexer.wq_b.weight", (config.index_n_heads * config.index_head_dim, rank)
        yield "indexer.wk.weight", (config.index_head_dim, d)
        yield "indexer.k_norm.weight", (config.index_head_dim,)
        yield "indexer.k_norm.bias", (config.index_head_dim,)
        yield "indexer.weights_proj.weight", (config.index_n_heads, d)


def _moe(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    d, width = config.hidden_size, config.moe_intermediate_size
    yield "gate.weight", (config.n_routed_experts, d)
    if config.topk_method == "noaux_tc":
        yield "gate.e_score_correction_bias", (config.n_routed_experts,)
    for expert in range(config.n_routed_experts):
        for name, shape in _mlp(d, width):
            yield f"experts.{expert}.{name}", shape
    if config.n_shared_experts:
        for name, shape in _mlp(d, width * config.n_shared_experts):
            yield f"shared_experts.{name}", shape


def _mlp(d: int, width: int) -> Iterator[tuple[str, Shape]]:
    yield "gate_proj.weight", (width, d)
    yield "up_proj.weight", (width, d)
    yield "down_proj.weight", (d, width)
