"""Arguments: what type they have, how they are drawn, and how a user says them.

Half of the texts are real words, half are words nobody wrote down."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import Any, Protocol

from training.examples import World
from training.skills.tools.pools import real_words

Schema = dict[str, Any]
_NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
                 "ten", "eleven", "twelve")  # fmt: skip
_NUMBER_WORDS_ZH = "零一两三四五六七八九十"
_MADE_NAMES = frozenset({"city", "town", "person", "company", "hotel", "country", "song", "table"})
_MADE_CODES = frozenset({"code"})
_ALWAYS_REAL = frozenset(
    {"language", "currency", "dish", "room", "sentence", "folder", "command", "symbol"}
)
_QUOTED = frozenset({"text", "sentence", "title"})


@dataclass(frozen=True)
class Value:
    argument: Any
    said: str
    bare: str = ""
    """As it is said where nothing follows: without quotes that are not needed."""

    def __format__(self, spec: str) -> str:
        return (self.bare or self.said) if spec == "bare" else self.said


class Kind(Protocol):
    def schema(self) -> Schema: ...

    def draw(self, rng: random.Random, world: World, is_chinese: bool) -> Value: ...


@dataclass(frozen=True)
class Text:
    pool: str

    def schema(self) -> Schema:
        return {"type": "string"}

    def draw(self, rng: random.Random, world: World, is_chinese: bool) -> Value:
        if maker := _DRAWN.get(self.pool):
            return _plain(maker(rng))
        if (maker := _OFTEN_DRAWN.get(self.pool)) and rng.random() < 0.7:
            return _plain(maker(rng))
        pool = real_words(self.pool, is_chinese)
        is_real = bool(pool) and (
            self.pool in _ALWAYS_REAL or self.pool in _OFTEN_DRAWN or rng.random() < 0.5
        )
        if not is_real:
            return self._made_up(rng, world, is_chinese)
        word = world.pick(rng, pool)
        is_quoted = self.pool in _QUOTED or rng.random() < 0.08
        return Value(word, quoted(rng, word, is_chinese) if is_quoted else word, word)

    def _made_up(self, rng: random.Random, world: World, is_chinese: bool) -> Value:
        if self.pool in _MADE_CODES:
            return _plain(code(rng, world))
        if self.pool == "email":
            return _plain(f"{_plain_name(rng, world)}@{rng.choice(('example', 'mail'))}.com")
        if self.pool in ("path", "url"):
            return _plain(_path(rng, world, self.pool == "url"))
        if is_chinese and rng.random() < 0.75:
            word = "".join(world.words.chinese(rng) for _ in range(rng.choice((1, 1, 2))))
            is_quoted = self.pool in _QUOTED or rng.random() < 0.3
            return Value(word, quoted(rng, word, True) if is_quoted else word)
        if self.pool in _MADE_NAMES:
            return _plain(" ".join(world.words.name(rng) for _ in range(rng.choice((1, 1, 1, 2)))))
        return _made_up_words(rng, world, is_chinese)


def _made_up_words(rng: random.Random, world: World, is_chinese: bool) -> Value:
    """A name, or words, mostly in quotes."""
    if rng.random() < 0.4:
        return _plain(world.words.name(rng))
    text = " ".join(world.words.english(rng) for _ in range(rng.choice((1, 2, 2, 3))))
    if rng.random() < 0.3:
        text = text.capitalize()
    said = quoted(rng, text, is_chinese) if " " in text or rng.random() < 0.5 else text
    return Value(text, said, said)


@dataclass(frozen=True)
class Integer:
    low: int
    high: int

    def schema(self) -> Schema:
        return {"type": "integer"}

    def draw(self, rng: random.Random, world: World, is_chinese: bool) -> Value:
        del world
        value = rng.randint(self.low, self.high)
        if 2 <= value <= 10 and rng.random() < 0.12:
            return Value(value, (_NUMBER_WORDS_ZH if is_chinese else _NUMBER_WORDS)[value])
        return Value(value, str(value))


@dataclass(frozen=True)
class Number:
    low: int
    high: int

    def schema(self) -> Schema:
        return {"type": "number"}

    def draw(self, rng: random.Random, world: World, is_chinese: bool) -> Value:
        del world, is_chinese
        whole = rng.randint(self.low, self.high - 1)
        if rng.random() < 0.35:
            return Value(whole, str(whole))
        text = f"{whole}.{rng.choice((rng.randint(1, 9), 5, 25, 75, rng.randint(11, 99)))}"
        text = text.rstrip("0") if text[-2] != "." else text
        return Value(float(text), text)


@dataclass(frozen=True)
class Choice:
    options: tuple[str, ...]
    is_quoted: bool = False

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.options)}

    def draw(self, rng: random.Random, world: World, is_chinese: bool) -> Value:
        del world
        option = rng.choice(self.options)
        if self.is_quoted:
            return Value(option, quoted(rng, option, is_chinese))
        return Value(option, option.replace("_", " ") if rng.random() < 0.5 else option)


@dataclass(frozen=True)
class Flag:
    yes: str
    no: str

    def schema(self) -> Schema:
        return {"type": "boolean"}

    def draw(self, rng: random.Random, world: World, is_chinese: bool) -> Value:
        del world, is_chinese
        value = rng.random() < 0.5
        return Value(value, self.yes if value else self.no)


@dataclass(frozen=True)
class Many:
    item: Text

    def schema(self) -> Schema:
        return {"type": "array", "items": self.item.schema()}

    def draw(self, rng: random.Random, world: World, is_chinese: bool) -> Value:
        items = distinct(rng, world, self.item, rng.choice((2, 2, 3)), is_chinese)
        return Value([item.argument for item in items], listed(rng, items, is_chinese))


@functools.cache
def kind(text: str) -> Kind:
    """Reads `city`, `int 1..60`, `number 0..90`, `enum a|b`, `flag on|off`, `many topic`."""
    word, _, rest = text.partition(" ")
    if word in ("int", "number"):
        low, high = (int(bound) for bound in rest.split(".."))
        return Integer(low, high) if word == "int" else Number(low, high)
    if word == "enum":
        return Choice(tuple(rest.split("|")))
    if word == "flag":
        yes, no = rest.split("|")
        return Flag(yes, no)
    return Many(Text(rest)) if word == "many" else Text(word)


def distinct(
    rng: random.Random, world: World, of: Kind, num_values: int, is_chinese: bool
) -> list[Value]:
    """Different values of a kind; fewer when luck does not find so many."""
    found: dict[str, Value] = {}
    for _ in range(num_values * 4):
        value = of.draw(rng, world, is_chinese)
        found[str(value.argument)] = value
        if len(found) == num_values:
            break
    return list(found.values())


def listed(rng: random.Random, values: list[Value], is_chinese: bool) -> str:
    """`a, b and c`"""
    *first, last = [value.said for value in values]
    if not first:
        return last
    if is_chinese:
        return "、".join(first) + rng.choice(("和", "、", "以及")) + last
    if len(first) > 1 and rng.random() < 0.3:
        return ", ".join(first) + ", and " + last
    return ", ".join(first) + " and " + last


def quoted(rng: random.Random, text: str, is_chinese: bool) -> str:
    if is_chinese:
        return rng.choice(("“{}”", "“{}”", "「{}」", ' "{}" ')).format(text)
    return f'"{text}"'


def code(rng: random.Random, world: World) -> str:
    """An order number, a serial: digits, often with letters."""
    return (
        str(rng.randrange(10 ** rng.randint(3, 7))) if rng.random() < 0.4 else world.words.code(rng)
    )


def _plain(text: str) -> Value:
    return Value(text, text)


def _date(rng: random.Random) -> str:
    return f"20{rng.randint(24, 29)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def _time(rng: random.Random) -> str:
    return f"{rng.randint(0, 23):02d}:{rng.choice((0, 15, 30, 45, rng.randint(0, 59))):02d}"


def _plain_name(rng: random.Random, world: World) -> str:
    """For addresses: letters without marks."""
    return world.words.name(rng).lower().replace("ü", "u").replace("á", "a")


def _path(rng: random.Random, world: World, is_url: bool) -> str:
    stem = _plain_name(rng, world)
    if is_url:
        return f"https://{stem}.com/{rng.choice(('', 'news', 'a', 'docs'))}"
    return f"{rng.choice(('', '', 'src/', 'docs/'))}{stem}.{rng.choice(('txt', 'py', 'md', 'csv'))}"


def _sum(rng: random.Random) -> str:
    blank = rng.choice((" ", " ", ""))
    text = str(rng.randint(1, 999))
    for _ in range(rng.choice((1, 1, 2))):
        text += f"{blank}{rng.choice('+-*/')}{blank}{rng.randint(1, 99)}"
    return text


_DRAWN = {"sum": _sum}
_OFTEN_DRAWN = {"date": _date, "time": _time}
