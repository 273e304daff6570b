"""JSON answers: facts taken out of a text under the keys that were asked for, in their order.

The answer is one line, whatever the request looks like; only where the system prompt shows an
example over several lines, as the guide to JSON output does, the answer is laid out like it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.examples import Dialogue, World
from training.holdout import Split, is_held_out
from training.skills import classification, json_requests, sheets
from training.skills.json_requests import Request
from training.skills.sheets import Sheet
from training.skills.values import made_up, value
from whalefall.chat.messages import Message, Role

_TRIES_MAX = 50
_GUIDE = """The user will provide some exam text. Please parse the "question" and "answer" and \
output them in JSON format.

EXAMPLE INPUT:
Which is the highest mountain in the world? Mount Everest.

EXAMPLE JSON OUTPUT:
{
    "question": "Which is the highest mountain in the world?",
    "answer": "Mount Everest"
}
"""


@dataclass(frozen=True)
class Task:
    request: Request
    answer: dict[str, Any]
    lang: str = "en"
    indent: int | None = None


def json_answers(rng: random.Random, world: World) -> Dialogue:
    """One task, sometimes thought about; sometimes a second text for the same keys follows."""
    if rng.random() < 0.08:
        return _twice(rng, world)
    return _dialogue([_task(rng, world)], is_thinking=rng.random() < 0.15)


def json_case(rng: random.Random, world: World) -> Dialogue:
    """One task without thinking: what an evaluation asks."""
    return _dialogue([_task(rng, world)], is_thinking=False)


def _task(rng: random.Random, world: World) -> Task:
    return rng.choices(tuple(_MAKERS), tuple(_MAKERS.values()))[0](rng, world)


def _dialogue(tasks: list[Task], *, is_thinking: bool) -> Dialogue:
    first = tasks[0].request
    messages = [Message(Role.SYSTEM, first.system)] if first.system else []
    for task in tasks:
        answer = json.dumps(task.answer, ensure_ascii=False, indent=task.indent)
        messages += (
            Message(Role.USER, task.request.user),
            Message(Role.ASSISTANT, answer, reasoning_content=_thought(task)),
        )
    return Dialogue(tuple(messages), is_thinking, response_format=first.response_format)


def _thought(task: Task) -> str:
    """The keys, then each with its value."""
    is_chinese = task.lang == "zh"
    keys = ("、" if is_chinese else ", ").join(task.answer)
    found = "; ".join(
        f"{key}: {part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)}"
        for key, part in task.answer.items()
    )
    return f"需要的键：{keys}。找到：{found}。" if is_chinese else f"Keys: {keys}. Found: {found}."


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
    shape = {world.pick(rng, entry["keys"]): rows}
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
    before, between = _phrase(rng, world, lang, "example_heads")
    output = json.dumps(example, ensure_ascii=False, indent=indent)
    return f"{opening}\n\n{before}\n{text}\n\n{between}\n{output}" + rng.choice(("", "\n"))


def _exam(rng: random.Random, world: World) -> Task:
    """The guide's own case, in its own words."""
    lang = "zh" if rng.random() < 0.2 else "en"
    question, answer = _question(rng, world, lang)
    text = f"{question}{answer}。" if lang == "zh" else f"{question} {answer}."
    exam = {"question": question, "answer": answer}
    return Task(json_requests.finished(rng, _GUIDE, text), exam, lang, indent=4)


def _question(rng: random.Random, world: World, lang: str) -> tuple[str, str]:
    row = world.pick(rng, world.records["exam"][lang])
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
    key = _phrase(rng, world, case.lang, "class_keys")
    user = _phrase(rng, world, case.lang, "class_asked").replace("{k}", key)
    user = user.replace("{l}", ", ".join(case.labels)).replace("{t}", case.text)
    return Task(json_requests.finished(rng, "", user), {key: case.label}, case.lang)


def _twice(rng: random.Random, world: World) -> Dialogue:
    """The same keys for a second text of the same kind."""
    entry = rng.choice(world.records["record"])
    names = sheets.key_names(rng, world, entry)
    first, second = (sheets.told(rng, world, entry, names) for _ in range(2))
    shape = wanted(rng, world, first)
    request = json_requests.request(rng, world, first.lang, first.text, shape)
    following = _phrase(rng, world, first.lang, "following") + second.text
    answer = {key: second.facts.get(key) for key in shape}
    again = Request("", following, request.response_format)
    tasks = [Task(request, shape, first.lang), Task(again, answer, first.lang)]
    return _dialogue(tasks, is_thinking=rng.random() < 0.15)


_MAKERS: dict[Callable[[random.Random, World], Task], float] = {
    _extracted: 70,
    _exam: 6,
    _by_example: 7,
    _converted: 6,
    _rows: 3,
    _judged: 4,
    _listed: 3,
    _capital: 1,
}


def _phrase(rng: random.Random, world: World, lang: str, name: str) -> str:
    return world.pick(rng, world.phrases["json_tasks"][lang][name])
