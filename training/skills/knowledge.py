"""Simple facts from small tables, asked in both languages and in both directions.

The forms of the questions stand in data/phrasings.toml under the name of their kind; each kind has
one wording for the answer and one for the thought before it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from training.examples import Exchange, Exchanges, World
from training.phrasing import asked, chosen
from training.skills.conversation import drawn, exchange_from_pair


@dataclass(frozen=True)
class Kind:
    """One kind of question over a table of facts.toml, whose columns its texts name in braces."""

    form: str
    table: str
    answer: str
    thought: str


_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "countries": (
        "country", "country_zh", "capital", "capital_zh", "continent", "continent_zh", "language",
    ),
    "animals": ("animal", "animal_zh", "sound", "legs", "kind", "kind_zh"),
    "colours": ("thing", "colour", "thing_zh", "colour_zh"),
    "elements": ("element", "element_zh", "symbol", "number"),
    "professions": ("worker", "does", "worker_zh", "does_zh"),
    "plurals": ("one", "many"),
    "past": ("now", "then"),
    "words": ("english", "chinese"),
    "rows": ("first", "second", "first_zh", "second_zh"),
}  # fmt: skip


def capitals(rng: random.Random, world: World) -> Exchanges:
    """Countries; after a capital sometimes "And of France?"."""
    kind = rng.choices(_COUNTRY_KINDS, (4, 4, 1, 1, 1, 1, 1))[0]
    exchanges = [_exchange(rng, world, kind)]
    if kind.form.startswith("capital") and rng.random() < 0.35:
        lang = kind.form[-2:]
        exchanges.append(_exchange(rng, world, kind, f"capital_next_{lang}"))
    return exchanges


def animals(rng: random.Random, world: World) -> Exchanges:
    return [_exchange(rng, world, rng.choice(_ANIMAL_KINDS))]


def colours(rng: random.Random, world: World) -> Exchanges:
    return [_exchange(rng, world, rng.choice(_COLOUR_KINDS))]


def words(rng: random.Random, world: World) -> Exchanges:
    """Elements, professions, plurals, past tenses, and what follows what."""
    return [_exchange(rng, world, rng.choice(_WORD_KINDS))]


def opposites(rng: random.Random, world: World) -> Exchanges:
    row = rng.choice(world.facts["opposites"])
    lang = "zh" if rng.random() < 0.45 else "en"
    pair = row[2:] if lang == "zh" else row[:2]
    word, other = pair if rng.random() < 0.5 or "old" in pair else pair[::-1]
    question = chosen(rng, world, world.pick(rng, world.facts[f"opposite_{lang}"]), word=word)
    answer, thought = (text.format(word=word, other=other) for text in _OPPOSITE[lang])
    return [Exchange(asked(rng, world, question), answer, thought)]


def trivia(rng: random.Random, world: World) -> Exchanges:
    """Hand-written questions of general knowledge, some with a follow-up."""
    pair = drawn(rng, world.pairs[rng.choice(("trivia_en", "trivia_zh"))])
    exchanges = [exchange_from_pair(rng, world, pair)]
    if pair.then and rng.random() < 0.5:
        exchanges.append(exchange_from_pair(rng, world, rng.choice(pair.then)))
    return exchanges


def _exchange(rng: random.Random, world: World, kind: Kind, form: str = "") -> Exchange:
    row = _row(rng, world, kind)
    question = chosen(rng, world, world.pick(rng, world.facts[form or kind.form]), **row)
    answer = kind.answer.format(**row)
    lang = kind.form[-2:]
    return Exchange(
        asked(rng, world, question[0].upper() + question[1:], lang=lang),
        answer[0].upper() + answer[1:],
        kind.thought.format(**row),
    )


def _row(rng: random.Random, world: World, kind: Kind) -> dict[str, str]:
    """One row by column, with articles, and with numbers as they are said."""
    names = _COLUMNS[kind.table]
    while True:
        row = dict(zip(names, map(str, rng.choice(world.facts[kind.table])), strict=True))
        if _fits(kind, row):
            break
    articles = {f"a_{name}": _a(row[name]) for name in ("animal", "kind", "worker") if name in row}
    if row.get("legs") == "0":
        row |= {"legs": "no", "legs_zh": "没有腿"}
    elif "legs" in row:
        row["legs_zh"] = f"有 {row['legs']} 条腿"
    return {**row, **articles}


def _fits(kind: Kind, row: Mapping[str, str]) -> bool:
    """Not every animal makes a sound, and that a bird is a bird need not be said."""
    if kind.form == "sound_en":
        return row["sound"] != ""
    return not kind.form.startswith("kind") or row["animal"] != row["kind"]


def _a(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


_COUNTRY_KINDS = (
    Kind(
        "capital_en", "countries", "The capital of {country} is {capital}.",
        "The user asks for the capital of {country}. It is {capital}.",
    ),
    Kind(
        "capital_zh", "countries", "{country_zh}的首都是{capital_zh}。",
        "用户问{country_zh}的首都。是{capital_zh}。",
    ),
    Kind(
        "country_en", "countries", "{capital} is the capital of {country}.",
        "The user asks for the country of {capital}. It is {country}.",
    ),
    Kind(
        "country_zh", "countries", "{capital_zh}是{country_zh}的首都。",
        "用户问{capital_zh}在哪个国家。是{country_zh}。",
    ),
    Kind(
        "continent_en", "countries", "{country} is in {continent}.",
        "The user asks for the continent of {country}. It is {continent}.",
    ),
    Kind(
        "continent_zh", "countries", "{country_zh}在{continent_zh}。",
        "用户问{country_zh}在哪个洲。是{continent_zh}。",
    ),
    Kind(
        "language_en", "countries", "People in {country} speak {language}.",
        "The user asks for the language of {country}. It is {language}.",
    ),
)  # fmt: skip
_ANIMAL_KINDS = (
    Kind(
        "legs_en", "animals", "{a_animal} has {legs} legs.",
        "The user asks for the legs of {a_animal}: {legs}.",
    ),
    Kind(
        "legs_zh", "animals", "{animal_zh}{legs_zh}。",
        "用户问{animal_zh}的腿。{animal_zh}{legs_zh}。",
    ),
    Kind(
        "kind_en", "animals", "{a_animal} is {a_kind}.",
        "The user asks what {a_animal} is: {a_kind}.",
    ),
    Kind(
        "kind_zh", "animals", "{animal_zh}是{kind_zh}。",
        "用户问{animal_zh}是什么。是{kind_zh}。",
    ),
    Kind(
        "sound_en", "animals", "{a_animal} says {sound}.",
        "The user asks for the sound of {a_animal}: {sound}.",
    ),
)  # fmt: skip
_COLOUR_KINDS = (
    Kind(
        "colour_en", "colours", "{thing} is {colour}.",
        "The user asks for the colour of {thing}. It is {colour}.",
    ),
    Kind(
        "colour_zh", "colours", "{thing_zh}是{colour_zh}的。",
        "用户问{thing_zh}的颜色。是{colour_zh}。",
    ),
)  # fmt: skip
_WORD_KINDS = (
    Kind(
        "symbol_en", "elements", "The chemical symbol of {element} is {symbol}.",
        "The user asks for the symbol of {element}. It is {symbol}.",
    ),
    Kind(
        "symbol_zh", "elements", "{element_zh}的元素符号是 {symbol}。",
        "用户问{element_zh}的符号。是 {symbol}。",
    ),
    Kind(
        "number_en", "elements", "The atomic number of {element} is {number}.",
        "The user asks for the atomic number of {element}. It is {number}.",
    ),
    Kind(
        "profession_en", "professions", "{a_worker} {does}.",
        "The user asks about the job of {a_worker}.",
    ),
    Kind("profession_zh", "professions", "{worker_zh}{does_zh}。", "用户问{worker_zh}的工作。"),
    Kind("who_en", "professions", "{a_worker} {does}.", "The user asks who {does}: {a_worker}."),
    Kind(
        "plural_en", "plurals", "The plural of {one} is {many}.",
        "The user asks for the plural of {one}. It is {many}.",
    ),
    Kind(
        "past_en", "past", "The past tense of {now} is {then}.",
        "The user asks for the past tense of {now}. It is {then}.",
    ),
    Kind(
        "after_en", "rows", "{second} comes after {first}.",
        "The user asks what comes after {first}. It is {second}.",
    ),
    Kind(
        "after_zh", "rows", "{first_zh}后面是{second_zh}。",
        "用户问{first_zh}后面是什么。是{second_zh}。",
    ),
    Kind(
        "before_en", "rows", "{first} comes before {second}.",
        "The user asks what comes before {second}. It is {first}.",
    ),
)  # fmt: skip
_OPPOSITE = {
    "en": (
        "The opposite of {word} is {other}.",
        "The user asks for the opposite of {word}. It is {other}.",
    ),
    "zh": ("“{word}”的反义词是“{other}”。", "用户问“{word}”的反义词。是“{other}”。"),
}
