"""Games with words: counting, repeating, spelling, counting letters, listing."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, World

_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def counting(rng: random.Random, world: World) -> Exchanges:
    del world
    start = 1 if rng.random() < 0.6 else rng.randint(2, 60)
    stop = start + rng.randint(2, 14)
    row = [str(number) for number in range(start, stop + 1)]
    if rng.random() < 0.35:
        form = rng.choice(("从{a}数到{b}", "请从{a}数到{b}。", "从 {a} 数到 {b}"))
        question, answer = form.format(a=start, b=stop), "、".join(row) + "。"
        return [Exchange(question, answer, f"从{start}数到{stop}。")]
    form = rng.choice(_COUNT_FORMS if start == 1 else _COUNT_FORMS[2:])
    if rng.random() < 0.25:
        form = "Count down from {b} to {a}."
        row.reverse()
    thought = f"I write the numbers one by one up to {stop}."
    return [Exchange(form.format(a=start, b=stop), ", ".join(row) + ".", thought)]


_COUNT_FORMS = (
    "Count to {b}",
    "Can you count to {b}?",
    "Count from {a} to {b}.",
    "Count from {a} to {b}",
    "Please count from {a} to {b}.",
)


def sequences(rng: random.Random, world: World) -> Exchanges:
    """What comes after a day, a month, a letter or a number."""
    del world
    row, word = rng.choice(_ROWS)
    place = rng.randrange(len(row) - 1)
    if word == "zh":
        return [Exchange(f"{row[place]}的后面是什么？", f"{row[place]}的后面是{row[place + 1]}。")]
    if rng.random() < 0.5:
        question = f"What {word} comes after {row[place]}?"
        return [Exchange(question, f"{row[place + 1]} comes after {row[place]}.")]
    question = f"What {word} comes before {row[place + 1]}?"
    return [Exchange(question, f"{row[place]} comes before {row[place + 1]}.")]


_ROWS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), "day"),
    (("January", "February", "March", "April", "May", "June", "July", "August", "September",
      "October", "November", "December"), "month"),
    (("spring", "summer", "autumn", "winter"), "season"),
    (tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "letter"),
    (tuple(str(n) for n in range(1, 101)), "number"),
    (("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"), "zh"),
    (("一月", "二月", "三月", "四月", "五月", "六月", "七月", "八月", "九月", "十月"), "zh"),
)  # fmt: skip


def repeating(rng: random.Random, world: World) -> Exchanges:
    text = _something(rng, world)
    if rng.random() < 0.3:
        form = rng.choice(("请重复：{t}", "重复一遍：{t}", "跟我说：{t}", "请说：{t}"))
        return [Exchange(form.format(t=text), text, f"我重复：{text}")]
    return [Exchange(rng.choice(_REPEAT_FORMS).format(t=text), text, f"I repeat: {text}")]


_REPEAT_FORMS = (
    "Repeat after me: {t}", "Say: {t}", "Please repeat: {t}", "Say \"{t}\"", "Just say {t}",
    "Repeat this: {t}", "Echo: {t}", "Please say \"{t}\".", "Reply with \"{t}\"",
)  # fmt: skip


def _something(rng: random.Random, world: World) -> str:
    """A few words, names or numbers in random order: copying is the point, not sense."""
    pool = rng.choice((
        [row[0] for row in world.facts["words"]], [row[1] for row in world.facts["words"]],
        world.facts["names"], world.facts["cities"], world.facts["things"], world.facts["spelling"],
        [str(n) for n in range(100)],
    ))  # fmt: skip
    picked = rng.sample(pool, rng.randint(1, 5))
    return rng.choice((" ", ", ")).join(picked)


def echoing(rng: random.Random, world: World) -> Exchanges:
    """Long rows of words in random order: the surest way to learn looking things up."""
    pairs = rng.choices(world.pairs["en"] + world.pairs["zh"], k=8)
    pool = [word for pair in pairs for word in rng.choice(pair.answers).split()]
    picked = rng.sample(pool, min(len(pool), rng.randint(4, 24)))
    text = " ".join(word[:12] for word in picked)
    return [Exchange(rng.choice(_REPEAT_FORMS).format(t=text), text, "I repeat it word by word.")]


def looking_up(rng: random.Random, world: World) -> Exchanges:
    """Several people, each with something; one of them is asked for."""
    names = rng.sample(world.facts["names"], rng.randint(2, 7))
    form, question, answer, pool = rng.choice((
        ("{n} has {v}", "How many does {n} have?", "{n} has {v}.", [str(i) for i in range(1000)]),
        ("{n} lives in {v}", "Where does {n} live?", "{n} lives in {v}.", world.facts["cities"]),
        ("{n}: {v}", "{n}?", "{v}", world.facts["things"]),
        ("{n} = {v}", "What is {n}?", "{n} = {v}", [str(i) for i in range(100)]),
        ("{n} likes {v}", "Who likes {v}?", "{n} likes {v}.", world.facts["things"]),
    ))  # fmt: skip
    values = rng.sample(pool, len(names))
    listed = ", ".join(form.format(n=n, v=v) for n, v in zip(names, values, strict=True))
    place = rng.randrange(len(names))
    asked = question.format(n=names[place], v=values[place])
    said = answer.format(n=names[place], v=values[place])
    return [Exchange(f"{listed}. {asked}", said, form.format(n=names[place], v=values[place]))]


def spelling(rng: random.Random, world: World) -> Exchanges:
    word = rng.choice(world.facts["spelling"])
    letters = "-".join(word.upper())
    if rng.random() < 0.5:
        question = rng.choice(
            (f"Spell {word}.", f"How do you spell {word}?", f"Spell the word {word}")
        )
        return [Exchange(question, f"{letters}.", f"The letters of {word}: {letters}.")]
    letter = rng.choice(sorted(set(word)))
    count = word.count(letter)
    forms = (
        "How many {c}'s are in {w}?", "How many {c} in {w}", "How many {c} are in the word {w}?",
        "How many letters {c} does {w} have?", "How many times does {c} occur in {w}?",
        "How many {c}s in {w}?", "Count the {c}'s in {w}.",
    )  # fmt: skip
    question = rng.choice(forms).format(c=letter, w=word)
    return [
        Exchange(question, _letter_answer(rng, word, letter), _letter_steps(word, letter, count))
    ]


def strawberry(rng: random.Random, world: World) -> Exchanges:
    """The question everybody asks."""
    del world
    question = rng.choice((
        "How many r in strawberry", "How many r's are in strawberry?", "How many r in strawberry?",
        "How many R's are in the word strawberry?", "how many rs in strawberry",
        "How many letters r are in \"strawberry\"?", "strawberry里有几个r？", "strawberry有几个r",
    ))  # fmt: skip
    answer = (
        "There are 3 r's in strawberry." if "几" not in question else "strawberry 里有 3 个 r。"
    )
    return [Exchange(question, answer, _letter_steps("strawberry", "r", 3))]


def _letter_answer(rng: random.Random, word: str, letter: str) -> str:
    count = word.count(letter)
    verb, noun = ("is", letter) if count == 1 else ("are", f"{letter}'s")
    plain = f"There {verb} {count} {noun} in {word}."
    spelt = f"{'-'.join(word.upper())}: there {verb} {count} {noun} in {word}."
    return rng.choice((plain, spelt, spelt))


def _letter_steps(word: str, letter: str, count: int) -> str:
    marks, seen = [], 0
    for character in word:
        seen += character == letter
        marks.append(f"{character} {seen}" if character == letter else character)
    return f"I spell it: {', '.join(marks)}. So {letter} occurs {count} times."


def listing(rng: random.Random, world: World) -> Exchanges:
    """Name some animals, colours, countries, fruits."""
    what, items = rng.choice((
        ("animals", [row[0] for row in world.facts["animals"]]),
        ("countries", [row[0] for row in world.facts["countries"] if "the" not in row[0]]),
        ("cities", world.facts["cities"][:24]),
        ("colours", ["red", "blue", "green", "yellow", "white", "black", "orange", "brown"]),
        ("fruits", ["apple", "banana", "orange", "pear", "cherry", "lemon", "strawberry", "grape"]),
        ("names", world.facts["names"][:24]),
        ("jobs", [row[0] for row in world.facts["professions"]]),
    ))  # fmt: skip
    count = rng.randint(2, 6)
    chosen = rng.sample(items, count)
    verb = rng.choice(("Name", "List", "Give me", "Tell me"))
    number = rng.choice((str(count), ("two", "three", "four", "five", "six")[count - 2]))
    if rng.random() < 0.5:
        answer = "\n".join(f"{place}. {item}" for place, item in enumerate(chosen, 1))
    else:
        answer = ", ".join(chosen[:-1]) + " and " + chosen[-1] + "."
        answer = answer[0].upper() + answer[1:]
    return [Exchange(f"{verb} {number} {what}.", answer, f"I choose {count} {what}.")]


def listing_zh(rng: random.Random, world: World) -> Exchanges:
    what, items = rng.choice((
        ("动物", [row[1] for row in world.facts["animals"]]),
        ("国家", [row[1] for row in world.facts["countries"]]),
        ("城市", world.facts["cities_zh"]),
        ("颜色", ["红色", "蓝色", "绿色", "黄色", "白色", "黑色"]),
        ("水果", ["苹果", "香蕉", "橙子", "梨", "草莓", "柠檬"]),
    ))  # fmt: skip
    count = rng.randint(2, 5)
    chosen = "、".join(rng.sample(items, count))
    unit = "个" if what in ("国家", "城市") else "种"
    question = rng.choice(("说出{n}{u}{w}", "请列出{n}{u}{w}。", "告诉我{n}{u}{w}"))
    number = "两三四五"[count - 2]
    return [
        Exchange(
            question.format(n=number, u=unit, w=what), f"{chosen}。", f"我选{number}{unit}{what}。"
        )
    ]


def picking(rng: random.Random, world: World) -> Exchanges:
    """Find a place in a list that the user gives."""
    items = rng.sample(world.facts["names"], rng.randint(3, 5))
    place = rng.randrange(len(items))
    listed = ", ".join(items)
    kind = rng.randrange(4)
    if kind == 0:
        question = f"Here is a list: {listed}. What is the {_ORDINALS[place]} item?"
        return [
            Exchange(
                question,
                f"The {_ORDINALS[place]} item is {items[place]}.",
                f"The list is {listed}.",
            )
        ]
    if kind == 1:
        question = f"Sort these names: {listed}."
        return [
            Exchange(question, ", ".join(sorted(items)) + ".", "I put them in alphabetical order.")
        ]
    if kind == 2:
        question = f"How many names are in this list: {listed}?"
        return [Exchange(question, f"There are {len(items)} names in the list.")]
    question = f"Write these names in reverse order: {listed}."
    return [Exchange(question, ", ".join(reversed(items)) + ".", "I start from the last name.")]
