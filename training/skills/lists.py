"""Lists that the user gives: their items by place, their neighbours, their order and length."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, World
from training.skills.items import distinct, some_kind, value

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_PLACES_ZH = "一二三四五六七八"


def picking(rng: random.Random, world: World) -> Exchanges:
    """One list and up to four questions about it."""
    lang = "zh" if rng.random() < 0.35 else "en"
    items = distinct(rng, world, some_kind(rng, lang), rng.randint(2, 7), lang)
    if len(items) < 2:
        items.append(value(rng, world, "code"))
    exchanges: Exchanges = []
    for _ in range(rng.choice((1, 2, 3, 4))):
        asked = (_asked_zh if lang == "zh" else _asked)(rng, world, items)
        exchanges.append(asked)
    first = exchanges[0]
    listed = _listed(rng, items, lang)
    exchanges[0] = Exchange(_joined(rng, world, listed, first.question, lang), first.answer,
                            first.reasoning)  # fmt: skip
    return exchanges


def _listed(rng: random.Random, items: list[str], lang: str) -> str:
    if rng.random() < 0.15:
        return "\n" + "\n".join(f"{place}. {item}" for place, item in enumerate(items, 1))
    if rng.random() < 0.15:
        return "\n" + "\n".join(f"- {item}" for item in items)
    return rng.choice(("、", "，", ", ") if lang == "zh" else (", ", ", ", " ", "; ")).join(items)


def _joined(rng: random.Random, world: World, listed: str, question: str, lang: str) -> str:
    form = world.pick(rng, _LIST_FORMS_ZH if lang == "zh" else _LIST_FORMS)
    end = "" if "\n" in listed else rng.choice(("。", "\n") if lang == "zh" else (".", "\n"))
    text = form.format(l=listed, q=question, e=end or "\n")
    return text.replace(".\n", "\n").replace("\n ", "\n").strip()


_LIST_FORMS = (
    "{l}{e} {q}", "Here is a list: {l}{e} {q}", "The list: {l}{e} {q}", "List: {l}{e} {q}",
    "My list: {l}{e} {q}", "I have these items: {l}{e} {q}", "Look at this list: {l}{e} {q}",
    "These are the items: {l}{e} {q}", "Items: {l}{e} {q}", "Given the list {l}{e} {q}",
    "Consider: {l}{e} {q}", "I wrote down {l}{e} {q}", "Take {l}{e} {q}", "Data: {l}{e} {q}",
    "There are {l}{e} {q}", "Here are some things: {l}{e} {q}", "Remember: {l}{e} {q}",
)  # fmt: skip
_LIST_FORMS_ZH = (
    "{l}{e}{q}",
    "列表：{l}{e}{q}",
    "这是一个列表：{l}{e}{q}",
    "我有：{l}{e}{q}",
    "给定{l}{e}{q}",
    "请看：{l}{e}{q}",
    "下面是清单：{l}{e}{q}",
    "清单：{l}{e}{q}",
    "名单：{l}{e}{q}",
    "这里有{l}{e}{q}",
)


def _asked(rng: random.Random, world: World, items: list[str]) -> Exchange:
    kind, place = _kind_and_place(rng, items)
    item = items[place]
    thought = f"The list: {', '.join(items)}."
    if kind == "place":
        word = _ORDINALS[place] if place < len(items) - 1 or rng.random() < 0.5 else "last"
        question = world.pick(rng, _PLACE).format(n=word)
        return Exchange(question, f"The {word} item is {item}.", _numbered(items))
    if kind == "after":
        question = world.pick(rng, _AFTER).format(i=item)
        return Exchange(question, f"{items[place + 1]} comes after {item}.", thought)
    if kind == "before":
        question = world.pick(rng, _BEFORE).format(i=items[place + 1])
        return Exchange(question, f"{item} comes before {items[place + 1]}.", thought)
    if kind == "count":
        question = world.pick(rng, _COUNT)
        return Exchange(question, f"There are {len(items)} items.", _numbered(items))
    if kind == "reverse":
        answer = ", ".join(reversed(items)) + "."
        return Exchange(world.pick(rng, _REVERSE), answer, thought)
    if kind == "all":
        return Exchange(world.pick(rng, _ALL), ", ".join(items) + ".", thought)
    is_in = rng.random() < 0.5
    said = item if is_in else value(rng, world, "word")
    word = "Yes" if said in items else "No"
    tail = "is in the list" if said in items else "is not in the list"
    return Exchange(world.pick(rng, _IS_IN).format(i=said), f"{word}, {said} {tail}.", thought)


def _kind_and_place(rng: random.Random, items: list[str]) -> tuple[str, int]:
    kind = rng.choices(("place", "after", "before", "count", "reverse", "all", "is in"),
                       (8, 3, 2, 2, 2, 2, 3))[0]  # fmt: skip
    last = len(items) - (2 if kind in ("after", "before") else 1)
    return kind, rng.randint(0, last)


def _numbered(items: list[str]) -> str:
    return " ".join(f"{place}. {item}" for place, item in enumerate(items, 1))


def _asked_zh(rng: random.Random, world: World, items: list[str]) -> Exchange:
    kind, place = _kind_and_place(rng, items)
    item, thought = items[place], f"列表：{'、'.join(items)}。"
    if kind == "place":
        is_last = place == len(items) - 1 and rng.random() < 0.5
        word = "最后一个" if is_last else f"第{_PLACES_ZH[place]}个"
        return Exchange(world.pick(rng, _PLACE_ZH).format(n=word), f"{word}是{item}。",
                        _numbered(items))  # fmt: skip
    if kind in ("after", "before"):
        given, other = (items[place], items[place + 1])
        if kind == "before":
            given, other = other, given
        side = "后面" if kind == "after" else "前面"
        question = world.pick(rng, _NEXT_ZH).format(i=given, s=side)
        return Exchange(question, f"{given}{side}是{other}。", thought)
    if kind == "count":
        return Exchange(world.pick(rng, _COUNT_ZH), f"一共有{len(items)}个。", _numbered(items))
    if kind in ("reverse", "all"):
        row = items[::-1] if kind == "reverse" else items
        forms = _REVERSE_ZH if kind == "reverse" else _ALL_ZH
        return Exchange(world.pick(rng, forms), "、".join(row) + "。", thought)
    said = item if rng.random() < 0.5 else value(rng, world, "word", "zh")
    answer = f"有，{said}在列表里。" if said in items else f"没有，{said}不在列表里。"
    return Exchange(world.pick(rng, _IS_IN_ZH).format(i=said), answer, thought)


_PLACE = (
    "What is the {n} item?", "Which is the {n}?", "What's the {n} one?", "Give me the {n} item.",
    "the {n} item?", "Tell me the {n} item.", "What comes {n}?", "Say the {n} item.",
    "Which item is the {n}?", "Name the {n} one.", "What is the {n} entry?", "And the {n}?",
    "Which one is {n}?", "I want the {n} item.", "What is {n} in the list?",
    "What was the {n} item?",
)  # fmt: skip
_AFTER = (
    "What comes after {i}?", "Which item follows {i}?", "What is after {i}?", "Next after {i}?",
    "Which one comes after {i}?", "What follows {i}?", "What stands behind {i}?",
    "Which is the next item after {i}?", "After {i} comes what?", "Tell me what comes after {i}.",
)  # fmt: skip
_BEFORE = (
    "What comes before {i}?", "Which item precedes {i}?", "What is before {i}?",
    "Which one comes before {i}?", "What precedes {i}?", "What stands in front of {i}?",
    "Which is the item before {i}?", "Before {i} comes what?", "Tell me what comes before {i}.",
)  # fmt: skip
_COUNT = (
    "How many items are there?", "How many are in the list?", "Count the items.", "How many?",
    "How long is the list?", "How many things are these?", "Number of items?", "Count them.",
    "How many entries does it have?", "How many items do I have?",
    "What is the length of the list?",
)  # fmt: skip
_REVERSE = (
    "Reverse the list.", "Write them in reverse order.", "Say them backwards.", "Reverse it.",
    "List them from last to first.", "In reverse order, please.", "Turn the order around.",
    "Give me the items in reverse.", "What is the list backwards?", "reverse the order",
)  # fmt: skip
_ALL = (
    "Repeat the list.", "Say all items.", "What is in the list?", "Which items are in the list?",
    "List all items.", "Name all of them.", "Write the list again.", "What are the items?",
    "Which are they?", "Tell me the whole list.", "Give me all items.",
)  # fmt: skip
_IS_IN = (
    "Is {i} in the list?", "Does the list contain {i}?", "Do you see {i} in it?", "Is {i} there?",
    "Is there {i}?", "Do I have {i}?", "Does {i} occur?", "Is {i} one of the items?",
    "Can you find {i}?", "Is {i} among them?", "Did I mention {i}?",
)  # fmt: skip
_PLACE_ZH = (
    "{n}是什么？", "{n}是哪个？", "请说出{n}。", "列表里{n}是什么？", "{n}？", "告诉我{n}。",
    "{n}项是什么？", "写出{n}", "请问{n}是什么？", "其中{n}是？",
)  # fmt: skip
_NEXT_ZH = (
    "{i}{s}是什么？",
    "{i}的{s}是什么？",
    "{i}{s}是哪个？",
    "在{i}{s}的是什么？",
    "{i}{s}一个是什么？",
    "哪个在{i}的{s}？",
    "请问{i}{s}是什么？",
    "告诉我{i}{s}是什么",
)
_COUNT_ZH = ("一共有几个？", "有多少个？", "列表有几项？", "数一数有几个。", "总共几个？",
             "这里有几个？", "列表的长度是多少？", "共有多少项？")  # fmt: skip
_REVERSE_ZH = ("倒过来写。", "请反转列表。", "倒序输出。", "从后往前说一遍。", "反过来列出。",
               "按相反的顺序写出来。", "请倒着说", "逆序排列。")  # fmt: skip
_ALL_ZH = (
    "重复列表。",
    "都有什么？",
    "列表里有什么？",
    "请全部列出。",
    "再写一遍列表。",
    "有哪些？",
    "把它们都说出来。",
    "请重复一遍",
)
_IS_IN_ZH = (
    "列表里有{i}吗？", "有没有{i}？", "{i}在里面吗？", "里面有{i}吗？", "{i}在列表里吗？",
    "包含{i}吗？", "有{i}吗？", "能找到{i}吗？",
)  # fmt: skip
