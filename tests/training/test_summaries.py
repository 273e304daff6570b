"""A summary says nothing that the text does not say."""

from __future__ import annotations

import random
import re

from training.examples import World
from training.skills import summaries


def test_keywords_stand_in_the_text(world: World) -> None:
    found = 0
    for seed in range(600):
        exchange = summaries.summed_up(random.Random(seed), world)[0]
        keywords = re.split(", |、", exchange.answer)
        if "eyword" in exchange.question and len(keywords) == 3:
            found += 1
            assert all(word.lower() in exchange.question.lower() for word in keywords)
    assert found > 20


def test_no_slot_is_left_open(world: World) -> None:
    for seed in range(300):
        for exchange in summaries.summed_up(random.Random(seed), world):
            assert "{" not in exchange.question + exchange.answer + exchange.reasoning


def test_the_same_values_have_the_same_summary(world: World) -> None:
    """One rule for each kind of text: the wording of the text changes nothing."""
    patterns = {entry["summary"] for entry in world.phrases["summary"]}
    assert len(patterns) == len(world.phrases["summary"])
