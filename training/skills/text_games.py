"""Games with words: spelling, counting letters, and naming some of a kind."""

from __future__ import annotations

import random
from collections.abc import Sequence

from training.examples import Exchange, Exchanges, World


def spelling(rng: random.Random, world: World) -> Exchanges:
    word = world.pick(rng, world.facts["spelling"])
    letters = "-".join(word.upper())
    if rng.random() < 0.4:
        return [Exchange(world.pick(rng, _SPELL).format(w=word), f"{letters}.", f"{letters}.")]
    letter = rng.choice(sorted(set(word)))
    question = world.pick(rng, _LETTERS).format(c=letter, w=word)
    return [Exchange(question, _letter_answer(word, letter), _letter_steps(word, letter))]


def strawberry(rng: random.Random, world: World) -> Exchanges:
    """The question everybody asks."""
    del world
    question = rng.choice(_STRAWBERRY)
    answer = _letter_answer("strawberry", "r")
    if "几" in question:
        answer = "S-T-R-A-W-B-E-R-R-Y：strawberry 里有 3 个 r。"
    return [Exchange(question, answer, _letter_steps("strawberry", "r"))]


def letters(rng: random.Random, world: World) -> Exchanges:
    """First and last letters, and how many there are."""
    word = world.pick(rng, [word for word in world.facts["spelling"] if len(word) < 9])
    spelt = "-".join(word.upper())
    kind = rng.choice(("first", "last", "count"))
    question = world.pick(rng, _COUNT if kind == "count" else _OUTERMOST).format(n=kind, w=word)
    if kind == "count":
        return [Exchange(question, f"{spelt}: {word} has {len(word)} letters.", f"{spelt}.")]
    letter = word[0] if kind == "first" else word[-1]
    return [Exchange(question, f"The {kind} letter of {word} is {letter}.", f"{spelt}.")]


def listing(rng: random.Random, world: World) -> Exchanges:
    """Some animals, colours, countries: always the first ones of the row."""
    if rng.random() < 0.35:
        return _listing_zh(rng, world)
    what, items = rng.choice(_kinds(world))
    count = rng.randint(2, 6)
    number = rng.choice((str(count), ("two", "three", "four", "five", "six")[count - 2]))
    question = world.pick(rng, _LISTING).format(n=number, w=what)
    return [Exchange(question, ", ".join(items[:count]) + ".", f"{count} {what}.")]


def _listing_zh(rng: random.Random, world: World) -> Exchanges:
    what, unit, items = rng.choice(_kinds_zh(world))
    count = rng.randint(2, 6)
    number = rng.choice((str(count), "两三四五六"[count - 2]))
    question = world.pick(rng, _LISTING_ZH).format(n=number, u=unit, w=what)
    return [Exchange(question, "、".join(items[:count]) + "。", f"{count}{unit}{what}。")]


def _kinds(world: World) -> list[tuple[str, Sequence[str]]]:
    return [
        ("animals", [row[0] for row in world.facts["animals"]]),
        ("countries", [row[0] for row in world.facts["countries"]]),
        ("cities", world.facts["cities"]),
        ("colours", ("red", "blue", "green", "yellow", "white", "black")),
        ("fruits", ("apple", "banana", "orange", "pear", "cherry", "lemon")),
        ("names", world.facts["names"]),
        ("vegetables", ("potato", "tomato", "carrot", "onion", "cabbage", "pepper")),
        ("planets", ("Mercury", "Venus", "Earth", "Mars", "Jupiter", "Saturn")),
        ("drinks", ("water", "tea", "coffee", "milk", "juice", "lemonade")),
        ("languages", ("English", "Chinese", "Spanish", "French", "German", "Japanese")),
        ("programming languages", ("Python", "C", "Java", "Rust", "Go", "JavaScript")),
        ("sports", ("football", "tennis", "swimming", "running", "basketball", "chess")),
    ]


def _kinds_zh(world: World) -> list[tuple[str, str, Sequence[str]]]:
    return [
        ("动物", "种", [row[1] for row in world.facts["animals"]]),
        ("国家", "个", [row[1] for row in world.facts["countries"]]),
        ("城市", "个", world.facts["cities_zh"]),
        ("颜色", "种", ("红色", "蓝色", "绿色", "黄色", "白色", "黑色")),
        ("水果", "种", ("苹果", "香蕉", "橙子", "梨", "草莓", "柠檬")),
        ("蔬菜", "种", ("土豆", "番茄", "胡萝卜", "洋葱", "白菜", "辣椒")),
        ("饮料", "种", ("水", "茶", "咖啡", "牛奶", "果汁", "可乐")),
        ("语言", "种", ("中文", "英语", "法语", "德语", "日语", "西班牙语")),
        ("运动", "种", ("足球", "网球", "游泳", "跑步", "篮球", "乒乓球")),
    ]


def _letter_answer(word: str, letter: str) -> str:
    count = word.count(letter)
    verb, noun = ("is", letter) if count == 1 else ("are", f"{letter}'s")
    return f"{'-'.join(word.upper())}: there {verb} {count} {noun} in {word}."


def _letter_steps(word: str, letter: str) -> str:
    marks, seen = [], 0
    for character in word:
        seen += character == letter
        marks.append(f"{character} {seen}" if character == letter else character)
    return f"{', '.join(marks)}. So {letter} occurs {seen} times."


_SPELL = (
    "Spell {w}.", "How do you spell {w}?", "Spell the word {w}", "spell {w}", "Please spell {w}.",
    "Can you spell {w}?", "What is the spelling of {w}?", "Write {w} letter by letter.",
    "{w}, letter by letter", "Which letters are in {w}?", "Spell out {w}", "How is {w} spelt?",
)  # fmt: skip
_LETTERS = (
    "How many {c}'s are in {w}?", "How many {c} in {w}", "How many {c} are in the word {w}?",
    "How many letters {c} does {w} have?", "How many times does {c} occur in {w}?",
    "How many {c}s in {w}?", "Count the {c}'s in {w}.", "how many {c}'s in {w}",
    "What is the number of {c}'s in {w}?", "How often does {w} contain {c}?", "Count {c} in {w}",
    "In {w}, how many {c}'s are there?", "How many times is the letter {c} in {w}?",
)  # fmt: skip
_COUNT = (
    "How many letters does {w} have?", "How many letters are in {w}?", "How long is the word {w}?",
    "Count the letters of {w}.", "How many letters in {w}?", "What is the length of {w}?",
    "Number of letters in {w}?", "how many letters has {w}", "Tell me how long {w} is.",
)  # fmt: skip
_OUTERMOST = (
    "What is the {n} letter of {w}?", "Which letter comes {n} in {w}?", "{n} letter of {w}?",
    "Tell me the {n} letter of {w}.", "Which is the {n} letter of {w}?", "The {n} letter in {w}?",
    "What letter is {n} in {w}?", "Give me the {n} letter of {w}.", "What's the {n} letter of {w}?",
)  # fmt: skip
_STRAWBERRY = (
    "How many r in strawberry", "How many r's are in strawberry?", "How many r in strawberry?",
    "How many R's are in the word strawberry?", "how many rs in strawberry", "strawberry有几个r",
    "How many letters r are in \"strawberry\"?", "strawberry里有几个r？", "strawberry中有几个r？",
)  # fmt: skip
_LISTING = (
    "Name {n} {w}.", "List {n} {w}.", "Give me {n} {w}.", "Tell me {n} {w}.", "name {n} {w}",
    "list {n} {w}", "Can you name {n} {w}?", "Please list {n} {w}.", "What are {n} {w}?",
    "I need {n} {w}.", "Write down {n} {w}.", "Say {n} {w}.", "Do you know {n} {w}?",
    "Can you give me {n} {w}?", "Think of {n} {w}.", "{n} {w}, please",
)  # fmt: skip
_LISTING_ZH = (
    "说出{n}{u}{w}", "请列出{n}{u}{w}。", "告诉我{n}{u}{w}", "列举{n}{u}{w}", "写出{n}{u}{w}。",
    "给我{n}{u}{w}", "你知道哪{n}{u}{w}？", "请说{n}{u}{w}", "举{n}{u}{w}的例子",
)  # fmt: skip
