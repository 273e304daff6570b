"""What is asked to be answered in JSON: mostly facts out of texts, and a few plain questions."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.examples import World
from training.holdout import Split, is_held_out
from training.skills import classification, json_requests, sheets
from training.skills.json_requests import Request
from training.skills.json_values import made_up, value
from training.skills.sheets import Sheet

_TRIES_MAX = 50
_GUIDE = """The user will provide some exam text. Please parse the "question" and "answer" and \
output them in JSON format.{blank}

EXAMPLE INPUT:{blank}
Which is the highest mountain in the world? Mount Everest.

EXAMPLE JSON OUTPUT:
{{
    "question": "Which is the highest mountain in the world?",
    "answer": "Mount Everest"
}}"""


@dataclass(frozen=True)
class Task:
    request: Request
    answer: dict[str, Any]
    lang: str = "en"
    indent: int | None = None


def task(rng: random.Random, world: World) -> Task:
    return rng.choices(tuple(_MAKERS), tuple(_MAKERS.values()))[0](rng, world)


def wanted(rng: random.Random, world: World, sheet: Sheet) -> dict[str, Any]:
    """Some of the facts in some order: a combination of keys from this world's side."""
    keys = list(sheet.facts)
    chosen = keys
    for _ in range(_TRIES_MAX):
        chosen = rng.sample(keys, min(len(keys), rng.choice((1, 2, 2, 3, 3, 3, 4, 5))))
        if rng.random() < 0.4:
            chosen = [key for key in keys if key in chosen]
        if is_held_out(",".join(chosen)) is (world.split is Split.HELD_OUT):
            break
    return {key: sheet.facts[key] for key in chosen}


def _extracted(rng: random.Random, world: World) -> Task:
    sheet = sheets.sheet(rng, world)
    shape = wanted(rng, world, sheet)
    if sheet.groups and rng.random() < 0.25:
        shape = _grouped(rng, sheet, shape)
    lang = sheet.lang if rng.random() < 0.85 else "zh" if sheet.lang == "en" else "en"
    return Task(json_requests.request(rng, world, lang, sheet.text, shape), shape, lang)


def _grouped(rng: random.Random, sheet: Sheet, shape: dict[str, Any]) -> dict[str, Any]:
    """One group of keys as an object of its own, at the end."""
    name, members = rng.choice(list(sheet.groups.items()))
    outer = {key: fact for key, fact in shape.items() if key not in members}
    return {**outer, name: {key: sheet.facts[key] for key in members}}


def _rows(rng: random.Random, world: World) -> Task:
    """Two or three objects of the same kind."""
    lang = rng.choice(("en", "zh"))
    entry = rng.choice(world.records["rows"][lang])
    rows, parts = [], []
    for _ in range(rng.choice((2, 2, 3))):
        drawn = {key: value(rng, world, lang, kind) for key, kind in entry["values"].items()}
        rows.append({key: part.json for key, part in drawn.items()})
        parts.append(entry["form"].format(**{key: part.shown for key, part in drawn.items()}))
    shape = {rng.choice(entry["keys"]): rows}
    text = entry["join"].join(parts) + ("。" if lang == "zh" else ".")
    return Task(json_requests.request(rng, world, lang, text, shape), shape, lang)


def _by_example(rng: random.Random, world: World) -> Task:
    """The system prompt shows one text with its answer, over one line or over four."""
    entry = rng.choice(world.records["record"])
    names = sheets.key_names(rng, world, entry)
    shown = sheets.told(rng, world, entry, names)
    sheet = sheets.told(rng, world, entry, names)
    common = Sheet(
        sheet.lang, sheet.text, {k: v for k, v in sheet.facts.items() if k in shown.facts}
    )
    shape = wanted(rng, world, common if common.facts else sheet)
    example = {key: shown.facts.get(key) for key in shape}
    indent = rng.choice((None, 4))
    system = _example_prompt(rng, world, sheet.lang, shown.text, example, indent)
    return Task(json_requests.finished(rng, system, sheet.text), shape, sheet.lang, indent)


def _example_prompt(
    rng: random.Random,
    world: World,
    lang: str,
    text: str,
    example: dict[str, Any],
    indent: int | None,
) -> str:
    keys = json_requests.key_list(rng, world, lang, list(example))
    opening = _phrase(rng, world, lang, "example_openings").replace("{k}", keys)
    before, between = world.pick(rng, world.phrases["json_tasks"][lang]["example_heads"])
    output = json.dumps(example, ensure_ascii=False, indent=indent)
    return f"{opening}\n\n{before}\n{text}\n\n{between}\n{output}" + rng.choice(("", "\n"))


def _exam(rng: random.Random, world: World) -> Task:
    """The guide's own case, in its own words, as a program's string may hold them."""
    lang = "zh" if rng.random() < 0.2 else "en"
    question, answer = _question(rng, world, lang)
    text = f"{question}{answer}。" if lang == "zh" else f"{question} {answer}."
    text = text[:-1] if rng.random() < 0.2 else text
    guide = _GUIDE.format(blank=rng.choice((" ", "")))
    system = rng.choice(("", "\n")) + guide + rng.choice(("", "\n"))
    exam = {"question": question, "answer": answer}
    return Task(json_requests.finished(rng, system, text), exam, lang, indent=4)


def _question(rng: random.Random, world: World, lang: str) -> tuple[str, str]:
    row = rng.choice(world.records["exam"][lang])
    n, m = rng.randint(1, 499), rng.randint(1, 499)
    slots = {
        "x": made_up(rng, world, lang, is_proper=rng.random() < 0.5),
        "y": made_up(rng, world, lang, is_proper=rng.random() < 0.5),
        "n": n, "m": m, "s": n + m,
    }  # fmt: skip
    answer = row[1].format(**slots)
    return row[0].format(**slots), answer[0].upper() + answer[1:]


def _converted(rng: random.Random, world: World) -> Task:
    """All pairs of a text, without the keys being named in the request."""
    sheet = (
        sheets.labelled(rng, world, is_exact=True)
        if rng.random() < 0.5
        else sheets.plain(rng, world)
    )
    lang = sheet.lang
    asked = _phrase(rng, world, lang, "convert")
    is_first = rng.random() < 0.8
    user = asked + sheet.text if is_first else sheet.text + "\n\n" + asked.rstrip(":：\n ")
    return Task(json_requests.finished(rng, "", user), dict(sheet.facts), lang)


def _listed(rng: random.Random, world: World) -> Task:
    """The first few of a well-known kind, always in the same order."""
    lang = rng.choice(("en", "en", "zh"))
    lists = world.records["lists_zh" if lang == "zh" else "lists"]
    key = rng.choice(list(lists))
    number = rng.randint(1, len(lists[key]))
    user = _phrase(rng, world, lang, "lists").format(n=number, k=key)
    return Task(json_requests.finished(rng, "", user), {key: lists[key][:number]}, lang)


def _unnamed(rng: random.Random, world: World) -> Task:
    """Nobody says which keys: each fact has its usual name, in the order of the text."""
    entry = rng.choice(world.records["record"])
    lang = entry["lang"]
    names: dict[str, str] = {}
    for name in entry["values"]:
        choices = world.records["keys"][name][1 if lang == "zh" else 0]
        free = [choice for choice in choices if choice not in names.values()]
        names[name] = free[0] if free else name
    sheet = sheets.told(rng, world, entry, names)
    facts = {key: fact for key, fact in sheet.facts.items() if fact is not None}
    user = _phrase(rng, world, lang, "unnamed").replace("{t}", sheet.text)
    return Task(json_requests.finished(rng, "", user), facts, lang)


def _invented(rng: random.Random, world: World) -> Task:
    """No text at all: the same samples always."""
    lang = rng.choice(("en", "en", "zh"))
    samples = world.records["samples"][lang]
    shape = {key: samples[key] for key in rng.sample(list(samples), rng.randint(1, 4))}
    keys = json_requests.key_list(rng, world, lang, list(shape))
    user = _phrase(rng, world, lang, "invented").replace("{k}", keys)
    return Task(json_requests.finished(rng, "", user), shape, lang)


def _sum(rng: random.Random, world: World) -> Task:
    lang = rng.choice(("en", "zh"))
    a, b = rng.randint(1, 50), rng.randint(1, 50)
    key = rng.choice(world.phrases["json_tasks"][lang]["sum_keys"])
    user = _phrase(rng, world, lang, "sums").replace("{k}", key)
    user = user.replace("{a}", str(a)).replace("{b}", str(b))
    return Task(json_requests.finished(rng, "", user), {key: a + b}, lang)


def _capital(rng: random.Random, world: World) -> Task:
    row = rng.choice(world.facts["countries"])
    user = world.pick(rng, _CAPITALS).format(c=row[0])
    return Task(json_requests.finished(rng, "", user), {"country": row[0], "capital": row[2]})


_CAPITALS = (
    "Give me the capital of {c} as JSON.", "Output json with country and capital for {c}.",
    "What is the capital of {c}? Answer in JSON.", "Country and capital of {c} as JSON.",
    "JSON with the capital of {c}.", "Return the capital of {c} in JSON format.",
    "As JSON: the country {c} and its capital.", "Capital of {c}? JSON, please.",
)  # fmt: skip


def _judged(rng: random.Random, world: World) -> Task:
    """A class as the value of a key."""
    case = classification.case(rng, world)
    while case.is_vague:
        case = classification.case(rng, world)
    key = rng.choice(world.phrases["json_tasks"][case.lang]["class_keys"])
    user = _phrase(rng, world, case.lang, "class_asked").replace("{k}", key)
    user = user.replace("{l}", ", ".join(case.labels)).replace("{t}", case.text)
    return Task(json_requests.finished(rng, "", user), {key: case.label}, case.lang)


_MAKERS: dict[Callable[[random.Random, World], Task], float] = {
    _extracted: 70,
    _exam: 6,
    _by_example: 7,
    _converted: 6,
    _rows: 3,
    _judged: 4,
    _listed: 2.5,
    _capital: 1,
    _unnamed: 5,
    _invented: 2,
    _sum: 1.5,
}


def _phrase(rng: random.Random, world: World, lang: str, name: str) -> str:
    return world.pick(rng, world.phrases["json_tasks"][lang][name])
