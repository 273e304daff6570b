"""What is trained: the model's shape, and the phases with their lengths and learning rates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from training.batches import BatchPlan
from training.optimizer import OptimizerSettings
from whalefall.engine.config import ModelConfig, QuantizationConfig, RopeConfig

FULL_VOCAB_SIZE = 129_280

WHALEFALL_TINY = ModelConfig(
    vocab_size=FULL_VOCAB_SIZE,
    hidden_size=256,
    intermediate_size=512,
    num_hidden_layers=4,
    num_attention_heads=8,
    q_lora_rank=128,
    kv_lora_rank=128,
    qk_nope_head_dim=32,
    qk_rope_head_dim=32,
    v_head_dim=32,
    moe_intermediate_size=128,
    n_routed_experts=8,
    n_shared_experts=1,
    num_experts_per_tok=2,
    first_k_dense_replace=1,
    routed_scaling_factor=1.0,
    index_topk=512,
    index_n_heads=4,
    index_head_dim=64,
    num_nextn_predict_layers=1,
    # The wire promises a context of 128K; what was trained, and how far it holds, says the card.
    max_position_embeddings=131_072,
    rope=RopeConfig(
        rope_type="yarn",
        factor=8.0,
        original_max_position_embeddings=2048,
        mscale=1.0,
        mscale_all_dim=1.0,
    ),
    tie_word_embeddings=True,
    model_type="deepseek_v32",
    quantization=QuantizationConfig(scale_fmt="ue8m0"),
)


@dataclass(frozen=True)
class Phase:
    """One stretch of training: which part learns, for how long, and how fast.

    The learning rate warms up, stays, and falls to zero over the last `decay_share`."""

    name: str
    """"main" trains all but the MTP layer and the indexers, "mtp" and "indexer" those alone."""
    num_steps: int | None = None
    """None: as many as fit into `minutes`."""
    minutes: float | None = None
    warmup_steps: int = 50
    decay_share: float = 0.3
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)

    def __post_init__(self) -> None:
        assert self.name in ("main", "mtp", "indexer"), self.name
        assert self.num_steps is not None or self.minutes is not None, "a phase needs an end"


@dataclass(frozen=True)
class Recipe:
    seed: int = 20261122
    model: ModelConfig = WHALEFALL_TINY
    plan: BatchPlan = field(default_factory=lambda: BatchPlan(seed=20261122))
    vocabulary_examples: int = 16_000
    """How many examples decide which tokens get rows of their own."""
    vocabulary_count_min: int = 1
    unseen_share: float = 0.01
    """Share of a prompt's tokens that is replaced by the row for unused tokens."""
    balance_rate: float = 0.001
    """How far an expert's bias moves per step towards equal load."""


def model_with_rows(config: ModelConfig, num_rows: int) -> ModelConfig:
    """The same model with an embedding for the trained rows only."""
    return replace(config, vocab_size=num_rows)
