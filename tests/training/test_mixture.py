"""The stream of examples: reproducible, complete, and never from the held-out side."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from training.examples import Dialogue, Example, Passage, World
from training.holdout import Split
from training.mixture import EXAMPLE_SKILLS, EXCHANGE_SKILLS, MIXES, Mixture
from training.words import Words
from whalefall.chat.messages import Role


@pytest.fixture(scope="module")
def held_out_world(world: World) -> World:
    return replace(world, words=Words(world.words.tokenizer, Split.HELD_OUT))


@pytest.mark.parametrize("mix", sorted(MIXES))
def test_same_seed_gives_same_examples_in_any_order(world: World, mix: str) -> None:
    forwards = [Mixture(world, 7, mix).example(i) for i in range(40)]
    mixture = Mixture(world, 7, mix)
    backwards = [mixture.example(i) for i in reversed(range(40))]
    assert forwards == backwards[::-1]


def test_another_seed_or_mix_gives_other_examples(world: World) -> None:
    def first(seed: int, mix: str) -> list[Example]:
        return [Mixture(world, seed, mix).example(i) for i in range(20)]

    assert first(7, "all") != first(8, "all")
    assert first(7, "all") != first(7, "copying")


@pytest.mark.parametrize("name", sorted(EXCHANGE_SKILLS))
def test_every_exchange_has_question_and_answer(world: World, name: str) -> None:
    skill = EXCHANGE_SKILLS[name][0]
    for seed in range(60):
        for exchange in skill(random.Random(seed), world):
            assert exchange.question.strip()
            assert exchange.answer.strip()


@pytest.mark.parametrize("name", sorted(EXAMPLE_SKILLS))
def test_every_example_ends_with_an_answer_or_a_text(world: World, name: str) -> None:
    for seed in range(20):
        example = EXAMPLE_SKILLS[name](random.Random(seed), world)
        if isinstance(example, Passage):
            assert example.text
        else:
            assert example.messages[-1].role is Role.ASSISTANT


def test_drills_offer_no_tools(world: World) -> None:
    mixture = Mixture(world, 5, "copying")
    examples = [mixture.example(i) for i in range(300)]
    assert not any(isinstance(e, Dialogue) and e.tools for e in examples)


def test_shares_leave_room_for_dialogues() -> None:
    for shares in MIXES.values():
        assert 0 < sum(shares.values()) < 1


def test_a_piece_is_on_one_side_only(world: World, held_out_world: World) -> None:
    pool = [f"What is piece number {number}?" for number in range(200)]
    rng = random.Random(1)
    trained = {world.pick(rng, pool) for _ in range(2000)}
    held_out = {held_out_world.pick(rng, pool) for _ in range(2000)}
    assert not trained & held_out
    assert len(trained) > len(held_out) > 5


def test_words_and_names_are_on_one_side_only(world: World, held_out_world: World) -> None:
    rng = random.Random(1)
    for draw in ("english", "chinese", "name", "code"):
        trained = {getattr(world.words, draw)(rng) for _ in range(300)}
        held_out = {getattr(held_out_world.words, draw)(rng) for _ in range(300)}
        assert not trained & held_out, draw


def test_names_that_are_spelt_in_two_ways_are_never_held_out(held_out_world: World) -> None:
    cities = ["Oslo", "Paris", "Berlin", "Hangzhou", "Lisbon", "Cairo", "Nairobi", "Madrid"]
    words = held_out_world.words
    assert not words.is_spelt_alike("Oslo")
    fair = [city for city in cities if words.is_spelt_alike(city)]
    drawn = {held_out_world.pick(random.Random(seed), cities) for seed in range(200)}
    assert drawn <= set(fair) or drawn == set(cities)
