"""The engine against transformers' own models, from one checkpoint on disk, in fp32.

Two discrete choices (experts, keys) make a plain comparison of V3.2's logits meaningless: a near
tie decided the other way changes all that follows. Logits are compared with transformers' choices
followed; the choices are compared alone, on equal inputs, and may differ at (near) ties only."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers.modeling_layers import MtpLayer

from bench.parity import KINDS, Parity, hugging_face_model, load_saved, measure
from whalefall.engine.loader import load_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", params=KINDS)
def parity(request: pytest.FixtureRequest) -> Parity:
    """One comparison of each kind, shared by the tests: importing and building takes a while."""
    return measure(request.param)


def test_logits_agree_with_the_same_choices(parity: Parity) -> None:
    assert parity.injected < 1e-4
    assert parity.logit_std > 0.5


def test_logits_served_from_pages_agree_with_the_same_choices(parity: Parity) -> None:
    assert parity.paged < 1e-4


def test_each_layer_agrees_on_the_same_input(parity: Parity) -> None:
    assert parity.attention < 1e-5
    assert parity.layer < 5e-5


def test_choices_differ_at_ties_only(parity: Parity) -> None:
    assert parity.num_choices > 0
    assert parity.worst_gap < 1e-5
    assert parity.num_differing_choices <= 0.05 * parity.num_choices


def test_without_differing_choices_the_engine_needs_no_telling(parity: Parity) -> None:
    if parity.num_differing_choices == 0:
        assert parity.free < 1e-4
        assert parity.argmax_agreement == 1.0


def test_mtp_layer_agrees_with_the_one_of_transformers(tmp_path: Path) -> None:
    """Embedding first, hidden state after the final norm, own block, own norm."""
    reference = hugging_face_model("v3")
    kinds = type(reference.model.layers[3]), type(reference.model.norm)
    theirs = MtpLayer(reference.config, *kinds, layer_idx=3).eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in theirs.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, 0.08, generator=generator)
        else:
            parameter.data.uniform_(0.5, 1.5, generator=generator)
    reference.save_pretrained(tmp_path)
    save_file(_mtp_tensors(theirs.state_dict()), tmp_path / "mtp.safetensors")
    model, config = load_model(tmp_path)
    assert config.num_nextn_predict_layers == 1
    tokens = torch.randint(0, 512, (1, 81), generator=generator)
    with torch.no_grad():
        hidden = reference.model(tokens[:, :-1]).last_hidden_state
        positions = torch.arange(80)[None]
        expected = theirs(
            reference.model.embed_tokens(tokens[:, 1:]),
            hidden,
            position_embeddings=reference.model.rotary_emb(hidden, position_ids=positions),
            attention_mask=None,
            position_ids=positions,
            past_key_values=None,
        )
        own = model.mtp_forward_dense(hidden, tokens[:, 1:])
    assert float((own - expected).abs().max()) < 1e-4
    assert float(expected.std()) > 0.3


def _mtp_tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """transformers' names of an MTP layer -> the checkpoint's, experts one by one."""
    tensors = {}
    for name, tensor in state.items():
        plain = name.replace("mtp_block.", "").replace("post_norm", "shared_head.norm")
        if "experts." in plain and "shared" not in plain:
            for expert, weight in enumerate(tensor):
                halves = ("gate", "up") if plain.endswith("gate_up_proj") else ("down",)
                for half, part in zip(halves, weight.chunk(len(halves)), strict=True):
                    tensors[f"mlp.experts.{expert}.{half}_proj.weight"] = part.clone()
        else:
            tensors[plain] = tensor
    return {f"model.layers.4.{name}": tensor for name, tensor in tensors.items()}


def test_bfloat16_stays_close_to_float32(tmp_path: Path) -> None:
    """V3: the likeliest tokens mostly stay, and logits move by a few hundredths of their spread."""
    model = load_saved(hugging_face_model("v3"), tmp_path)
    tokens = torch.randint(0, 512, (1, 100), generator=torch.Generator().manual_seed(0))

    def logits() -> Tensor:
        with torch.no_grad():
            return model.compute_logits(model.forward_dense(tokens))[0]

    exact = logits()
    model.set_dtype(torch.bfloat16)
    rounded = logits()
    row_error = (rounded - exact).abs().max(-1).values
    assert float(row_error.median()) < 0.1 * float(exact.std())
    assert float((rounded.argmax(-1) == exact.argmax(-1)).float().mean()) > 0.8
