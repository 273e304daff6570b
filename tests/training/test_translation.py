"""Translations go both ways, and one sentence has one translation."""

from __future__ import annotations

import random
from collections import Counter

from training.examples import World
from training.holdout import is_held_out
from training.skills import translation


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def test_an_answer_is_in_the_other_language_alone(world: World) -> None:
    for seed in range(300):
        for exchange in translation.translated(random.Random(seed), world):
            is_ascii = exchange.answer.isascii()
            assert is_ascii != _is_chinese(exchange.answer)


def test_a_sentence_has_one_translation_in_each_direction(world: World) -> None:
    pairs = {translation.sentence(random.Random(seed), world) for seed in range(3000)}
    for side in (0, 1):
        assert max(Counter(pair[side] for pair in pairs).values()) == 1


def test_a_word_has_one_translation_in_each_direction(world: World) -> None:
    table = world.phrases["translation"]
    pairs = [*table["words"], *table["phrases"]]
    assert len(pairs) >= 250
    for side in (0, 1):
        assert [word for word, n in Counter(pair[side] for pair in pairs).items() if n > 1] == []


def test_held_out_sentences_are_not_trained(world: World) -> None:
    for seed in range(300):
        assert not is_held_out(translation.sentence(random.Random(seed), world)[0])


def test_a_source_without_a_mark_is_answered_without_one(world: World) -> None:
    for seed in range(400):
        exchange = translation.translated(random.Random(seed), world)[0]
        if exchange.question.startswith("Translate into Chinese: "):
            source = exchange.question.removeprefix("Translate into Chinese: ")
            assert (source[-1] in ".!?") == (exchange.answer[-1] in "。！？")
