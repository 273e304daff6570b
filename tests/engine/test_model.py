"""The model by itself: dense and paged passes agree, and what must not matter does not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.support.tiny_model import (
    TINY_V2_LITE,
    TINY_V3,
    TINY_V32,
    PagedDriver,
    random_tokens,
    tiny_model,
)
from whalefall.engine.config import ModelConfig
from whalefall.engine.layers.mla import MLA
from whalefall.engine.models.batch import Selections
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM, DenseProbe

FAMILY = pytest.mark.parametrize(
    "config", [TINY_V32, TINY_V3, TINY_V2_LITE], ids=["v3.2", "v3", "v2-lite"]
)
NUM_TOKENS = 150
"""More than twice index_topk, and not a multiple of anything."""


def dense(
    model: DeepseekV32ForCausalLM, tokens: list[int], selections: Selections | None = None
) -> Tensor:
    with torch.no_grad():
        return model.forward_dense(torch.tensor([tokens]), selections=selections)[0]


@FAMILY
def test_paged_pass_equals_dense_pass(config: ModelConfig) -> None:
    """Absorbed over gathered pages against expanded over whole sequences."""
    model, tokens = tiny_model(config), random_tokens(config, NUM_TOKENS)
    paged = PagedDriver(model).run_alone(tokens, [70, 1, 60, 19])
    assert torch.allclose(paged, dense(model, tokens), atol=2e-5)


@FAMILY
@pytest.mark.parametrize(
    "chunks", [[1] * NUM_TOKENS, [64, 64, 22], [7, 100, 1, 42], [149, 1]], ids=len
)
def test_chunks_change_no_bit(config: ModelConfig, chunks: list[int]) -> None:
    model, tokens = tiny_model(config), random_tokens(config, NUM_TOKENS)
    whole = PagedDriver(model).run_alone(tokens, [NUM_TOKENS])
    assert torch.equal(PagedDriver(model, poison=True).run_alone(tokens, chunks), whole)


@FAMILY
def test_company_changes_no_bit(config: ModelConfig) -> None:
    """Prompts and decodes of six lengths in one batch, each side of index_topk."""
    model = tiny_model(config)
    prompts = [random_tokens(config, n, seed=n) for n in (5, 66, 130, 64, 33, 90)]
    alone = [PagedDriver(model).run_alone(tokens, [len(tokens)]) for tokens in prompts]
    driver = PagedDriver(model, poison=True)
    work = [(driver.sequence(len(tokens)), tokens) for tokens in prompts]
    parts = [[part] for part in driver.step([(s, tokens[:-3]) for s, tokens in work[:4]])]
    mixed = [(s, tokens[-3:-2]) for s, tokens in work[:4]]
    mixed += [(s, tokens[:-2]) for s, tokens in work[4:]]
    for index, part in enumerate(driver.step(mixed)):
        if index < 4:
            parts[index].append(part)
        else:
            parts.append([part])
    for place in (-2, -1):
        for index, part in enumerate(driver.step([(s, [t[place]]) for s, t in work])):
            parts[index].append(part)
    for mine, theirs in zip(parts, alone, strict=True):
        assert torch.equal(torch.cat(mine), theirs)


def test_logits_of_a_row_do_not_depend_on_the_other_rows() -> None:
    model = tiny_model()
    hidden = torch.randn(21, 64)
    with torch.no_grad():
        together = model.compute_logits(hidden)
        assert together.dtype == torch.float32
        assert torch.equal(model.compute_logits(hidden[3:4]), together[3:4])
        assert torch.equal(model.compute_logits(hidden[5:18]), together[5:18])


def test_bfloat16_is_batch_invariant_too() -> None:
    model = tiny_model()
    model.set_dtype(torch.bfloat16)
    tokens = random_tokens(model.config, 100)
    whole = PagedDriver(model, dtype=torch.bfloat16).run_alone(tokens, [100])
    parts = PagedDriver(model, dtype=torch.bfloat16).run_alone(tokens, [70, 9, 1, 1, 19])
    assert whole.dtype == torch.bfloat16
    assert torch.equal(whole, parts)


def test_choices_stay_in_fp32_when_the_model_does_not() -> None:
    model = tiny_model()
    model.set_dtype(torch.bfloat16)
    state = model.state_dict()
    kept = {name for name, tensor in state.items() if tensor.dtype == torch.float32}
    kinds = {name.split(".", 3)[-1].replace("indexer.", "") for name in kept}
    assert kinds == {
        "mlp.gate.weight",
        "mlp.gate.e_score_correction_bias",
        "self_attn.weights_proj.weight",
        "self_attn.k_norm.weight",
        "self_attn.k_norm.bias",
    }


def test_topk_as_long_as_the_sequence_is_dense_attention() -> None:
    """The same weights without an indexer give the same bits."""
    sparse = tiny_model(replace(TINY_V32, index_topk=NUM_TOKENS))
    plain = DeepseekV32ForCausalLM(TINY_V3)
    weights = {k: v for k, v in sparse.state_dict().items() if ".indexer." not in k}
    plain.load_state_dict(weights)
    tokens = random_tokens(TINY_V32, NUM_TOKENS)
    with_indexer = PagedDriver(sparse).run_alone(tokens, [100, 50])
    assert torch.equal(PagedDriver(plain).run_alone(tokens, [100, 50]), with_indexer)
    assert torch.equal(dense(plain, tokens), dense(sparse, tokens))


def test_sparse_attention_reads_the_selected_keys_only() -> None:
    """Everything a query did not select is made NaN behind its back; nothing happens."""
    model, tokens = tiny_model(), random_tokens(TINY_V32, 131)
    expected = PagedDriver(model).run_alone(tokens, [130, 1])[-1]
    driver = PagedDriver(model)
    sequence = driver.sequence(131)
    driver.step([(sequence, tokens[:130])])
    selections = Selections()
    batch = driver.batch([(sequence, tokens[130:])])
    clean = driver.cache.latent.clone()
    model(batch, driver.cache, selections)
    driver.cache.latent.copy_(clean)
    for layer in range(3):
        chosen = set(selections.key_positions[layer][0].tolist())
        assert len(chosen) == 64
        for position in set(range(130)) - chosen:
            block = sequence.block_table[position // 64]
            driver.cache.latent[layer, block, position % 64] = math.nan
            driver.cache.rope_key[layer, block, position % 64] = math.nan
    (hidden,) = driver.step([(sequence, tokens[130:])])
    assert torch.equal(hidden[0], expected)


@pytest.mark.parametrize("config", [TINY_V32, TINY_V2_LITE], ids=["latent", "plain"])
def test_absorbed_attention_equals_expanded_attention(config: ModelConfig) -> None:
    model = tiny_model(config)
    layer = model.decoder_layers[1].self_attn
    T = 50
    x = torch.randn(T, config.hidden_size)
    rotation = model.rotary.at(torch.arange(T))
    with torch.no_grad():
        expanded, _ = layer.forward_dense(x[None], rotation)
        query_latent = layer.query_latent(x)
        q_nope, q_rope = layer.queries(query_latent, rotation)
        latent, rope_key = layer.latents(x, rotation)
        absorbed = absorbed_by_hand(layer, q_nope, q_rope, latent, rope_key)
    assert torch.allclose(absorbed, expanded[0], atol=1e-5)


def absorbed_by_hand(
    layer: MLA, q_nope: Tensor, q_rope: Tensor, latent: Tensor, rope_key: Tensor
) -> Tensor:
    weight = layer.kv_b_proj.weight.view(layer.num_heads, -1, layer.kv_lora_rank)
    up_key, up_value = weight.split_with_sizes([layer.nope_dim, layer.v_dim], dim=1)
    q_latent = torch.einsum("thn,hnr->thr", q_nope, up_key)
    scores = torch.einsum("thr,sr->hts", q_latent, latent)
    scores = (scores + torch.einsum("thd,sd->hts", q_rope, rope_key)) * layer.scale
    T = latent.shape[0]
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    probs = scores.masked_fill(future, -math.inf).softmax(-1)
    values = torch.einsum("hts,sr,hvr->thv", probs, latent, up_value)
    return layer.o_proj(values.flatten(1))


def test_recorded_choices_followed_give_the_same_result() -> None:
    model, tokens = tiny_model(), random_tokens(TINY_V32, NUM_TOKENS)
    recorded = Selections()
    free = dense(model, tokens, recorded)
    assert set(recorded.expert_ids) == {1, 2}
    assert set(recorded.key_positions) == {0, 1, 2}
    assert torch.equal(dense(model, tokens, recorded.injected()), free)
    paged_record, driver = Selections(), PagedDriver(model)
    sequence = driver.sequence(NUM_TOKENS)
    (paged,) = driver.step([(sequence, tokens)], paged_record)
    for layer in (1, 2):
        assert torch.equal(paged_record.expert_ids[layer], recorded.expert_ids[layer])
    assert torch.equal(paged_record.key_positions[0], recorded.key_positions[0])
    again = PagedDriver(model)
    (followed,) = again.step([(again.sequence(NUM_TOKENS), tokens)], paged_record.injected())
    assert torch.equal(followed, paged)


def test_other_choices_are_followed_even_when_they_are_bad() -> None:
    model, tokens = tiny_model(), random_tokens(TINY_V32, NUM_TOKENS)
    recorded = Selections()
    free = dense(model, tokens, recorded)
    told = recorded.injected()
    told.expert_ids = {layer: torch.arange(4).expand_as(i) for layer, i in told.expert_ids.items()}
    assert not torch.allclose(dense(model, tokens, told), free, atol=1e-2)


def test_mtp_fills_its_own_pages_and_agrees_with_the_dense_form() -> None:
    model, tokens = tiny_model(), random_tokens(TINY_V32, 101)
    current, following = torch.tensor(tokens[:-1]), torch.tensor(tokens[1:])
    with torch.no_grad():
        hidden = model.forward_dense(current[None])
        expected = model.mtp_forward_dense(hidden, following[None])[0]
    for chunks in ([100], [65, 35], [40, 1, 59]):
        driver, parts, start = PagedDriver(model, poison=True), [], 0
        sequence = driver.sequence(100)
        for length in chunks:
            batch = driver.batch([(sequence, tokens[start : start + length])])
            (hidden_paged,) = driver.step([(sequence, tokens[start : start + length])])
            after = following[start : start + length]
            parts.append(model.mtp_forward(batch, hidden_paged, after, driver.cache))
            start += length
        assert torch.allclose(torch.cat(parts), expected, atol=2e-5)


def test_mtp_shares_embedding_and_head() -> None:
    model = tiny_model()
    mtp = model.mtp_layer
    assert mtp is not None
    assert mtp.embed_tokens.weight is model.model.embed_tokens.weight
    assert mtp.shared_head.head.weight is model.lm_head.weight
    tied = tiny_model(replace(TINY_V32, tie_word_embeddings=True))
    assert tied.lm_head.weight is tied.model.embed_tokens.weight


def test_gradients_reach_every_parameter_and_the_probe_sees_the_load() -> None:
    config = replace(TINY_V32, index_topk=256, num_experts_per_tok=8)
    model = tiny_model(config).train()
    tokens = torch.tensor([random_tokens(config, 40), random_tokens(config, 40, seed=1)])
    probe = DenseProbe(wants_indexer=True)
    hidden = model.forward_dense(tokens, probe=probe)
    mtp_probe = DenseProbe(wants_indexer=True)
    drafted = model.mtp_forward_dense(hidden[:, :-1], tokens[:, 1:], probe=mtp_probe)
    loss = model.compute_logits(hidden).square().mean() + drafted.square().mean()
    for seen in (*probe.indexers.values(), *mtp_probe.indexers.values()):
        real = seen.index_scores[seen.index_scores.isfinite()]
        loss = loss + real.square().mean()
        assert not seen.attention_probs.requires_grad
        assert torch.allclose(seen.attention_probs.sum(-1), torch.ones(1))
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    for name, gradient in zip(parameters, gradients, strict=True):
        assert ".experts." in name or float(gradient.abs().sum()) > 0, name
    assert sorted(probe.expert_counts) == [1, 2]
    for counts in probe.expert_counts.values():
        assert counts.shape == (16,)
        assert int(counts.sum()) == 2 * 40 * 8


def test_same_seed_gives_the_same_weights() -> None:
    one, same, other = tiny_model(seed=3), tiny_model(seed=3), tiny_model(seed=4)
    for (name, a), b in zip(one.named_parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b), name
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)
