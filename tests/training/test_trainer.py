"""The loop: learns, survives being killed, and lets only the phase's parameters move."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.batches import BatchPlan
from training.examples import World
from training.mixture import Mixture
from training.recipe import FULL_VOCAB_SIZE, WHALEFALL_TINY, Phase, Recipe
from training.rendering import RenderedExample, Renderer
from training.token_forms import NUM_FORMS, TokenForms
from training.trainer import Compute, Trainer, learning_rate_scale
from training.vocabulary import SubVocabulary

_TINY = replace(
    WHALEFALL_TINY, hidden_size=32, intermediate_size=32, num_hidden_layers=2, q_lora_rank=16,
    kv_lora_rank=16, num_attention_heads=2, qk_nope_head_dim=8, qk_rope_head_dim=8, v_head_dim=8,
    moe_intermediate_size=16, n_routed_experts=4, index_head_dim=16, index_n_heads=2,
    max_position_embeddings=256,
)  # fmt: skip
_RECIPE = Recipe(seed=5, model=replace(_TINY, index_topk=16))
_PLAN = BatchPlan(24, 256, 128)
_MAIN = Phase("main", num_steps=6, warmup_steps=2, plan=_PLAN)
_PHASES = (
    _MAIN,
    Phase("mtp", part="mtp", num_steps=3, plan=_PLAN),
    Phase("indexer", part="indexer", num_steps=2, plan=_PLAN),
    Phase("sparse", is_sparse=True, num_steps=2, plan=_PLAN, peak=0.1),
)


@pytest.fixture(scope="module")
def examples(renderer: Renderer, world: World) -> list[RenderedExample]:
    mixture = Mixture(world, 5)
    return [renderer.render(mixture.example(index)) for index in range(240)]


@pytest.fixture(scope="module")
def vocabulary(examples: list[RenderedExample]) -> SubVocabulary:
    used = {token_id for example in examples for token_id in example.token_ids}
    return SubVocabulary(tuple(sorted(used)), FULL_VOCAB_SIZE)


def _trainer(
    examples: list[RenderedExample],
    vocabulary: SubVocabulary,
    run_dir: Path,
    phases: tuple[Phase, ...] = _PHASES,
    compute: Compute | None = None,
) -> Trainer:
    def rendered(mix: str, index: int) -> RenderedExample:
        assert mix == "all"
        return examples[index % len(examples)]

    ids = torch.arange(FULL_VOCAB_SIZE)
    forms = TokenForms(ids % NUM_FORMS, ids // 2)
    return Trainer(_RECIPE, phases, vocabulary, forms, rendered, run_dir, compute)


def _run(trainer: Trainer, num_steps: int | None = None) -> list[float]:
    losses: list[float] = []
    while not trainer.is_finished and (num_steps is None or len(losses) < num_steps):
        losses.append(trainer.step().loss)
    return losses


@pytest.mark.parametrize("killed_after", [4, 6, 8, 12])
def test_resumed_run_gives_the_same_curve(
    examples: list[RenderedExample], vocabulary: SubVocabulary, tmp_path: Path, killed_after: int
) -> None:
    straight = _trainer(examples, vocabulary, tmp_path)
    expected = _run(straight)
    first = _trainer(examples, vocabulary, tmp_path)
    losses = _run(first, killed_after)
    first.save(tmp_path / "checkpoint.pt")
    _run(first, 1)  # lost: done after the last checkpoint
    second = _trainer(examples, vocabulary, tmp_path)
    second.load(tmp_path / "checkpoint.pt")
    losses += _run(second)
    assert losses == expected
    for name, tensor in straight.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name


def test_loss_falls_and_is_written_down(
    examples: list[RenderedExample], vocabulary: SubVocabulary, tmp_path: Path
) -> None:
    phase = replace(_MAIN, num_steps=80)
    losses = _run(_trainer(examples, vocabulary, tmp_path, (phase,)))
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 81))


def test_every_phase_learns_in_bfloat16_too(
    examples: list[RenderedExample], vocabulary: SubVocabulary, tmp_path: Path
) -> None:
    """Nearly the same losses: only the products are rounded, and no phase refuses the type."""
    expected = _run(_trainer(examples, vocabulary, tmp_path))
    rounded = _run(_trainer(examples, vocabulary, tmp_path, compute=Compute(is_bfloat16=True)))
    assert rounded != expected
    assert rounded == pytest.approx(expected, rel=0.02)


def test_later_phases_leave_the_main_model_as_it_is(
    examples: list[RenderedExample], vocabulary: SubVocabulary, tmp_path: Path
) -> None:
    trainer = _trainer(examples, vocabulary, tmp_path)
    _run(trainer, 6)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    _run(trainer, 5)
    changed = {n for n, t in trainer.model.state_dict().items() if not torch.equal(t, before[n])}
    assert changed
    assert all(".indexer." in name or "model.layers.2." in name for name in changed)


def test_balance_moves_only_the_bias_of_routed_layers(
    examples: list[RenderedExample], vocabulary: SubVocabulary, tmp_path: Path
) -> None:
    trainer = _trainer(examples, vocabulary, tmp_path)
    trainer.step()
    bias = trainer.model.state_dict()["model.layers.1.mlp.gate.e_score_correction_bias"]
    assert bias.abs().max() > 0


def test_further_run_takes_over_parameters_and_new_rows(
    examples: list[RenderedExample], vocabulary: SubVocabulary, tmp_path: Path
) -> None:
    first = _trainer(examples, vocabulary, tmp_path)
    _run(first)
    first.save(tmp_path / "checkpoint.pt")
    larger = vocabulary.extended([129_000, 129_001])
    second = _trainer(examples, larger, tmp_path)
    second.start_from(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    rows = second.model.state_dict()["model.embed_tokens.weight"]
    known = first.model.state_dict()["model.embed_tokens.weight"]
    assert torch.equal(rows[: vocabulary.num_rows], known)
    assert rows.shape[0] == vocabulary.num_rows + 2
    assert second.progress.total_steps == first.progress.total_steps


def test_learning_rate_warms_up_stays_and_falls() -> None:
    phase = Phase("main", num_steps=100, warmup_steps=10, decay_share=0.3)
    scales = [learning_rate_scale(phase, step, 70) for step in range(100)]
    assert scales[0] == pytest.approx(0.1)
    assert scales[9:71] == [1.0] * 62
    assert 0 < scales[99] < 0.05
