"""Texts that hold facts, with the facts: people, orders, flights, log lines, and bare keys with
values. Which of the facts are asked for, and how, is decided elsewhere."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from training.examples import World
from training.skills.json_values import Value, scalar, value, word

_TRIES_MAX = 3
_FIELD = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Sheet:
    lang: str
    text: str
    facts: dict[str, Any]
    """By the key it will have in JSON, in the order of the text; None for what the text lacks."""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Keys that may be told as an object within the object, by the key of that object."""


def sheet(rng: random.Random, world: World) -> Sheet:
    """Drawn anew a few times where a value has lost its tokens to its neighbours."""
    maker = rng.choices((record, labelled, plain), (50, 15, 35))[0]
    found = maker(rng, world)
    for _ in range(_TRIES_MAX):
        if found.lang == "en" or _keeps_tokens(world, found):
            break
        found = maker(rng, world)
    return found


def _keeps_tokens(world: World, found: Sheet) -> bool:
    """Chinese has no blanks: a word may melt into the next one. Then it cannot be copied."""
    tokens = _spelled(world.words.tokenizer.encode(found.text))
    return all(
        _spelled(world.words.tokenizer.encode(fact)) in tokens
        for fact in found.facts.values()
        if isinstance(fact, str) and not fact.isascii()
    )


def _spelled(token_ids: list[int]) -> str:
    return " " + " ".join(map(str, token_ids)) + " "


def record(rng: random.Random, world: World) -> Sheet:
    """A record told in one to three sentences."""
    return told(rng, world, rng.choice(world.records["record"]))


def told(
    rng: random.Random, world: World, entry: dict[str, Any], names: dict[str, str] | None = None
) -> Sheet:
    """A text of this kind of record; `names` are the keys of its fields in JSON."""
    lang = entry["lang"]
    names = names or key_names(rng, world, entry)
    texts = [world.pick(rng, entry["texts"])]
    more = entry["more"]
    if more and rng.random() < 0.4:
        texts.append(world.pick(rng, more))
    text = ("" if lang == "zh" else " ").join(texts)
    used = list(dict.fromkeys(_FIELD.findall(text)))
    values = {name: value(rng, world, lang, entry["values"][name]) for name in used}
    facts = {names[name]: values[name].json for name in used}
    if rng.random() < 0.08:
        missing = [name for name in entry["values"] if name not in used]
        facts.update({names[name]: None for name in missing[:1]})
    return Sheet(lang, _filled(text, values), facts, _groups(rng, world, entry, names, used))


def key_names(rng: random.Random, world: World, entry: dict[str, Any]) -> dict[str, str]:
    """What each field is called, no name twice. Chinese texts are asked for in both languages."""
    is_chinese = entry["lang"] == "zh" and rng.random() < 0.6
    names: dict[str, str] = {}
    for name in entry["values"]:
        choices = world.records["keys"][name][1 if is_chinese else 0]
        free = [choice for choice in choices if choice not in names.values()]
        names[name] = rng.choice((free[0], *free)) if free else name
    return names


def labelled(rng: random.Random, world: World, *, is_exact: bool = False) -> Sheet:
    """The same records as a form: the key (`is_exact`) or something like it, and the value."""
    entry = rng.choice(world.records["record"])
    names = key_names(rng, world, entry)
    used = rng.sample(list(entry["values"]), min(len(entry["values"]), rng.randint(2, 5)))
    values = {name: _form_value(rng, world, entry["lang"], entry["values"][name]) for name in used}
    is_pretty = not is_exact and rng.random() < 0.5
    labels = [_pretty(names[name]) if is_pretty else names[name] for name in used]
    text = _listed(
        rng, world, entry["lang"], list(zip(labels, values.values(), strict=True)), _FORM
    )
    return Sheet(entry["lang"], text, {names[name]: values[name].json for name in used})


def _form_value(rng: random.Random, world: World, lang: str, kind: str) -> Value:
    """As people fill in forms: yes and no, a sign before a price, a dash for nothing."""
    if rng.random() < 0.04:
        return Value(world.pick(rng, _NOTHING[lang]), None)
    found = value(rng, world, lang, kind)
    if isinstance(found.json, bool):
        return Value(rng.choice(_ANSWERS[lang])[0 if found.json else 1], found.json)
    if kind == "price" and rng.random() < 0.4:
        return Value(world.pick(rng, _PRICES[lang]).format(found.shown), found.json)
    return found


_NOTHING = {
    "en": ("n/a", "unknown", "-", "none", "not given", "?", "missing", "N/A"),
    "zh": ("无", "未知", "-", "不详", "暂无", "未填", "?", "空"),
}
_ANSWERS = {
    "en": (("yes", "no"), ("true", "false"), ("Yes", "No")),
    "zh": (("是", "否"), ("有", "没有")),
}
_PRICES = {
    "en": ("${}", "{} dollars", "€{}", "{} EUR", "{} USD", "£{}", "{}€", "USD {}"),
    "zh": ("{}元", "￥{}", "{}块", "¥{}", "{} 元", "人民币{}元", "{}美元", "RMB {}"),
}  # fmt: skip


def plain(rng: random.Random, world: World) -> Sheet:
    """Keys and values without further meaning; both may be words nobody wrote down."""
    lang = rng.choice(("en", "en", "zh"))
    keys = list(dict.fromkeys(_plain_key(rng, world, lang) for _ in range(rng.randint(2, 5))))
    pairs = [(key, scalar(rng, world, lang)) for key in keys]
    forms = world.records["plain"]["forms_zh" if lang == "zh" else "forms"]
    text = _listed(rng, world, lang, pairs, forms)
    return Sheet(lang, text, {key: shown.json for key, shown in pairs})


_FORM = ("{k}: {v}", "{k}: {v}", "{k} = {v}", "{k}={v}", "{k} - {v}", "{k} | {v}", "{k}：{v}",
         "{k}\t{v}", "* {k}: {v}", "{k} is {v}")  # fmt: skip


def _listed(
    rng: random.Random,
    world: World,
    lang: str,
    pairs: list[tuple[str, Value]],
    forms: Sequence[str],
) -> str:
    """One form for all pairs, or one for each."""
    joins = world.records["plain"]["joins_zh" if lang == "zh" else "joins"]
    form = world.pick(rng, forms)
    is_mixed = forms is not _FORM and rng.random() < 0.3
    parts = [
        (world.pick(rng, forms) if is_mixed else form).format(k=key, v=shown.shown)
        for key, shown in pairs
    ]
    return world.pick(rng, joins).join(parts) + rng.choice(("", "" if lang == "zh" else "."))


def _plain_key(rng: random.Random, world: World, lang: str) -> str:
    """From the pool, or made of one or two words as programs name things."""
    pool = world.records["plain"]["keys_zh" if lang == "zh" else "keys"]
    if rng.random() < 0.5:
        return rng.choice(pool)
    if lang == "zh":
        return word(rng, world, lang)
    parts = [word(rng, world, lang) for _ in range(rng.choice((1, 1, 2)))]
    if len(parts) > 1 and rng.random() < 0.3:
        return parts[0] + parts[1].capitalize()
    return "_".join(parts)


def _pretty(key: str) -> str:
    """order_id, orderId: "Order id"."""
    return re.sub(r"([a-z])([A-Z])", r"\1 \2", key).replace("_", " ").lower().capitalize()


def _filled(text: str, values: dict[str, Value]) -> str:
    return _FIELD.sub(lambda found: values[found[1]].shown, text)


def _groups(
    rng: random.Random,
    world: World,
    entry: dict[str, Any],
    names: dict[str, str],
    used: list[str],
) -> dict[str, tuple[str, ...]]:
    groups = {}
    for members, *choices in world.records["groups"].values():
        found = tuple(names[member] for member in members if member in used)
        english = names[next(iter(entry["values"]))].isascii()
        name = rng.choice(choices[0 if english else 1])
        if len(found) > 1 and name not in names.values():
            groups[name] = found
    return groups
