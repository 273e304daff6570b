"""Values for texts that hold facts: what the text shows, and what JSON says for it.

About half of the words come from pools a reader would expect; the others nobody wrote down. Most of
those keep their tokens whether a blank stands before them or a quote, so that looking is enough to
copy them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from training.examples import World
from training.holdout import Split, is_held_out

_MADE_UP_SHARE = 0.45
_RARE_SHARE = 0.3
_TRIES_MAX = 5
_PROPER = frozenset({"person", "surname", "city", "country", "brand", "street", "booktitle"})
_CLOSED = frozenset({"level", "sky", "loglevel"})
"""Pools with few pieces on purpose: nothing is made up for them."""


@dataclass(frozen=True)
class Value:
    shown: str
    """As the text has it."""
    json: Any
    """As the answer has it."""


def value(rng: random.Random, world: World, lang: str, kind: str) -> Value:
    """`kind` is a pool, one of the kinds below, or "int LOW HIGH", "decimal LOW HIGH",
    "flag YES|NO", "list POOL"."""
    name, _, rest = kind.partition(" ")
    if name == "int":
        low, high = map(int, rest.split())
        return _same(rng.randint(low, high))
    if name == "decimal":
        low, high = map(int, rest.split())
        return _same(rng.randint(low, high) + rng.randint(1, 9) / 10)
    if name == "flag":
        is_true = rng.random() < 0.5
        return Value(rest.split("|")[0 if is_true else 1], is_true)
    if name == "list":
        return _several(rng, world, lang, rest)
    if name in _KINDS:
        return _KINDS[name](rng, world, lang)
    return _same(pooled(rng, world, lang, name))


def pooled(rng: random.Random, world: World, lang: str, pool: str) -> str:
    """A piece of a pool, or something made up in its place. Pools are trained as a whole: how a
    known word is spelled without its blank has to be known. Texts and keys are held out."""
    if pool in _CLOSED or rng.random() >= _MADE_UP_SHARE:
        return rng.choice(world.records["pools"][lang][pool])
    return made_up(rng, world, lang, is_proper=pool in _PROPER)


def made_up(rng: random.Random, world: World, lang: str, *, is_proper: bool = False) -> str:
    if lang == "en" and is_proper:
        return _steady(rng, world, world.words.name)
    if rng.random() < 0.7:
        return word(rng, world, lang)
    return _phrase(rng, world, lang)


def word(rng: random.Random, world: World, lang: str) -> str:
    """A common word, or now and then a rare one, so that copying stays general."""
    is_rare = rng.random() < _RARE_SHARE
    if lang == "zh":
        return (world.words.chinese if is_rare else world.words.common_chinese)(rng)
    return (world.words.english if is_rare else world.words.common)(rng)


def _phrase(rng: random.Random, world: World, lang: str) -> str:
    """Two words, whose combination is of this world's side."""
    blank = "" if lang == "zh" else " "
    while True:
        phrase = word(rng, world, lang) + blank + word(rng, world, lang)
        if is_held_out(phrase) is (world.split is Split.HELD_OUT):
            return phrase


def code(rng: random.Random, world: World) -> str:
    return _steady(rng, world, world.words.code)


def _steady(rng: random.Random, world: World, draw: Callable[[random.Random], str]) -> str:
    """A draw that is steady, as far as a few tries find one."""
    text = draw(rng)
    for _ in range(_TRIES_MAX):
        if is_steady(world, text):
            break
        text = draw(rng)
    return text


def is_steady(world: World, text: str) -> bool:
    """Whether a text has the same tokens behind a blank, but for that blank."""
    encode = world.words.tokenizer.encode
    return encode(text)[1:] == encode(" " + text)[1:]


def scalar(rng: random.Random, world: World, lang: str) -> Value:
    """Anything that may stand behind any key."""
    kinds = ("int 0 99", "int 0 999", "int 1000 99999", "decimal 0 99", "price", "bool", "noun",
             "code", "person", "date", "anything", "anything", "anything", "name")  # fmt: skip
    kind = rng.choice(kinds)
    if kind == "anything":
        return _same(made_up(rng, world, lang, is_proper=rng.random() < 0.3))
    return value(rng, world, lang, kind)


def enumeration(items: list[str], lang: str, is_plain: bool = False) -> str:
    """ "a, b and c"; `is_plain`: "a, b, c"."""
    if lang == "zh":
        return "、".join(items)
    if is_plain or len(items) < 2:
        return ", ".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]


def _same(what: str | int | float) -> Value:
    return Value(str(what), what)


def _several(rng: random.Random, world: World, lang: str, pool: str) -> Value:
    items = [pooled(rng, world, lang, pool) for _ in range(rng.choice((2, 2, 3)))]
    return Value(enumeration(items, lang, rng.random() < 0.3), items)


def _name(rng: random.Random, world: World, lang: str) -> Value:
    first = pooled(rng, world, lang, "person")
    if lang == "zh" or rng.random() < 0.6:
        return _same(first)
    return _same(f"{first} {pooled(rng, world, lang, 'surname')}")


def _price(rng: random.Random, world: World, lang: str) -> Value:
    del world, lang
    whole = rng.randint(1, 200)
    return _same(rng.choice((whole, whole + 0.5, whole + 0.99, whole + rng.randint(1, 9) / 10)))


def _date(rng: random.Random, world: World, lang: str) -> Value:
    del world
    month, day = rng.randint(1, 12), rng.randint(1, 28)
    if lang == "zh":
        return _same(rng.choice((f"{month}月{day}日", _iso(rng))))
    name = _MONTHS[month - 1]
    forms = (f"{name} {day}", f"{day} {name}", f"{name} {day}, 20{rng.randint(20, 30)}", _iso(rng),
             rng.choice(_WEEKDAYS))  # fmt: skip
    return _same(rng.choice(forms))


def _iso(rng: random.Random) -> str:
    return f"20{rng.randint(15, 30)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def _time(rng: random.Random, world: World, lang: str) -> Value:
    del world
    hour, minute = rng.randint(0, 23), rng.choice((0, 0, 15, 30, 45, rng.randint(1, 59)))
    if lang == "en" and rng.random() < 0.3:
        return _same(f"{rng.randint(1, 12)} {rng.choice(('am', 'pm'))}")
    return _same(f"{hour:02d}:{minute:02d}")


def _email(rng: random.Random, world: World, lang: str) -> Value:
    del lang
    user = rng.choice(
        (world.words.common(rng), rng.choice(world.records["pools"]["en"]["person"]).lower())
    )
    host = world.words.common(rng)
    return _same(f"{user}@{host}.{rng.choice(_DOMAINS)}")


def _phone(rng: random.Random, world: World, lang: str) -> Value:
    del world
    if lang == "zh":
        return _same(f"1{rng.randint(30, 99)}-{rng.randint(1000, 9999)}-{rng.randint(1000, 9999)}")
    number = f"555-{rng.randint(0, 9999):04d}"
    return _same(
        rng.choice((number, f"{rng.randint(200, 999)}-{number}", f"+{rng.randint(1, 99)} {number}"))
    )


def _postcode(rng: random.Random, world: World, lang: str) -> Value:
    del world, lang
    letters = "".join(rng.choices("ABCDEFGHKLMNPRSTW", k=2))
    return _same(f"{letters}{rng.randint(1, 99)}-{rng.randint(100, 999)}")


_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December")  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DOMAINS = ("com", "org", "net", "cn", "de", "io", "edu", "info")
_STATUSES = (200, 301, 400, 401, 403, 404, 429, 500, 502, 503)
_KINDS: Mapping[str, Callable[[random.Random, World, str], Value]] = {
    "name": _name,
    "price": _price,
    "date": _date,
    "isodate": lambda rng, _, __: _same(_iso(rng)),
    "time": _time,
    "code": lambda rng, world, _: _same(code(rng, world)),
    "gate": lambda rng, _, __: _same(f"{rng.choice('ABCDEFGH')}{rng.randint(1, 60)}"),
    "status": lambda rng, _, __: _same(rng.choice(_STATUSES)),
    "login": lambda rng, world, _: _same(world.words.common(rng)),
    "email": _email,
    "phone": _phone,
    "postcode": _postcode,
    "bool": lambda rng, _, __: rng.choice((Value("true", True), Value("false", False))),
}
