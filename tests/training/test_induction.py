"""A fresh model looks back: one token, and to where the present token stood before."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.induction import subspaces, write_induction
from training.recipe import WHALEFALL_TINY, model_with_rows
from training.trainer import start_quietly
from training.vocabulary import unit
from whalefall.engine.models.deepseek_v32 import DecoderLayer, DeepseekV32ForCausalLM

_ROW = 40


@pytest.fixture(scope="module")
def constant() -> Tensor:
    return 6 * unit(torch.randn(256, generator=torch.Generator().manual_seed(5)))


@pytest.fixture(scope="module")
def model(constant: Tensor) -> DeepseekV32ForCausalLM:
    model = DeepseekV32ForCausalLM(model_with_rows(WHALEFALL_TINY, 10))
    model.initialize(seed=1)
    start_quietly(model)
    write_induction(model, constant, seed=1)
    return model


def _directions(constant: Tensor, count: int) -> Tensor:
    axis = unit(constant)
    drawn = torch.randn(count, 256, generator=torch.Generator().manual_seed(9))
    return unit(drawn - (drawn @ axis).unsqueeze(-1) * axis)


def _added(layer: DecoderLayer, model: DeepseekV32ForCausalLM, hidden: Tensor) -> Tensor:
    """What a layer's attention adds to hidden [1, T, d]."""
    rotation = model.rotary.at(torch.arange(hidden.shape[1]))
    return layer.self_attn.forward_dense(layer.input_layernorm(hidden), rotation)[0]


@torch.no_grad()
def test_what_follows_an_earlier_occurrence_is_foretold(
    model: DeepseekV32ForCausalLM, constant: Tensor
) -> None:
    directions = _directions(constant, _ROW)
    hidden = (constant + 14 * torch.cat((directions, directions))).unsqueeze(0)
    first, second = model.decoder_layers[:2]
    hidden = hidden + _added(first, model, hidden)
    copied = _added(second, model, hidden)[0, _ROW:-1]
    foretold = (copied @ directions.T).argmax(-1)
    assert (foretold == torch.arange(1, _ROW)).float().mean() > 0.95


def test_subspaces_share_no_direction(constant: Tensor) -> None:
    spaces = subspaces(constant, width=64, seed=3)
    rows = torch.cat((spaces.constant.unsqueeze(0), spaces.asked, spaces.previous, spaces.copied))
    assert rows.shape == (256, 256)
    assert torch.allclose(rows @ rows.T, torch.eye(256), atol=1e-5)
    assert spaces.constant @ constant > 5.9
