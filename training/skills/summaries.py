"""Small texts in one sentence, under a title, or as three keywords: who did what, by one rule for
each kind of text."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from training.examples import Exchange, Exchanges, World
from training.skills.json_values import value

_SLOT = re.compile(r"{(\w+)}")
_WISHES = ("summary", "summary", "summary", "title", "keywords")


def summed_up(rng: random.Random, world: World) -> Exchanges:
    """One wish, sometimes followed by another about the same text."""
    entry = rng.choice(world.phrases["summary"])
    lang, values = entry["lang"], _values(rng, world, entry)
    text = _text(rng, world, entry, values)
    first, second = rng.choice(_WISHES), rng.choice(_WISHES)
    exchanges = [_exchange(rng, world, entry, values, first, text)]
    if second != first and rng.random() < 0.25:
        again = "上文" if lang == "zh" else "the text above"
        exchanges.append(_exchange(rng, world, entry, values, second, again))
    return exchanges


def _values(rng: random.Random, world: World, entry: Mapping[str, Any]) -> dict[str, str]:
    lang = entry["lang"]
    drawn = {name: value(rng, world, lang, kind).shown for name, kind in entry["values"].items()}
    return {**drawn, **{name: rng.choice(pool) for name, pool in entry["pools"].items()}}


def _text(
    rng: random.Random, world: World, entry: Mapping[str, Any], values: Mapping[str, str]
) -> str:
    """The sentences in order, with one or two that do not matter in between."""
    needed = set(_SLOT.findall(" ".join(entry[wish] for wish in set(_WISHES))))
    sentences = _sentences(rng, world, entry)
    while not needed <= set(_SLOT.findall(" ".join(sentences))):
        sentences = _sentences(rng, world, entry)
    for _ in range(rng.choice((0, 1, 1, 2))):
        filler = world.pick(rng, entry["fillers"])
        if filler not in sentences:
            sentences.insert(rng.randint(1, len(sentences)), filler)
    filled = [_filled(sentence, values) for sentence in sentences]
    return ("" if entry["lang"] == "zh" else " ").join(s[0].upper() + s[1:] for s in filled)


def _sentences(rng: random.Random, world: World, entry: Mapping[str, Any]) -> list[str]:
    return [world.pick(rng, wordings) for wordings in entry["sentences"]]


def _exchange(
    rng: random.Random,
    world: World,
    entry: Mapping[str, Any],
    values: Mapping[str, str],
    wish: str,
    text: str,
) -> Exchange:
    asked = world.pick(rng, world.phrases["summarising"][entry["lang"]][wish])
    answer = _filled(entry[wish], values)
    facts = _filled(entry["keywords"], values)
    thought = f"要点：{facts}。" if entry["lang"] == "zh" else f"The key points: {facts}."
    return Exchange(asked.replace("{t}", text), answer, thought)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda found: values[found[1]], text)
