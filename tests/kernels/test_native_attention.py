"""The native kernels over pages, and those of single rows, against their PyTorch twins."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from tests.support.native import native
from whalefall.engine.kernels.kernel_set import REFERENCE

SLOTS = 700


@dataclass(frozen=True)
class Keys:
    """G sequences with Q queries each over scattered slots; what nobody sees is NaN."""

    slots: Tensor
    counts: Tensor

    @classmethod
    def random(cls, groups: int, queries: int, most: int) -> Keys:
        slots = torch.stack([torch.randperm(SLOTS)[:most] for _ in range(groups)])
        counts = torch.randint(1, most + 1, (groups * queries,))
        return cls(slots, counts)

    def poisoned(self, cache: Tensor) -> Tensor:
        seen = torch.zeros(SLOTS, dtype=torch.bool)
        per_group = self.counts.view(self.slots.shape[0], -1).amax(1)
        for row, count in zip(self.slots, per_group.tolist(), strict=True):
            seen[row[:count]] = True
        return cache.masked_fill(~seen[:, None], torch.nan)

    def query(self, index: int) -> Keys:
        group = index * self.slots.shape[0] // self.counts.shape[0]
        return Keys(self.slots[group : group + 1], self.counts[index : index + 1])


CASES = [(1, 1, 1), (1, 1, 200), (5, 1, 65), (3, 4, 130), (1, 33, 64)]


@pytest.mark.parametrize(("groups", "queries", "most"), CASES)
@pytest.mark.parametrize(("heads", "rank", "rope"), [(4, 192, 32), (8, 32, 16), (3, 20, 6)])
def test_attention(groups: int, queries: int, most: int, heads: int, rank: int, rope: int) -> None:
    keys, N = Keys.random(groups, queries, most), groups * queries
    query = torch.randn(N, heads, rank), torch.randn(N, heads, rope)
    cache = torch.randn(SLOTS, rank), torch.randn(SLOTS, rope)
    poisoned = keys.poisoned(cache[0]), keys.poisoned(cache[1])
    out = native().paged_mla_attention(query, poisoned, keys.slots, keys.counts, 0.2)
    twin = REFERENCE.paged_mla_attention(query, cache, keys.slots, keys.counts, 0.2)
    assert torch.allclose(out, twin, atol=2e-5)
    for index in range(N):
        one = keys.query(index)
        part = query[0][index : index + 1], query[1][index : index + 1]
        alone = native().paged_mla_attention(part, cache, one.slots, one.counts, 0.2)
        assert torch.equal(alone[0], out[index])


def test_attention_of_nobody() -> None:
    empty = torch.empty(0, 4, 32), torch.empty(0, 4, 16)
    cache = torch.randn(8, 32), torch.randn(8, 16)
    none = torch.empty(0, 5, dtype=torch.int64), torch.empty(0, dtype=torch.int64)
    assert native().paged_mla_attention(empty, cache, *none, 1.0).shape == (0, 4, 32)


def test_attention_with_large_and_small_scores() -> None:
    keys = Keys.random(2, 2, 150)
    query = torch.randn(4, 4, 32) * 40, torch.randn(4, 4, 16)
    cache = torch.randn(SLOTS, 32), torch.randn(SLOTS, 16)
    out = native().paged_mla_attention(query, cache, keys.slots, keys.counts, 1.0)
    twin = REFERENCE.paged_mla_attention(query, cache, keys.slots, keys.counts, 1.0)
    assert torch.allclose(out, twin, atol=1e-3)


@pytest.mark.parametrize(("groups", "queries", "most"), CASES)
@pytest.mark.parametrize(("heads", "width"), [(4, 64), (6, 20), (1, 16)])
def test_indexer_scores(groups: int, queries: int, most: int, heads: int, width: int) -> None:
    keys, N = Keys.random(groups, queries, most), groups * queries
    query, head_weights = torch.randn(N, heads, width), torch.randn(N, heads)
    cache = torch.randn(SLOTS, width)
    arguments = query, head_weights, keys.poisoned(cache), keys.slots, keys.counts
    out = native().paged_indexer_scores(*arguments)
    twin = REFERENCE.paged_indexer_scores(query, head_weights, cache, keys.slots, keys.counts)
    assert torch.allclose(out, twin, atol=1e-4)
    assert torch.equal(out == -torch.inf, torch.arange(most) >= keys.counts[:, None])


@pytest.mark.parametrize("k", [1, 7, 64, 300])
@pytest.mark.parametrize("size", [1, 40, 64, 257, 1000])
def test_top_k(k: int, size: int) -> None:
    scores = torch.randn(9, size)
    scores[1] = scores[1].round()  # many equals
    scores[2] = 0.0
    scores[2, ::2] = -0.0
    scores[3, size // 2 :] = -torch.inf
    scores[4] = -torch.inf
    scores[5] = scores[5].abs() * 1e-40
    out = native().select_top_k(scores, k)
    assert torch.equal(out, REFERENCE.select_top_k(scores, k))
    assert torch.equal(native().select_top_k(scores[:0], k), out[:0])


@pytest.mark.parametrize("width", [1, 19, 64, 192])
def test_rms_norm(width: int) -> None:
    x, weight = torch.randn(33, width + 5)[:, 2 : 2 + width], torch.randn(width)
    out = native().rms_norm(x, weight, 1e-6)
    assert torch.allclose(out, REFERENCE.rms_norm(x, weight, 1e-6), atol=1e-5)
    for row in range(33):
        assert torch.equal(native().rms_norm(x[row : row + 1], weight, 1e-6)[0], out[row])
    assert native().rms_norm(x[:0], weight, 1e-6).shape == (0, width)


@pytest.mark.parametrize("width", [1, 19, 64])
def test_layer_norm(width: int) -> None:
    x = torch.randn(33, width + 5)[:, 2 : 2 + width] + 3
    weight, bias = torch.randn(width), torch.randn(width)
    out = native().layer_norm(x, weight, bias, 1e-6)
    assert torch.allclose(out, REFERENCE.layer_norm(x, weight, bias, 1e-6), atol=1e-4)
    for row in range(33):
        assert torch.equal(native().layer_norm(x[row : row + 1], weight, bias, 1e-6)[0], out[row])


@pytest.mark.parametrize("half", [1, 8, 13])
def test_rotary(half: int) -> None:
    angles = torch.rand(7, half)
    cos, sin = angles.cos(), angles.sin()
    wide = torch.randn(7, 3, 2 * half + 9)
    for x in (wide[..., 5 : 5 + 2 * half], wide[:, 0, : 2 * half]):
        turn = (cos.unsqueeze(1), sin.unsqueeze(1)) if x.dim() == 3 else (cos, sin)
        for name in ("rotary_interleaved", "rotary_half_split"):
            out, twin = getattr(native(), name)(x, *turn), getattr(REFERENCE, name)(x, *turn)
            assert torch.allclose(out, twin, atol=1e-6)
    out = native().rotary_half_split(wide, cos.unsqueeze(1), sin.unsqueeze(1))
    twin = REFERENCE.rotary_half_split(wide, cos.unsqueeze(1), sin.unsqueeze(1))
    assert torch.allclose(out, twin, atol=1e-6)
    assert torch.equal(out[..., 2 * half :], wide[..., 2 * half :])


def test_rotary_of_several_sequences_at_once() -> None:
    x, angles = torch.randn(2, 5, 3, 16), torch.rand(5, 1, 8)
    turn = angles.cos(), angles.sin()
    out = native().rotary_interleaved(x, *turn)
    assert torch.allclose(out, REFERENCE.rotary_interleaved(x, *turn), atol=1e-6)
