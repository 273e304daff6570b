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
    fields, form, names, join = rng.choice(_ROWS[lang])
    rows, parts = [], []
    for _ in range(rng.choice((2, 2, 3))):
        drawn = {key: value(rng, world, lang, kind) for key, kind in fields.items()}
        rows.append({key: part.json for key, part in drawn.items()})
        parts.append(form.format(**{key: part.shown for key, part in drawn.items()}))
    shape = {world.pick(rng, names): rows}
    text = join.join(parts) + ("。" if lang == "zh" else ".")
    return Task(json_requests.request(rng, world, lang, text, shape), shape, lang)


_Row = tuple[dict[str, str], str, tuple[str, ...], str]
_ROWS: dict[str, tuple[_Row, ...]] = {
    "en": (
        ({"name": "name", "age": "int 1 99"}, "{name} is {age}", ("people", "persons", "users", "friends"), ", "),
        ({"item": "product", "price": "price"}, "{item} cost {price}", ("items", "products", "articles"), " and "),
        ({"city": "city", "temperature": "int -9 40"}, "{city} has {temperature} degrees", ("cities", "places", "weather"), "; "),
        ({"product": "product", "quantity": "int 1 60"}, "{quantity} {product}", ("items", "order", "cart"), ", "),
        ({"player": "person", "points": "int 0 99"}, "{player}: {points} points", ("players", "scores", "results"), "\n"),
    ),
    "zh": (
        ({"姓名": "name", "年龄": "int 1 99"}, "{姓名}{年龄}岁", ("人物", "用户", "朋友"), "，"),
        ({"商品": "product", "价格": "price"}, "{商品}{价格}元", ("商品列表", "清单", "商品"), "，"),
        ({"city": "city", "temperature": "int -9 40"}, "{city}{temperature}度", ("cities", "weather"), "；"),
    ),
}  # fmt: skip


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
    opening = world.pick(rng, _EXAMPLE_OPENINGS[lang]).replace("{k}", keys)
    before, between = world.pick(rng, _EXAMPLE_HEADS[lang])
    output = json.dumps(example, ensure_ascii=False, indent=indent)
    return f"{opening}\n\n{before}\n{text}\n\n{between}\n{output}" + rng.choice(("", "\n"))


_EXAMPLE_OPENINGS = {
    "en": (
        "The user will provide some text. Please parse the {k} and output them in JSON format.",
        "The user will provide a text. Output {k} in JSON format.", "Extract {k} as JSON.",
        "Please parse {k} and answer with JSON.", "You turn texts into JSON with {k}.",
        "Parse the text and return JSON.", "The user sends a text. Write JSON with the keys {k}.",
        "For every message, output a JSON object as in the example.", "Follow the JSON example.",
        "Extract the same fields as in the example, in JSON.", "You are a parser. JSON only.",
    ),
    "zh": (
        "用户将提供一段文本。请解析{k}并以JSON格式输出。", "请提取{k}，用JSON输出。", "按照示例把文本转成JSON。", "用户会给出文本，请输出包含{k}的JSON。",
        "请仿照例子输出JSON。", "解析文本，返回JSON。", "你是解析器，只输出JSON。",
    ),
}  # fmt: skip
_EXAMPLE_HEADS = {
    "en": (("EXAMPLE INPUT:", "EXAMPLE JSON OUTPUT:"), ("EXAMPLE INPUT: ", "EXAMPLE JSON OUTPUT:"),
           ("Example input:", "Example output:"), ("Input:", "Output:"), ("Text:", "JSON:"),
           ("Example:", "Answer:"), ("### Input", "### Output"), ("INPUT", "JSON")),
    "zh": (("示例输入：", "示例JSON输出："), ("输入示例：", "输出示例："), ("例子：", "JSON："), ("输入：", "输出："),
           ("EXAMPLE INPUT:", "EXAMPLE JSON OUTPUT:"), ("文本：", "结果：")),
}  # fmt: skip


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
    asked = world.pick(rng, _CONVERT[lang])
    is_first = rng.random() < 0.8
    user = asked + sheet.text if is_first else sheet.text + "\n\n" + asked.rstrip(":：\n ")
    return Task(json_requests.finished(rng, "", user), dict(sheet.facts), lang)


_CONVERT = {
    "en": ("Convert to JSON: ", "Turn this into JSON: ", "As JSON:\n", "Write this as a JSON object: ",
           "Make JSON of this:\n", "To JSON: ", "json please: ", "Please convert the following to JSON:\n\n",
           "Represent this as JSON: ", "Transform into JSON: ", "Rewrite as JSON:\n", "JSON:\n", "Format as JSON: "),
    "zh": ("转成JSON：", "请把下面的内容转换成JSON：\n", "写成JSON：", "用JSON表示：", "转换为 JSON：\n", "改成JSON格式：", "请输出对应的JSON：", "JSON：\n"),
}  # fmt: skip


def _listed(rng: random.Random, world: World) -> Task:
    """The first few of a well-known kind, always in the same order."""
    lang = rng.choice(("en", "en", "zh"))
    lists = world.records["lists_zh" if lang == "zh" else "lists"]
    key = rng.choice(list(lists))
    number = rng.randint(1, len(lists[key]))
    user = world.pick(rng, _LISTS[lang]).format(n=number, k=key)
    return Task(json_requests.finished(rng, "", user), {key: lists[key][:number]}, lang)


_LISTS = {
    "en": ("List {n} {k} as JSON.", "Give me a json list of {n} {k}.", "Return JSON with {n} {k}.",
           "Name {n} {k} in JSON.", "{n} {k} as JSON", "Write a JSON object with {n} {k}.",
           "I need {n} {k} in JSON format.", "Output {n} {k} as JSON, please.", "Show me {n} {k}. Use JSON.",
           "Tell me {n} {k} as a JSON object.", "JSON: {n} {k}"),
    "zh": ("用JSON列出{n}个{k}。", "给我{n}个{k}，用JSON格式。", "以JSON返回{n}个{k}。", "列举{n}个{k}，输出JSON。", "{n}个{k}，JSON格式",
           "请写出{n}个{k}的JSON。", "输出{n}个{k}，用json。", "请用JSON给出{n}个{k}。"),
}  # fmt: skip


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
    key = world.pick(rng, _CLASS_KEYS[case.lang])
    user = world.pick(rng, _CLASS_ASKED[case.lang]).replace("{k}", key)
    user = user.replace("{l}", ", ".join(case.labels)).replace("{t}", case.text)
    return Task(json_requests.finished(rng, "", user), {key: case.label}, case.lang)


_CLASS_KEYS = {
    "en": (
        "label",
        "class",
        "category",
        "result",
        "type",
        "answer",
        "prediction",
        "kind",
        "output",
    ),
    "zh": ("标签", "类别", "label", "结果", "分类", "category"),
}
_CLASS_ASKED = {
    "en": (
        'Classify as {l}. Answer in JSON with the key "{k}": {t}', "JSON with {k}, one of {l}: {t}",
        'Which of {l}? Return {"{k}": "..."} as JSON. {t}', "{t}\n\nClassify ({l}) and output JSON with the key {k}.",
        "Labels: {l}\nText: {t}\nReturn a JSON object with the key {k}.", "{t}\nGive me {k} ({l}) as JSON.",
        "Output JSON with the key {k}. Choose from {l}.\n\n{t}", "Put this text into one of {l}, as JSON with {k}: {t}",
    ),
    "zh": (
        "请分类（{l}），用JSON输出，键为{k}：{t}", "文本：{t}\n从{l}中选择，返回JSON，键名{k}。", "用JSON回答{k}，可选：{l}。\n{t}", "{t}\n\n分类为{l}之一，输出包含{k}的JSON。",
        "标签：{l}\n文本：{t}\n返回JSON对象，键：{k}",
    ),
}  # fmt: skip


def _twice(rng: random.Random, world: World) -> Dialogue:
    """The same keys for a second text of the same kind."""
    entry = rng.choice(world.records["record"])
    names = sheets.key_names(rng, world, entry)
    first, second = (sheets.told(rng, world, entry, names) for _ in range(2))
    shape = wanted(rng, world, first)
    request = json_requests.request(rng, world, first.lang, first.text, shape)
    following = world.pick(rng, _FOLLOWING[first.lang]) + second.text
    answer = {key: second.facts.get(key) for key in shape}
    again = Request("", following, request.response_format)
    tasks = [Task(request, shape, first.lang), Task(again, answer, first.lang)]
    return _dialogue(tasks, is_thinking=rng.random() < 0.15)


_FOLLOWING = {
    "en": ("", "Now this one: ", "And this: ", "Next: ", "The same for: ", "Again: ", "Another one: ", "Do the same:\n", "Next text:\n"),
    "zh": ("", "下一个：", "再来一个：", "同样处理：", "还有：", "继续：", "这个呢："),
}  # fmt: skip
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
