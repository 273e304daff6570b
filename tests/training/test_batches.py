"""Batches: within their limit, complete, and in an order that a position reproduces."""

from __future__ import annotations

import random

import torch

from training.batches import BatchPlan, BatchStream, Position
from training.rendering import RenderedExample
from training.vocabulary import SubVocabulary

_PLAN = BatchPlan(seed=3, window_examples=40, batch_tokens_max=64, example_tokens_max=20)
_VOCABULARY = SubVocabulary(tuple(range(50)), full_size=100)


def _rendered(index: int) -> RenderedExample:
    rng = random.Random(index)
    length = rng.randint(3, 24)
    ids = tuple(rng.randrange(100) for _ in range(length))
    return RenderedExample(ids, tuple(place > 1 for place in range(length)))


def test_batches_stay_within_the_token_limit() -> None:
    stream = BatchStream(_rendered, _VOCABULARY, _PLAN)
    for _ in range(30):
        assert stream.next().num_tokens <= _PLAN.batch_tokens_max


def test_a_window_holds_each_short_enough_example_once() -> None:
    stream = BatchStream(_rendered, _VOCABULARY, _PLAN)
    learnt = 0
    while stream.position.window == 0:
        learnt += int(stream.next().is_target.sum())
    expected = (_rendered(i).is_target for i in range(_PLAN.window_examples))
    assert learnt == sum(sum(t) for t in expected if len(t) <= _PLAN.example_tokens_max)


def test_a_stream_resumed_at_a_position_goes_on_alike() -> None:
    stream = BatchStream(_rendered, _VOCABULARY, _PLAN)
    for _ in range(13):
        stream.next()
    position = Position(stream.position.window, stream.position.batch)
    resumed = BatchStream(_rendered, _VOCABULARY, _PLAN, position)
    for _ in range(20):
        one, other = stream.next(), resumed.next()
        assert torch.equal(one.rows, other.rows)
        assert torch.equal(one.is_target, other.is_target)
