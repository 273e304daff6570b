from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.support.tiny_model import TINY_V32, random_tokens, tiny_model
from whalefall.engine.layers.distinct_rows import distinct_rows


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_repeated_rows_are_computed_once_and_found_again(dtype: torch.dtype) -> None:
    weight = torch.randn(40, 16)[torch.randint(0, 40, (20_000,))].to(dtype)
    found = distinct_rows(weight)
    assert found is not None
    assert found.weight.shape[0] <= 40
    x = torch.randn(4, 16).to(dtype)
    whole = torch.nn.functional.linear(x, weight)
    spread = found.spread(lambda x: torch.nn.functional.linear(x, found.weight))
    assert torch.allclose(spread(x).float(), whole.float(), atol=1e-2, rtol=1e-2)
    assert torch.equal(found.weight[found.row_of], weight)


def test_rows_that_hardly_repeat_are_left_alone() -> None:
    assert distinct_rows(torch.randn(1000, 8)) is None


def test_frozen_model_says_what_it_said_before() -> None:
    """Repeated rows in the head, and matrices laid out together: the same logits."""
    model = tiny_model(replace(TINY_V32, tie_word_embeddings=True))
    with torch.no_grad():
        model.lm_head.weight[20:] = model.lm_head.weight[20].clone()
        tokens = torch.tensor([random_tokens(TINY_V32, 90)]) % 40
        before = model.compute_logits(model.forward_dense(tokens))
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.freeze()
        after = model.compute_logits(model.forward_dense(tokens))
    assert torch.allclose(before, after, atol=1e-5)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    assert torch.equal(after[..., 20:], after[..., 20:21].expand(-1, -1, 300))
