"""Whatever is to be copied stands in the question."""

from __future__ import annotations

import random
import re

from training.examples import Exchange, World
from training.skills import copying, instructions, lists, tables, text_games


def _drawn(skill: str, world: World, count: int = 150) -> list[list[Exchange]]:
    makers = {"repeating": copying.repeating, "quoting": copying.quoting,
              "looking_up": tables.looking_up, "picking": lists.picking}  # fmt: skip
    return [makers[skill](random.Random(seed), world) for seed in range(count)]


def test_repeated_and_quoted_texts_stand_in_the_question(world: World) -> None:
    for skill in ("repeating", "quoting"):
        for exchanges in _drawn(skill, world):
            assert all(e.answer in e.question and e.answer in e.reasoning for e in exchanges)


def test_a_filled_template_has_no_gaps_left(world: World) -> None:
    for seed in range(150):
        exchange = copying.templates(random.Random(seed), world)[0]
        assert "{" not in exchange.answer
        assert all(word in exchange.question for word in re.findall(r"[A-Z]+\d+", exchange.answer))


def test_values_and_keys_stand_in_the_first_question(world: World) -> None:
    for exchanges in _drawn("looking_up", world):
        for exchange in exchanges:
            key, found = exchange.reasoning.split(": ", 1)
            assert key in exchange.answer
            assert found in exchange.answer
            assert found in exchanges[0].question


def test_an_item_is_named_by_its_place(world: World) -> None:
    places = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")
    seen = 0
    for exchanges in _drawn("picking", world, 400):
        for exchange in exchanges:
            if found := re.match(r"The (\w+) item is (.+)\.$", exchange.answer):
                items = re.split(r" ?\b\d+\. ", " " + exchange.reasoning)[1:]
                place = -1 if found[1] == "last" else places.index(found[1])
                assert items[place].endswith(found[2])
                seen += 1
    assert seen > 100


def test_letters_are_counted_right(world: World) -> None:
    for seed in range(200):
        exchange = text_games.spelling(random.Random(seed), world)[0]
        found = re.search(r"there (?:is|are) (\d+) (\w)(?:'s)? in (\w+)\.", exchange.answer)
        if found:
            assert int(found[1]) == found[3].count(found[2])


def test_yes_or_no_alone_when_that_is_asked(world: World) -> None:
    for seed in range(200):
        exchange = instructions.yes_no(random.Random(seed), world)[0]
        if re.search("yes.?(or.?|/)no", exchange.question, re.IGNORECASE):
            assert exchange.answer in ("Yes.", "No.")
