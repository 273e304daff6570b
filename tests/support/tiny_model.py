"""Small seeded models of the real architecture, and a driver that runs sequences through pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from whalefall.engine.config import BLOCK_SIZE, ModelConfig, RopeConfig
from whalefall.engine.models.batch import ForwardBatch, PagedCache, Selections, SequenceSlice
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM

YARN = RopeConfig(
    rope_type="yarn",
    factor=4.0,
    original_max_position_embeddings=256,
    mscale=1.0,
    mscale_all_dim=1.0,
)

TINY_V32 = ModelConfig(
    vocab_size=320,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=3,
    num_attention_heads=4,
    kv_lora_rank=32,
    q_lora_rank=48,
    qk_nope_head_dim=16,
    qk_rope_head_dim=16,
    v_head_dim=16,
    moe_intermediate_size=32,
    n_routed_experts=16,
    n_shared_experts=1,
    num_experts_per_tok=4,
    first_k_dense_replace=1,
    n_group=4,
    topk_group=2,
    routed_scaling_factor=2.5,
    index_topk=64,
    index_n_heads=4,
    index_head_dim=32,
    num_nextn_predict_layers=1,
    max_position_embeddings=1024,
    rope=YARN,
    model_type="deepseek_v32",
)
"""Every part of V3.2: dense and MoE layers, groups, indexer, YaRN, MTP."""

TINY_V3 = replace(
    TINY_V32, index_topk=None, index_n_heads=0, index_head_dim=0, model_type="deepseek_v3"
)

TINY_V2_LITE = replace(
    TINY_V3,
    q_lora_rank=None,
    n_shared_experts=2,
    n_group=1,
    topk_group=1,
    topk_method="greedy",
    scoring_func="softmax",
    norm_topk_prob=False,
    routed_scaling_factor=1.0,
    num_nextn_predict_layers=0,
    rope=replace(YARN, mscale=0.707, mscale_all_dim=0.707),
    model_type="deepseek_v2",
)


def tiny_model(config: ModelConfig = TINY_V32, seed: int = 0) -> DeepseekV32ForCausalLM:
    """Seeded random weights, wide enough that attention and routing have something to choose;
    correction biases are not zero either."""
    model = DeepseekV32ForCausalLM(config)
    model.initialize(seed, std=0.08)
    generator = torch.Generator().manual_seed(seed + 1)
    for name, buffer in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            buffer.normal_(0.0, 0.05, generator=generator)
    return model.eval()


def random_tokens(config: ModelConfig, count: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, config.vocab_size, (count,), generator=generator).tolist()


@dataclass
class PagedSequence:
    """One sequence being served: what is in the cache, and where."""

    block_table: Tensor
    num_computed: int = 0


@dataclass
class PagedDriver:
    """Runs token lists through a model's paged forward pass; blocks are dealt in shuffled order so
    that nothing works by being contiguous. `poison` fills storage with NaN first."""

    model: DeepseekV32ForCausalLM
    num_blocks: int = 64
    dtype: torch.dtype = torch.float32
    poison: bool = False
    cache: PagedCache = field(init=False)
    free: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.cache = PagedCache.allocate(self.model.config, self.num_blocks, self.dtype)
        if self.poison:
            for tensor in (self.cache.latent, self.cache.rope_key, self.cache.index_key):
                if tensor is not None:
                    tensor.fill_(math.nan)
        order = torch.randperm(self.num_blocks, generator=torch.Generator().manual_seed(7))
        self.free = order.tolist()

    def sequence(self, max_tokens: int) -> PagedSequence:
        count = -(-max_tokens // BLOCK_SIZE)
        blocks, self.free = self.free[:count], self.free[count:]
        assert len(blocks) == count, "the driver has too few blocks for this test"
        return PagedSequence(torch.tensor(blocks))

    def batch(self, work: Sequence[tuple[PagedSequence, list[int]]]) -> ForwardBatch:
        slices, positions, slots, start = [], [], [], 0
        for sequence, tokens in work:
            first = sequence.num_computed
            place = torch.arange(first, first + len(tokens))
            positions.append(place)
            blocks = sequence.block_table[place // BLOCK_SIZE]
            slots.append(blocks * BLOCK_SIZE + place % BLOCK_SIZE)
            slices.append(SequenceSlice(start, len(tokens), first, sequence.block_table))
            start += len(tokens)
        tokens_of_all = [token for _, tokens in work for token in tokens]
        return ForwardBatch(
            torch.tensor(tokens_of_all), torch.cat(positions), torch.cat(slots), tuple(slices)
        )

    def step(
        self,
        work: Sequence[tuple[PagedSequence, list[int]]],
        selections: Selections | None = None,
    ) -> list[Tensor]:
        """One pass; the hidden states of each sequence's new tokens [n, d]."""
        hidden = self.model(self.batch(work), self.cache, selections)
        for sequence, tokens in work:
            sequence.num_computed += len(tokens)
        return list(hidden.split([len(tokens) for _, tokens in work]))

    def run_alone(self, tokens: list[int], chunks: Sequence[int]) -> Tensor:
        """One sequence in chunks of the given lengths: hidden states [len(tokens), d]."""
        sequence, parts, start = self.sequence(len(tokens)), [], 0
        assert sum(chunks) == len(tokens)
        for length in chunks:
            parts += self.step([(sequence, tokens[start : start + length])])
            start += length
        return torch.cat(parts)
