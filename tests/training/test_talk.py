"""Talk, questions about the platform, refusals and memory: one answer each, on its stated topic."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from training.examples import Pair, World
from training.holdout import Split
from training.phrasing import asked, chosen, language_of, phrasing_of
from training.skills import knowledge, memory, platform, refusals
from training.skills.conversation import exchange_from_pair, talk_case
from training.topics import is_on_topic
from training.world import load_world
from whalefall.chat.tokenizer import Tokenizer

_KINDS = ("platform", "refusals", "trivia")
_FILES = ("en", "zh", *(f"{kind}_{lang}" for kind in _KINDS for lang in ("en", "zh")))


@pytest.fixture(scope="module")
def held_out_world(tokenizer: Tokenizer) -> World:
    return load_world(tokenizer, split=Split.HELD_OUT)


@pytest.mark.parametrize("name", _FILES)
def test_every_answer_is_on_its_own_topic(world: World, name: str) -> None:
    for pair in world.pairs[name]:
        assert pair.topic, pair.name
        assert pair.thought, pair.name
        for answer in pair.answers:
            question = exchange_from_pair(random.Random(1), world, pair).question
            if language_of(question) == name[-2:]:
                assert is_on_topic(question, answer, pair.topic), pair.name


@pytest.mark.parametrize("name", _FILES)
def test_a_topic_tells_its_answer_from_nearly_all_others(world: World, name: str) -> None:
    pairs = world.pairs[name]
    for pair in pairs:
        fitting = [other.name for other in pairs if _holds(other.answers[0], pair)]
        assert len(fitting) <= 4, (pair.name, fitting)


def _holds(answer: str, pair: Pair) -> bool:
    said = answer.lower()
    return all(any(word.lower() in said for word in group) for group in pair.topic)


@pytest.mark.parametrize("name", _FILES)
def test_phrasings_are_many_and_differ(world: World, name: str) -> None:
    at_least = 10 if name == "platform_en" else 7
    for pair in world.pairs[name]:
        assert len(set(pair.questions)) == len(pair.questions), pair.name
        assert len(pair.questions) >= at_least, pair.name


@pytest.mark.parametrize("name", _FILES)
def test_no_phrasing_belongs_to_two_answers(world: World, name: str) -> None:
    owners = Counter(
        question for pair in world.pairs[name] for question in {q.lower() for q in pair.questions}
    )
    assert [question for question, count in owners.items() if count > 1] == []


def test_both_languages_know_the_same_of_the_platform(world: World) -> None:
    english, chinese = world.pairs["platform_en"], world.pairs["platform_zh"]
    assert [pair.name for pair in english] == [pair.name for pair in chinese]


def test_choices_are_made_and_pools_are_known(world: World) -> None:
    rng = random.Random(3)
    for name in _FILES:
        for pair in world.pairs[name]:
            for question in pair.questions:
                assert "{" not in chosen(rng, world, question).replace('{"', ""), question
    assert chosen(rng, world, "{a|a} {x}", x=1) == "a 1"


def test_cases_are_phrasings_never_trained(held_out_world: World) -> None:
    rng = random.Random(5)
    for case in (talk_case, platform.platform_case, refusals.refusal_case):
        for _ in range(60):
            exchange, topic = case(rng, held_out_world)
            assert topic
            assert exchange.answer


def test_phrasings_of_an_evaluation_are_never_trained(world: World, held_out_world: World) -> None:
    for name in _FILES:
        for pair in world.pairs[name][:20]:
            rng = random.Random(7)
            trained = {phrasing_of(rng, world, pair) for _ in range(60)}
            asked_later = {phrasing_of(rng, held_out_world, pair) for _ in range(20)} - {None}
            assert not trained & asked_later, pair.name


def test_words_of_an_evaluation_are_trained(world: World, held_out_world: World) -> None:
    rng = random.Random(7)
    pairs = world.pairs["platform_en"]
    trained = " ".join(phrasing_of(rng, world, pair) or "" for pair in pairs * 60).lower()
    for pair in pairs:
        phrasing = phrasing_of(rng, held_out_world, pair) or ""
        assert all(word in trained for word in re.findall(r"[a-z]+", phrasing.lower())), phrasing


def test_topic_wants_the_language_of_the_question() -> None:
    topic = (("hello", "你好"),)
    assert is_on_topic("Hi", "Hello!", topic)
    assert not is_on_topic("Hi", "你好！", topic)
    assert is_on_topic("嗨", "你好！", topic)
    assert not is_on_topic("Hi", "Goodbye!", topic)
    assert is_on_topic("嗨", "```python\nprint('hello')\n```", topic)


def test_what_was_told_is_recalled(world: World) -> None:
    for seed in range(300):
        exchanges = memory.remembering(random.Random(seed), world)
        recalled = exchanges[-1].answer
        value = recalled.split(" is ")[-1] if " is " in recalled else recalled.split("是")[-1]
        assert value.rstrip(".。") in exchanges[0].question, exchanges


def test_typing_keeps_the_words_of_a_bare_phrasing(world: World) -> None:
    typed = {asked(random.Random(seed), world, "Say hello!", "bare") for seed in range(200)}
    assert len(typed) > 4
    assert all(len(text) >= len("Say hello") - 1 for text in typed)


def test_unknown_subjects_are_named(world: World) -> None:
    for seed in range(100):
        (exchange,) = refusals.unknown(random.Random(seed), world)
        if language_of(exchange.answer) == "en":
            subject = exchange.answer.removeprefix("I know very little about ").split(". Please")[0]
            assert subject.lower() in exchange.question.lower()


def test_facts_are_answered_from_their_row(world: World) -> None:
    capitals = {row[0]: row[2] for row in world.facts["countries"]}
    seen = 0
    for seed in range(300):
        answer = knowledge.capitals(random.Random(seed), world)[0].answer
        found = re.fullmatch(r"The capital of (.+) is (.+)\.", answer)
        if found:
            assert capitals[found[1]] == found[2]
            seen += 1
    assert seen > 40


def test_facts_are_asked_and_answered_in_one_language(world: World) -> None:
    skills = (knowledge.animals, knowledge.colours, knowledge.words, knowledge.opposites)
    for skill in skills:
        for seed in range(100):
            (exchange,) = skill(random.Random(seed), world)
            assert language_of(exchange.question) == language_of(exchange.answer)
            assert "{" not in exchange.question + exchange.answer + exchange.reasoning
