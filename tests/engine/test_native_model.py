"""The whole model on native kernels: what PyTorch says, and the same bits however computed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.support.native import native
from tests.support.tiny_model import (
    TINY_V2_LITE,
    TINY_V3,
    TINY_V32,
    PagedDriver,
    random_tokens,
    tiny_model,
)
from whalefall.engine.config import ModelConfig
from whalefall.engine.models.batch import Selections

FAMILY = pytest.mark.parametrize(
    "config", [TINY_V32, TINY_V3, TINY_V2_LITE], ids=["v3.2", "v3", "v2-lite"]
)
NUM_TOKENS = 150


@FAMILY
def test_same_choices_and_values_as_pytorch(config: ModelConfig) -> None:
    tokens = random_tokens(config, NUM_TOKENS)
    plain, fast = tiny_model(config), tiny_model(config)
    fast.freeze(native())
    expected, chosen = Selections(), Selections()
    drivers = PagedDriver(plain), PagedDriver(fast, poison=True)
    (hidden,) = drivers[0].step([(drivers[0].sequence(NUM_TOKENS), tokens)], expected)
    (mine,) = drivers[1].step([(drivers[1].sequence(NUM_TOKENS), tokens)], chosen)
    assert torch.allclose(mine, hidden, atol=2e-5)
    with torch.no_grad():
        logits = plain.compute_logits(hidden)
    assert torch.allclose(fast.compute_logits(mine), logits, atol=2e-5)
    assert chosen.expert_ids.keys() == expected.expert_ids.keys()
    for layer, ids in expected.expert_ids.items():
        assert torch.equal(chosen.expert_ids[layer], ids)
    for layer, positions in expected.key_positions.items():
        assert torch.equal(chosen.key_positions[layer], positions)


@FAMILY
def test_whole_layers_equal_their_kernels_one_by_one(config: ModelConfig) -> None:
    """Whoever records choices goes kernel by kernel, and finds the bits of the whole layer."""
    model, tokens = tiny_model(config), random_tokens(config, NUM_TOKENS)
    model.freeze(native())
    whole, parts = PagedDriver(model, poison=True), PagedDriver(model, poison=True)
    one, other = whole.sequence(NUM_TOKENS), parts.sequence(NUM_TOKENS)
    for chunk in (tokens[:100], tokens[100:101], tokens[101:]):
        (expected,) = parts.step([(other, chunk)], Selections())
        assert torch.equal(whole.step([(one, chunk)])[0], expected)
    written = whole.cache.latent[: config.num_hidden_layers, one.block_table].flatten(1, 2)
    same = parts.cache.latent[: config.num_hidden_layers, other.block_table].flatten(1, 2)
    assert torch.equal(written[:, :NUM_TOKENS], same[:, :NUM_TOKENS])


@FAMILY
@pytest.mark.parametrize(
    "chunks", [[1] * NUM_TOKENS, [64, 64, 22], [7, 100, 1, 42], [149, 1]], ids=len
)
def test_chunks_change_no_bit(config: ModelConfig, chunks: list[int]) -> None:
    model, tokens = tiny_model(config), random_tokens(config, NUM_TOKENS)
    model.freeze(native())
    whole = PagedDriver(model).run_alone(tokens, [NUM_TOKENS])
    assert torch.equal(PagedDriver(model, poison=True).run_alone(tokens, chunks), whole)


def test_company_of_other_lengths_changes_no_bit() -> None:
    """Decodes on both sides of index_topk run as one ragged group each."""
    model = tiny_model()
    model.freeze(native())
    prompts = [random_tokens(TINY_V32, n, seed=n) for n in (2, 5, 66, 130, 64, 33, 300)]
    alone = [PagedDriver(model).run_alone(tokens, [len(tokens)])[-1] for tokens in prompts]
    driver = PagedDriver(model, poison=True)
    work = [(driver.sequence(len(tokens)), tokens) for tokens in prompts]
    driver.step([(sequence, tokens[:-1]) for sequence, tokens in work])
    last = driver.step([(sequence, tokens[-1:]) for sequence, tokens in work])
    for mine, theirs in zip(last, alone, strict=True):
        assert torch.equal(mine[0], theirs)


def test_injected_choices_are_followed() -> None:
    model, tokens = tiny_model(), random_tokens(TINY_V32, NUM_TOKENS)
    model.freeze(native())
    recorded = Selections()
    free = PagedDriver(model)
    (hidden,) = free.step([(free.sequence(NUM_TOKENS), tokens)], recorded)
    told = PagedDriver(model)
    (followed,) = told.step([(told.sequence(NUM_TOKENS), tokens)], recorded.injected())
    assert torch.equal(followed, hidden)


def test_mtp_and_dense_pass() -> None:
    config = replace(TINY_V32, tie_word_embeddings=True)
    model, tokens = tiny_model(config), random_tokens(config, 81)
    current, following = torch.tensor(tokens[:-1]), torch.tensor(tokens[1:])
    model.freeze(native())
    driver = PagedDriver(model)
    sequence = driver.sequence(80)
    batch = driver.batch([(sequence, tokens[:-1])])
    (hidden,) = driver.step([(sequence, tokens[:-1])])
    drafted = model.mtp_forward(batch, hidden, following, driver.cache)
    with torch.no_grad():
        dense = model.forward_dense(current[None])
        assert torch.allclose(hidden, dense[0], atol=2e-5)
        expected = model.mtp_forward_dense(dense, following[None])[0]
    assert torch.allclose(drafted, expected, atol=2e-5)


def test_another_dtype_goes_back_to_pytorch() -> None:
    model = tiny_model()
    model.freeze(native())
    model.set_dtype(torch.bfloat16)
    driver = PagedDriver(model, dtype=torch.bfloat16)
    assert driver.run_alone(random_tokens(TINY_V32, 20), [20]).dtype == torch.bfloat16
