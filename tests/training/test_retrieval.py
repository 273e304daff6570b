"""Facts hidden in long texts: there, once, and about as far away as was wanted."""

from __future__ import annotations

import random

import pytest

from training.examples import World
from training.holdout import Split
from training.rendering import Renderer
from training.skills import retrieval
from training.world import load_world
from whalefall.chat.messages import Role
from whalefall.chat.tokenizer import Tokenizer


def test_every_answer_is_a_sentence_of_the_text(world: World) -> None:
    for seed in range(100):
        messages = retrieval.needle(random.Random(seed), world).messages
        answers = [m.content for m in messages if m.role is Role.ASSISTANT]
        assert all(messages[0].content.count(answer) == 1 for answer in answers)
        assert len(set(answers)) == len(answers)


def test_long_texts_are_asked_about_more_than_once(world: World) -> None:
    messages = retrieval.needle(random.Random(1), world, 2000).messages
    assert 4 <= sum(m.role is Role.USER for m in messages) <= 8


@pytest.mark.parametrize("num_tokens", [100, 1024, 4096])
def test_the_text_is_about_as_long_as_wanted(
    world: World, renderer: Renderer, num_tokens: int
) -> None:
    for seed in range(5):
        dialogue = retrieval.needle_case(random.Random(seed), world, num_tokens)
        length = len(renderer.render(dialogue).token_ids)
        assert 0.6 * num_tokens < length < 1.4 * num_tokens + 150


def test_needles_lie_at_every_depth(tokenizer: Tokenizer) -> None:
    world, depths = load_world(tokenizer, split=Split.HELD_OUT), []
    for seed in range(60):
        question, answer = retrieval.needle_case(random.Random(seed), world, 1000).messages
        depths.append(question.content.index(answer.content) / len(question.content))
    assert min(depths) < 0.15
    assert max(depths) > 0.85
    assert 0.3 < sum(depths) / len(depths) < 0.7
