"""How much a query would like to attend to each key, by the lightning indexer's small heads."""

from __future__ import annotations

from torch import Tensor

from whalefall.engine.kernels.row_padding import pad_rows


def indexer_scores(query: Tensor, key: Tensor, head_weights: Tensor) -> Tensor:
    """query [..., T, H, D], key [..., S, D], head_weights fp32 [..., T, H] -> fp32 [..., T, S].

    score[t, s] = sum over h of head_weights[t, h] * relu(query[t, h] . key[s]), heads added in
    ascending order. head_weights carry both scales, H^-0.5 and D^-0.5 (positive, so they commute
    with relu). Causality is the caller's. The Hadamard rotation of the published kernels is left
    out: it is orthogonal, so without FP8 rounding it changes no product."""
    T, H, D = query.shape[-3:]
    assert key.shape[-1] == D
    assert head_weights.shape[-2:] == (T, H)
    rows = pad_rows(query.float().flatten(-3, -2))
    flat = (rows @ key.float().transpose(-1, -2))[..., : T * H, :]
    products = flat.reshape(*flat.shape[:-2], T, H, -1).relu()
    scores = products[..., 0, :] * head_weights[..., 0, None]
    for head in range(1, H):
        scores = scores + products[..., head, :] * head_weights[..., head, None]
    return scores
