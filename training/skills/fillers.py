"""Text in which something can be hidden: tales, news, notes, and facts of the same kind."""

from __future__ import annotations

import random
from collections.abc import Callable

from training.examples import World
from training.skills import stories
from training.skills.items import is_chinese, value
from training.skills.secrets import Kind, some_kind, some_secret

_CHARS_PER_TOKEN = {"en": 3.9, "zh": 1.55}
"""Measured over these very fillers."""

Filler = Callable[[random.Random, World], str]


def num_tokens(text: str) -> float:
    """An estimate: counting in earnest would take longer than making up the text."""
    return len(text) / _CHARS_PER_TOKEN["zh" if is_chinese(text) else "en"]


def filler(rng: random.Random, world: World, num_tokens_wanted: int, lang: str) -> list[str]:
    """Paragraphs of one to three sorts, about so many tokens in all."""
    makers = rng.sample(_MAKERS_ZH if lang == "zh" else _MAKERS, rng.randint(1, 3))
    parts, total = [], 0.0
    while total < num_tokens_wanted:
        part = rng.choice(makers)(rng, world)
        parts.append(part)
        total += num_tokens(part)
    return parts


def news(rng: random.Random, world: World) -> str:
    return " ".join(_sentence(rng, world, "en") for _ in range(rng.randint(1, 5)))


def news_zh(rng: random.Random, world: World) -> str:
    return "".join(_sentence(rng, world, "zh") for _ in range(rng.randint(1, 5)))


def facts(rng: random.Random, world: World) -> str:
    """Facts of other kinds than the hidden ones: alike to look at, and in the way."""
    return _facts(rng, world, "en")


def facts_zh(rng: random.Random, world: World) -> str:
    return _facts(rng, world, "zh")


def words(rng: random.Random, world: World) -> str:
    """Words without sense."""
    return " ".join(world.words.english(rng) for _ in range(rng.randint(10, 40))) + "."


def words_zh(rng: random.Random, world: World) -> str:
    return "，".join(world.words.chinese(rng) for _ in range(rng.randint(8, 30))) + "。"


def book(rng: random.Random, world: World) -> str:
    """A paragraph of an old book where the corpus is at hand, otherwise a tale."""
    if not world.corpus:
        return stories.tale(rng, world)
    return rng.choice(rng.choice(world.corpus["tales"]))[:800]


def _facts(rng: random.Random, world: World, lang: str) -> str:
    kind: Kind = some_kind(rng, world, lang)
    made = [some_secret(rng, world, kind, lang).sentence for _ in range(rng.randint(2, 6))]
    return ("" if lang == "zh" else " ").join(made)


def _sentence(rng: random.Random, world: World, lang: str) -> str:
    template = rng.choice(_NEWS_ZH if lang == "zh" else _NEWS)
    kinds = ("name", "city", "word", "number", "thing")
    values = {kind: value(rng, world, kind, lang) for kind in kinds if f"{{{kind}}}" in template}
    return template.format(**values)


_MAKERS: tuple[Filler, ...] = (stories.tale, news, news, facts, facts, words, book)
_MAKERS_ZH: tuple[Filler, ...] = (stories.tale_zh, news_zh, news_zh, facts_zh, facts_zh, words_zh)
_NEWS = (
    "The council of {city} wants to build a new {word}.", "{name} spoke about {word} yesterday.",
    "It rained in {city} for {number} hours.",
    "The price of {thing} has risen by {number} percent.",
    "A {word} was found near the river of {city}.", "{name} won the race by {number} metres.",
    "The school of {city} has bought {number} {thing}.", "Nobody knows why {name} left {city}.",
    "Scientists in {city} study the {word}.", "The train to {city} was {number} minutes late.",
    "{name} paints {thing} and sells them in {city}.", "In {city} the {word} is very popular.",
    "The mayor thanked {name} for the {word}.", "About {number} people came to the market.",
    "{name} plays the {word} every evening.", "The old {word} of {city} opens again.",
    "A ship with {number} {thing} reached {city}.", "{name} and the {word} are old friends.",
    "The weather in {city} stays warm.", "There were {number} {thing} on the table.",
)  # fmt: skip
_NEWS_ZH = (
    "{city}今天下了一场大雨。", "{name}在{city}谈到了{word}。", "{city}的{thing}涨价了。",
    "一共有{number}人参加了活动。", "{name}赢得了比赛。", "{city}要建一座新的{word}。",
    "开往{city}的火车晚点了{number}分钟。", "{name}每天晚上练习{word}。",
    "学校买了{number}个{thing}。", "没有人知道{name}为什么离开{city}。", "科学家正在研究{word}。",
    "{city}的天气很暖和。", "市长感谢了{name}。", "桌子上有{number}个{thing}。",
    "{name}和{word}的故事很有名。",
)  # fmt: skip
