"""Batches: within their limit, complete, and in an order that a position reproduces."""

from __future__ import annotations

import random

import torch

from training.batches import BatchPlan, BatchStream, Position, is_first
from training.rendering import RenderedExample
from training.vocabulary import SubVocabulary

_PLAN = BatchPlan(window_examples=40, batch_tokens_max=64, example_tokens_max=20)
_VOCABULARY = SubVocabulary(tuple(range(50)), full_size=100)


def _rendered(index: int) -> RenderedExample:
    rng = random.Random(index)
    length = rng.randint(3, 24)
    ids = tuple(rng.randrange(100) for _ in range(length))
    return RenderedExample(ids, tuple(place > 1 for place in range(length)))


def test_batches_stay_within_the_token_limit() -> None:
    stream = BatchStream(_rendered, _VOCABULARY, _PLAN, seed=3)
    for _ in range(30):
        assert stream.next().num_tokens <= _PLAN.batch_tokens_max


def test_a_window_holds_each_short_enough_example_once() -> None:
    stream = BatchStream(_rendered, _VOCABULARY, _PLAN, seed=3)
    learnt = 0
    while stream.position.window == 0:
        learnt += int(stream.next().is_target.sum())
    examples = (_rendered(i) for i in range(_PLAN.window_examples))
    expected = sum(
        _can_be_learnt(example, place)
        for example in examples
        if len(example.token_ids) <= _PLAN.example_tokens_max
        for place in range(len(example.token_ids))
    )
    assert learnt == expected


def _can_be_learnt(example: RenderedExample, place: int) -> bool:
    token_id = example.token_ids[place]
    is_known = token_id < 50 or token_id in example.token_ids[:place]
    return example.is_target[place] and is_known


def test_a_stream_resumed_at_a_position_goes_on_alike() -> None:
    stream = BatchStream(_rendered, _VOCABULARY, _PLAN, seed=3)
    for _ in range(13):
        stream.next()
    position = Position(stream.position.window, stream.position.batch)
    resumed = BatchStream(_rendered, _VOCABULARY, _PLAN, seed=3)
    resumed.position = position
    for _ in range(20):
        one, other = stream.next(), resumed.next()
        assert torch.equal(one.rows, other.rows)
        assert torch.equal(one.is_target, other.is_target)


def test_halves_are_the_batch() -> None:
    batch = BatchStream(_rendered, _VOCABULARY, _PLAN, seed=3).next()
    halves = batch.halves()
    assert torch.equal(torch.cat([half.rows for half in halves]), batch.rows)
    assert torch.equal(torch.cat([half.is_target for half in halves]), batch.is_target)


def test_first_occurrences_are_found() -> None:
    ids = torch.tensor([[5, 7, 5, 5, 7, 1]])
    assert is_first(ids).tolist() == [[True, True, False, False, False, True]]
