from __future__ import annotations

import torch
from torch import Tensor

from whalefall.engine.kernels.reference.indexer_scores import indexer_scores
from whalefall.engine.kernels.reference.mla_attention import KEY_TILE, mla_attention


def plain_attention(
    q_latent: Tensor, q_rope: Tensor, latent: Tensor, rope_key: Tensor, scale: float
) -> Tensor:
    """One group, every key visible, in fp64."""
    query = torch.cat((q_latent, q_rope), -1).double()
    key = torch.cat((latent, rope_key), -1).double()
    return (query @ key.T * scale).softmax(-1) @ latent.double()


def padded_keys(keys: Tensor, size: int) -> Tensor:
    return torch.cat((keys, keys[-1:].expand(size - keys.shape[0], -1)))[None]


def test_attention_is_a_softmax_over_latents_and_rope_keys() -> None:
    S = 300
    q_latent, q_rope = torch.randn(1, 12, 32), torch.randn(1, 12, 8)
    latent, rope_key = torch.randn(S, 32), torch.randn(S, 8)
    keys = padded_keys(latent, 2 * KEY_TILE), padded_keys(rope_key, 2 * KEY_TILE)
    hidden = torch.arange(2 * KEY_TILE)[None, None] >= S
    out = mla_attention((q_latent, q_rope), keys, hidden, 0.2)
    expected = plain_attention(q_latent[0], q_rope[0], latent, rope_key, 0.2)
    assert out.shape == (1, 12, 32)
    assert torch.allclose(out[0], expected.float(), atol=1e-5)


def test_hidden_tiles_and_other_rows_change_no_bit() -> None:
    q_latent, q_rope = torch.randn(3, 8, 32), torch.randn(3, 8, 8)
    latent, rope_key = torch.randn(3, 4 * KEY_TILE, 32), torch.randn(3, 4 * KEY_TILE, 8)
    seen = 100
    hidden = (torch.arange(4 * KEY_TILE) >= seen)[None, None]
    long = mla_attention((q_latent, q_rope), (latent, rope_key), hidden, 0.3)
    short = mla_attention(
        (q_latent[1:2, :4], q_rope[1:2, :4]),
        (latent[1:2, :KEY_TILE], rope_key[1:2, :KEY_TILE]),
        hidden[..., :KEY_TILE],
        0.3,
    )
    assert torch.equal(short[0], long[1, :4])


def test_each_row_has_its_own_hidden_keys() -> None:
    query = torch.randn(1, 2, 16), torch.randn(1, 2, 4)
    keys = torch.randn(1, KEY_TILE, 16), torch.randn(1, KEY_TILE, 4)
    places = torch.arange(KEY_TILE)
    hidden = torch.stack((places > 0, places > 9))[None]
    out = mla_attention(query, keys, hidden, 1.0)
    assert torch.allclose(out[0, 0], keys[0][0, 0])
    ten = plain_attention(query[0][0, 1:], query[1][0, 1:], keys[0][0, :10], keys[1][0, :10], 1.0)
    assert torch.allclose(out[0, 1:], ten.float(), atol=1e-5)


def test_indexer_score_by_hand() -> None:
    query = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    key = torch.tensor([[2.0, 3.0], [-1.0, 4.0], [-1.0, -1.0]])
    weights = torch.tensor([[10.0, -1.0]])
    scores = indexer_scores(query, key, weights)
    assert scores.tolist() == [[10 * 2 - 3, 0 - 4, 0.0]]


def test_indexer_scores_have_the_same_bits_in_any_company() -> None:
    query, key, weights = torch.randn(24, 4, 32), torch.randn(256, 32), torch.randn(24, 4)
    together = indexer_scores(query, key, weights)
    for start, end in ((0, 1), (5, 6), (3, 20)):
        some = indexer_scores(query[start:end], key[:64], weights[start:end])
        assert torch.equal(some, together[start:end, :64])
