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
    num_attention_heads=4,
    q_lora_rank=192,
    kv_lora_rank=192,
    qk_nope_head_dim=64,
    qk_rope_head_dim=32,
    v_head_dim=64,
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


QUICK = BatchPlan(window_examples=1024, batch_tokens_max=2048, example_tokens_max=1024)
SHORT = BatchPlan(window_examples=1024, batch_tokens_max=3072, example_tokens_max=1024)
LONG = BatchPlan(window_examples=48, batch_tokens_max=16_640, example_tokens_max=8_320)
HALF_LONG = BatchPlan(window_examples=48, batch_tokens_max=8_320, example_tokens_max=4_160)


@dataclass(frozen=True)
class Phase:
    """One stretch of training: which part learns from what, for how long, and how fast.

    The learning rate warms up, stays, and falls to zero over the last `decay_share`."""

    name: str
    part: str = "main"
    """"main" is all but the MTP layer and the indexers; "mtp" and "indexer" are those alone."""
    is_sparse: bool = False
    """Whether queries see the keys their indexer chose, or all of them."""
    mix: str = "all"
    plan: BatchPlan = SHORT
    num_steps: int | None = None
    """None: as many as fit into `minutes`."""
    minutes: float | None = None
    warmup_steps: int = 50
    decay_share: float = 0.4
    peak: float = 1.0
    """Share of the optimiser's learning rate."""

    def __post_init__(self) -> None:
        assert self.part in ("main", "mtp", "indexer"), self.part


PHASES = (
    (Phase("copying", mix="copying", plan=QUICK, decay_share=0.0), 0.06),
    (Phase("main", warmup_steps=1, decay_share=0.5), 0.66),
    (Phase("long", mix="long", plan=LONG, warmup_steps=5, decay_share=0.7, peak=0.35), 0.08),
    (Phase("again", warmup_steps=20, decay_share=0.9, peak=0.4), 0.1),
    (Phase("mtp", part="mtp", decay_share=0.6), 0.04),
    (Phase("indexer", part="indexer", mix="long", plan=HALF_LONG, warmup_steps=5), 0.04),
    (Phase("sparse", is_sparse=True, mix="long", plan=LONG, warmup_steps=2, peak=0.2), 0.02),
)
"""The recipe of V3.2 in small, with each phase's share of the time: dense training, with many
drills in copying in small steps and then on everything, the context stretched, short texts once
more, the MTP layer, then the indexers warmed up on what dense attention looks at, and a last
stretch in which the model gets used to the chosen keys."""


@dataclass(frozen=True)
class Recipe:
    seed: int = 20261128
    model: ModelConfig = WHALEFALL_TINY
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    vocabulary_examples: int = 24_000
    """How many examples decide which tokens get rows of their own."""
    vocabulary_count_min: int = 16
    """How often a token must occur in them: what is rarer is copied, not known."""
    vocabulary_said_min: int = 4
    """How often it must be said without having been read, to be known although it is rare."""
    balance_rate: float = 0.001
    """How far an expert's bias moves per step towards equal load."""


def model_with_rows(config: ModelConfig, num_rows: int) -> ModelConfig:
    """The same model with an embedding for the trained rows only."""
    return replace(config, vocab_size=num_rows)
