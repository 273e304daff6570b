"""A text is answered with one of the labels that were offered, and rightly."""

from __future__ import annotations

import random

from training.examples import World
from training.holdout import is_held_out
from training.skills import classification


def test_the_answer_is_one_of_the_labels_offered(world: World) -> None:
    for seed in range(400):
        case = classification.case(random.Random(seed), world)
        assert case.label in case.labels
        assert len(set(case.labels)) == len(case.labels) > 1


def test_the_question_shows_the_text_and_every_label(world: World) -> None:
    for seed in range(300):
        exchange = classification.classified(random.Random(seed), world)[0]
        assert exchange.answer in exchange.question or exchange.answer in exchange.reasoning
        assert "{" not in exchange.question


def test_the_clue_that_is_thought_of_stands_in_the_question(world: World) -> None:
    for seed in range(300):
        case = classification.case(random.Random(seed), world)
        assert case.clue in case.text


def test_no_feeling_shares_its_words_with_another(world: World) -> None:
    for parts in world.phrases["sentiment"].values():
        for stem in ("{}", "adjectives_{}", "also_{}"):
            pools = [set(parts[stem.format(name)]) for name in ("positive", "negative", "neutral")]
            assert len(set().union(*pools)) == sum(map(len, pools))


def test_held_out_texts_are_not_trained(world: World) -> None:
    for seed in range(200):
        text, _ = classification.sentiment_text(random.Random(seed), world, "zh", "positive")
        assert not is_held_out(text)


def test_things_are_known_for_every_topic_and_language(world: World) -> None:
    for lang in ("en", "zh"):
        assert set(world.phrases["topics"][lang]) == set(world.phrases["topic_things"][lang])
    assert set(world.phrases["languages"]) == set(world.phrases["languages_zh"])
