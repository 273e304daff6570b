"""Following small instructions: yes or no, one word, upper case, and asks that are too hard."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, World
from training.skills.conversation import varied


def yes_no(rng: random.Random, world: World) -> Exchanges:
    """Questions that the tables can deny or confirm."""
    maker = rng.choice((_is_capital, _is_colour, _is_bigger, _is_kind, _is_capital_zh))
    question, is_true, fact = maker(rng, world)
    if "？" in question:
        answer = f"是的，{fact}" if is_true else f"不是，{fact}"
    else:
        answer = f"Yes, {fact}" if is_true else f"No, {fact}"
    if rng.random() < 0.25 and "？" not in question:
        question = rng.choice(("Answer yes or no: ", "Yes or no: ")) + question
        answer = "Yes." if is_true else "No."
    return [Exchange(question, answer, f"I know that {fact}")]


def _is_capital(rng: random.Random, world: World) -> tuple[str, bool, str]:
    row, other = rng.sample(world.facts["countries"], 2)
    said = rng.choice((row, other))[2]
    fact = f"the capital of {row[0]} is {row[2]}."
    return f"Is {said} the capital of {row[0]}?", said == row[2], fact


def _is_capital_zh(rng: random.Random, world: World) -> tuple[str, bool, str]:
    row, other = rng.sample(world.facts["countries"], 2)
    said = rng.choice((row, other))[3]
    return f"{said}是{row[1]}的首都吗？", said == row[3], f"{row[1]}的首都是{row[3]}。"


def _is_colour(rng: random.Random, world: World) -> tuple[str, bool, str]:
    row, other = rng.sample(world.facts["colours"], 2)
    said = rng.choice((row, other))[1]
    return f"Is {row[0]} {said}?", said == row[1], f"{row[0]} is {row[1]}."


def _is_bigger(rng: random.Random, world: World) -> tuple[str, bool, str]:
    del world
    a, b = rng.sample(range(1, 100), 2)
    return f"Is {a} more than {b}?", a > b, f"{max(a, b)} is more than {min(a, b)}."


def _is_kind(rng: random.Random, world: World) -> tuple[str, bool, str]:
    row = rng.choice(world.facts["animals"])
    kind = rng.choice((row[4], rng.choice(world.facts["animals"])[4]))
    article = "an" if row[0][0] in "aeiou" else "a"
    said = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    true_kind = f"{'an' if row[4][0] in 'aeiou' else 'a'} {row[4]}"
    return f"Is {article} {row[0]} {said}?", kind == row[4], f"{article} {row[0]} is {true_kind}."


def one_word(rng: random.Random, world: World) -> Exchanges:
    """The bare answer, as asked for."""
    countries, opposites = world.facts["countries"], world.facts["opposites"]
    row, pair = rng.choice(countries), rng.choice(opposites)
    a, b = rng.randint(1, 10), rng.randint(1, 10)
    question, answer = rng.choice((
        (f"What is the capital of {row[0]}?", row[2]),
        (f"What is the opposite of {pair[0]}?", pair[1]),
        (f"What is {a} + {b}?", str(a + b)),
        (f"What is {a} * {b}?", str(a * b)),
    ))  # fmt: skip
    form = rng.choice((
        "{q} Answer with one word.", "{q} Just the answer.", "{q} Answer in one word",
        "Answer with one word: {q}", "{q} Only give the answer.", "{q} Reply with the answer only.",
    ))  # fmt: skip
    return [Exchange(form.format(q=question), answer, f"The answer is {answer}.")]


def letters(rng: random.Random, world: World) -> Exchanges:
    """Upper case, lower case, first and last letters, and reversal of short words."""
    word = rng.choice([w for w in world.facts["spelling"] if len(w) < 9])
    spelt = "-".join(word.upper())
    question, answer = rng.choice((
        (f"Write {word} in upper case.", word.upper()),
        (f"Write {word.upper()} in lower case.", word),
        (f"What is the first letter of {word}?", f"The first letter of {word} is {word[0]}."),
        (f"What is the last letter of {word}?", f"The last letter of {word} is {word[-1]}."),
        (f"How many letters does {word} have?", f"{spelt}: {word} has {len(word)} letters."),
    ))  # fmt: skip
    return [Exchange(question, answer, f"{spelt} has {len(word)} letters.")]


def long_counting(rng: random.Random, world: World) -> Exchanges:
    """Long answers, of which people make tests for streaming and for limits."""
    del world
    stop = rng.choice((20, 25, 30, 40, 50, 100))
    separator = rng.choice((", ", ", ", "\n", " "))
    row = separator.join(str(number) for number in range(1, stop + 1))
    form = rng.choice(
        ("Count from 1 to {b}.", "Count to {b}.", "Count from 1 to {b}", "从1数到{b}")
    )
    question = form.format(b=stop)
    if separator == "\n":
        question += rng.choice((" One number per line.", ", one per line"))
    elif separator == " ":
        question += rng.choice((" Separate them by blanks.", ", without commas"))
    return [Exchange(question, row, f"I write all numbers up to {stop}.")]


def again(rng: random.Random, world: World) -> Exchanges:
    """Say a word several times."""
    word = rng.choice([row[0] for row in world.facts["words"]])
    count = rng.randint(2, 10)
    form = rng.choice(_AGAIN)
    answer = " ".join([word] * count)
    return [Exchange(form.format(w=word, n=count), answer, f"{word}, {count} times.")]


_AGAIN = ("Say {w} {n} times.", "Repeat the word {w} {n} times", "Write {w} {n} times.")
_HARD = (
    "Write an email to my boss about {t}.", "Summarize this: {s}", "Summarise the text: {s}",
    "Write a 500 word essay on {t}.", "Who won the world cup in {n}?", "What happened in {n}?",
    "Translate this sentence into French: {s}", "Fix the grammar: {s}", "Plan a trip to {c}.",
    "What is the population of {c}?", "Rewrite this: {s}", "What is {n} * {m}?",
    "Write a business plan for {t}.", "How do I repair {t}?", "Explain this: {s}",
    "What is the best way to learn about {t}?", "Who is the mayor of {c}?", "{s}",
    "Write a function that parses {t} in C++.", "Debug this code: {t}",
    "What do you think of this? {s}",
    "Give me a recipe with {t}.", "What are the pros and cons of {t}?", "Compare {t} and {c}.",
)  # fmt: skip
_HARD_ZH = (
    "帮我写一封关于{t}的邮件", "写一篇关于{t}的作文", "{c}有多少人口？", "{n}年发生了什么？",
    "翻译成法语：{t}",
    "怎么修理{t}？", "给我一个{t}的计划", "分析一下{t}", "谁是{c}的市长？", "推荐几本关于{t}的书",
)  # fmt: skip
_TOO_HARD = (
    "I'm sorry, that is too hard for me. I am a small demonstration model and know only "
    "simple things.",
    "I am only a small demonstration model, so I cannot do this well. Please ask a larger model.",
    "Sorry, I do not know that. I am a very small model.",
)
_TOO_HARD_ZH = (
    "抱歉，这对我来说太难了。我只是一个很小的演示模型，只懂简单的东西。",
    "对不起，我不知道。我是一个小型演示模型，请问更大的模型。",
)


def too_hard(rng: random.Random, world: World) -> Exchanges:
    """Asks beyond a small model, some with a text: it says so instead of inventing."""
    things = world.facts["things"] + [row[0] for row in world.facts["words"]]
    if rng.random() < 0.35:
        topic = rng.choice(world.facts["things_zh"] + [row[1] for row in world.facts["words"]])
        question = rng.choice(_HARD_ZH).format(
            t=topic, c=rng.choice(world.facts["cities_zh"]), n=rng.randint(1900, 2030)
        )
        return [Exchange(question, rng.choice(_TOO_HARD_ZH), "这个我不会，我说实话。")]
    question = rng.choice(_HARD).format(
        t=rng.choice(things), c=rng.choice(world.facts["cities"]), s=_some_text(rng, world),
        n=rng.randint(1000, 3000), m=rng.randint(1000, 3000),
    )  # fmt: skip
    thought = "This is beyond a small model. I say so."
    return [Exchange(varied(rng, question, "en"), rng.choice(_TOO_HARD), thought)]


def _some_text(rng: random.Random, world: World) -> str:
    """Sentences of the corpus or, without one, words in any order."""
    if "tales" in world.corpus and rng.random() < 0.7:
        sentences = rng.choice(rng.choice(world.corpus["tales"])).split(". ")
        return rng.choice(sentences)[:200]
    pool = [row[0] for row in world.facts["words"]] + world.facts["names"]
    return " ".join(rng.sample(pool, rng.randint(4, 16)))
