"""What was trained is what is served, FP8 rounding apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.export import export, load_run
from training.imported import state_of_export
from training.recipe import WHALEFALL_TINY, model_with_rows
from training.sampling import TrainedRun
from training.token_forms import NUM_FORMS, TokenForms
from training.trainer import trained_state
from training.vocabulary import RareRows, SubVocabulary
from whalefall.engine.checkpoint import describe
from whalefall.engine.loader import load_model
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM

_CONFIG = replace(
    WHALEFALL_TINY, vocab_size=1000, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
    q_lora_rank=32, kv_lora_rank=32, num_attention_heads=2, qk_nope_head_dim=16,
    qk_rope_head_dim=16, v_head_dim=16, moe_intermediate_size=32, n_routed_experts=4,
    index_head_dim=16, index_n_heads=2, max_position_embeddings=128,
)  # fmt: skip
_VOCABULARY = SubVocabulary((7, 0, 1, 999, 500), full_size=1000)


_FORMS = TokenForms(torch.arange(1000) % 2, torch.arange(1000) // 2)
_SEED = 5


@pytest.fixture
def run() -> TrainedRun:
    model = DeepseekV32ForCausalLM(model_with_rows(_CONFIG, _VOCABULARY.num_rows))
    model.initialize(seed=1, std=0.1)
    torch.nn.init.constant_(model.model.norm.weight, _CONFIG.hidden_size**-0.5)
    rare_rows = RareRows(_VOCABULARY, _FORMS, _CONFIG.hidden_size, _SEED)
    return TrainedRun(model.requires_grad_(False), _VOCABULARY, rare_rows)


def test_exported_model_gives_the_trained_probabilities(run: TrainedRun, tmp_path: Path) -> None:
    export(run, _CONFIG, tmp_path)
    served, config = load_model(tmp_path)
    assert config.vocab_size == 1000
    ids = torch.tensor([7, 999, 3, 500, 4, 1])
    rows, rare_ids = _VOCABULARY.rows(ids)
    table = run.rare_rows.table(run.model.model.embed_tokens.weight, rare_ids)
    hidden = run.model.forward_embedded(table[rows].unsqueeze(0))[0]
    expected = run.rare_rows.logits(hidden, table, rare_ids).log_softmax(-1)
    logits = served.compute_logits(served.forward_dense(ids.unsqueeze(0))[0])
    served_ids = [*_VOCABULARY.token_ids, *rare_ids.tolist()]
    assert (logits.log_softmax(-1)[:, served_ids] - expected[:, NUM_FORMS:]).abs().max() < 1.0


def test_exported_directory_is_complete_and_native_fp8(run: TrainedRun, tmp_path: Path) -> None:
    export(run, _CONFIG, tmp_path)
    description = describe(tmp_path)
    assert description.problems == ()
    assert description.num_parameters == description.num_expected
    assert description.dtypes["F8_E4M3"] > 0.8 * description.num_parameters


def test_exporting_twice_leaves_the_second_only(run: TrainedRun, tmp_path: Path) -> None:
    export(run, _CONFIG, tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    export(run, _CONFIG, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_run_is_read_back_from_its_checkpoint(run: TrainedRun, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    saved = {"model": trained_state(run.model), "token_ids": _VOCABULARY.token_ids}
    torch.save(saved, file)
    loaded = load_run(file, _CONFIG, _FORMS, _SEED)
    assert torch.equal(loaded.rare_rows.directions, run.rare_rows.directions)
    assert loaded.vocabulary == _VOCABULARY
    ids = torch.tensor([[1, 2, 3]])
    assert torch.equal(loaded.model.forward_dense(ids), run.model.forward_dense(ids))


def test_training_goes_on_from_an_export(run: TrainedRun, tmp_path: Path) -> None:
    """A row that was trained has moved far from the one that would be computed for it."""
    embedding = run.model.model.embed_tokens.weight
    embedding[NUM_FORMS:] += torch.randn(len(_VOCABULARY.token_ids), _CONFIG.hidden_size)
    trained = trained_state(run.model)
    export(run, _CONFIG, tmp_path)
    state = state_of_export(tmp_path, _FORMS, _SEED)
    assert state["token_ids"] == tuple(sorted(_VOCABULARY.token_ids))
    assert set(state["model"]) == set(trained)
    table = state["model"]["model.embed_tokens.weight"]
    order = [_VOCABULARY.token_ids.index(token_id) for token_id in state["token_ids"]]
    expected = torch.cat((embedding[:2], embedding[NUM_FORMS:][order]))
    assert ((table[[0, 1, *range(NUM_FORMS, len(table))]] - expected).norm(dim=1) < 0.6).all()
    name = "model.layers.1.self_attn.o_proj.weight"
    assert (state["model"][name] - trained[name]).abs().max() < 0.1 * trained[name].abs().max()


def test_export_of_another_seed_is_refused(run: TrainedRun, tmp_path: Path) -> None:
    export(run, _CONFIG, tmp_path)
    with pytest.raises(ValueError, match="do not come from a run with the seed 6"):
        state_of_export(tmp_path, _FORMS, _SEED + 1)
