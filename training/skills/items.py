"""Values to be copied: half of them words nobody can know by heart, half as people have them."""

from __future__ import annotations

import random

from training.examples import World
from training.holdout import Split, is_held_out

KINDS = ("word", "name", "code", "number", "city", "first name", "thing", "identifier")
KINDS_ZH = ("word", "word", "name", "number", "city", "code")
_WEIGHTS = (5, 3, 2, 3, 2, 3, 2, 1)


def some_kind(rng: random.Random, lang: str) -> str:
    return rng.choice(KINDS_ZH) if lang == "zh" else rng.choices(KINDS, _WEIGHTS)[0]


def value(rng: random.Random, world: World, kind: str, lang: str = "en") -> str:
    """One value of a kind; codes and numbers are the same in both languages."""
    words, is_chinese = world.words, lang == "zh"
    if kind == "word":
        return words.chinese(rng) if is_chinese else words.english(rng)
    if kind == "code":
        return words.code(rng)
    if kind == "number":
        return number(rng, world)
    if kind == "identifier":
        return words.identifier(rng)
    if kind == "city":
        return world.pick(rng, world.facts["cities_zh" if is_chinese else "cities"])
    if kind == "thing":
        return world.pick(rng, world.facts["things_zh" if is_chinese else "things"])
    if is_chinese:
        return world.pick(rng, SURNAMES_ZH) + words.chinese(rng)[:2]
    return words.name(rng) if kind == "name" else world.pick(rng, world.facts["names"])


def number(rng: random.Random, world: World) -> str:
    """One token, seldom two."""
    limit = rng.choices((100, 1000, 10_000, 1_000_000), (4, 4, 2, 1))[0]
    return str(number_below(rng, world, limit))


def number_below(rng: random.Random, world: World, limit: int) -> int:
    """Of this world's side; `world.pick` would go through all of them."""
    while True:
        drawn = rng.randrange(limit)
        if is_held_out(drawn) is (world.split is Split.HELD_OUT):
            return drawn


def distinct(
    rng: random.Random, world: World, kind: str, count: int, lang: str = "en"
) -> list[str]:
    """Different values of one kind, in random order; fewer where the kind is small."""
    found: dict[str, None] = {}
    for _ in range(4 * count):
        found.setdefault(value(rng, world, kind, lang))
        if len(found) == count:
            break
    return list(found)


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


SURNAMES_ZH = ("王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "马", "朱",
               "胡", "林", "郭", "何", "高", "罗")  # fmt: skip
