"""Following small instructions about the answer: yes or no, and nothing but the answer."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, World
from training.skills import arithmetic, tables
from training.skills.items import distinct, some_kind


def yes_no(rng: random.Random, world: World) -> Exchanges:
    """Questions that the tables or the numbers deny or confirm."""
    maker = rng.choice((_is_capital, _is_colour, _is_bigger, _is_kind, _is_capital_zh, _is_sum))
    question, is_true, fact = maker(rng, world)
    if "？" in question:
        return [Exchange(question, f"是的，{fact}" if is_true else f"不是，{fact}", fact)]
    word = "Yes" if is_true else "No"
    if rng.random() < 0.3:
        return [Exchange(world.pick(rng, _YES_OR_NO).format(q=question), f"{word}.", fact)]
    return [Exchange(question, f"{word}, {fact}", fact)]


def _is_capital(rng: random.Random, world: World) -> tuple[str, bool, str]:
    row, other = rng.sample(world.facts["countries"], 2)
    said = rng.choice((row, other))[2]
    fact = f"the capital of {row[0]} is {row[2]}."
    question = world.pick(rng, _CAPITAL).format(c=said, l=row[0])
    return question, said == row[2], fact


def _is_capital_zh(rng: random.Random, world: World) -> tuple[str, bool, str]:
    row, other = rng.sample(world.facts["countries"], 2)
    said = rng.choice((row, other))[3]
    question = world.pick(rng, _CAPITAL_ZH).format(c=said, l=row[1])
    return question, said == row[3], f"{row[1]}的首都是{row[3]}。"


def _is_colour(rng: random.Random, world: World) -> tuple[str, bool, str]:
    row, other = rng.sample(world.facts["colours"], 2)
    said = rng.choice((row, other))[1]
    question = world.pick(rng, _COLOUR).format(t=row[0], c=said)
    return question, said == row[1], f"{row[0]} is {row[1]}."


def _is_bigger(rng: random.Random, world: World) -> tuple[str, bool, str]:
    a, b = world.pick(rng, range(1, 100)), world.pick(rng, range(1, 100))
    question = world.pick(rng, _BIGGER).format(a=a, b=b)
    if a == b:
        return question, False, f"{a} is equal to {b}."
    return question, a > b, f"{max(a, b)} is more than {min(a, b)}."


def _is_sum(rng: random.Random, world: World) -> tuple[str, bool, str]:
    number_sum = arithmetic.drawn(rng, world, rng.choice("+-"), 0, 10)
    said = number_sum.result + (0 if rng.random() < 0.5 else rng.choice((1, 2, 10)))
    left = f"{number_sum.a} {number_sum.op} {number_sum.b}"
    question = world.pick(rng, _SUM).format(l=left, r=said)
    return question, said == number_sum.result, f"{number_sum.equation}."


def _is_kind(rng: random.Random, world: World) -> tuple[str, bool, str]:
    row = rng.choice(world.facts["animals"])
    kind = rng.choice((row[4], rng.choice(world.facts["animals"])[4]))
    animal = _with_article(row[0])
    question = world.pick(rng, _KIND).format(a=animal, k=_with_article(kind))
    return question, kind == row[4], f"{animal} is {_with_article(row[4])}."


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def one_word(rng: random.Random, world: World) -> Exchanges:
    """The bare answer, as asked for."""
    kind = rng.choice(("capital", "opposite", "sum", "table", "table"))
    if kind == "table":
        return [_table_word(rng, world)]
    if kind == "capital":
        row = rng.choice(world.facts["countries"])
        question, answer, why = f"What is the capital of {row[0]}?", row[2], f"{row[0]}: {row[2]}."
    elif kind == "opposite":
        pair = rng.choice(world.facts["opposites"])
        question, answer = f"What is the opposite of {pair[0]}?", pair[1]
        why = f"{pair[0]}: {pair[1]}."
    else:
        number_sum = arithmetic.drawn(rng, world, rng.choice("+-"), 0, 10)
        question = f"What is {number_sum.a} {number_sum.op} {number_sum.b}?"
        answer, why = str(number_sum.result), number_sum.steps
    return [Exchange(world.pick(rng, _ONE_WORD).format(q=question), answer, why)]


def _table_word(rng: random.Random, world: World) -> Exchange:
    """A value alone; lines and not sentences, so that the value begins as in the table."""
    attribute, kind = world.pick(rng, tables.ATTRIBUTES)
    keys = distinct(rng, world, some_kind(rng, "en"), rng.randint(2, 5))
    values = distinct(rng, world, kind, len(keys))
    rows = list(zip(keys, values, strict=False))
    key, found = rng.choice(rows)
    text = "\n".join(f"{one}: {other}" for one, other in rows)
    asked = world.pick(rng, _ONE_WORD).format(q=f"What is the {attribute} of {key}?")
    return Exchange(f"{text}\n{asked}", found, f"{key}: {found}")


_YES_OR_NO = (
    "Answer yes or no: {q}", "Yes or no: {q}", "{q} Yes or no?", "{q} Answer yes or no.",
    "{q} Just yes or no.", "Only yes or no, please: {q}", "Say yes or no. {q}", "{q} (yes/no)",
    "Reply with yes or no: {q}", "{q} Answer with yes or no only.", "True or not, yes or no: {q}",
)  # fmt: skip
_CAPITAL = ("Is {c} the capital of {l}?", "Is the capital of {l} {c}?",
            "Does {l} have the capital {c}?", "Is it true that {c} is the capital of {l}?",
            "{c} is the capital of {l}, right?", "Would you say that {c} is the capital of {l}?",
            "{l}: is the capital {c}?", "Is the capital city of {l} called {c}?")  # fmt: skip
_CAPITAL_ZH = ("{c}是{l}的首都吗？", "{l}的首都是{c}吗？", "{l}首都是不是{c}？",
               "{c}是不是{l}的首都？", "请问{c}是{l}的首都吗？", "{l}的首都叫{c}吗？")  # fmt: skip
_COLOUR = ("Is {t} {c}?", "Is the colour of {t} {c}?", "Is it true that {t} is {c}?",
           "{t} is {c}, right?", "Would you say {t} is {c}?", "Does {t} look {c}?",
           "Is {t} usually {c}?")  # fmt: skip
_BIGGER = ("Is {a} more than {b}?", "Are {a} apples more than {b} apples?", "Is {a} above {b}?",
           "Is {a} over {b}?", "Does {a} exceed {b}?", "Is it right that {a} is more than {b}?",
           "Is {a} higher than {b}?")  # fmt: skip
_SUM = ("Is {l} = {r}?", "Is {l} equal to {r}?", "Does {l} make {r}?", "Is it true that {l} = {r}?",
        "{l} = {r}, right?", "Is {r} the result of {l}?", "Is {l} {r}?", "{l} is {r}, correct?",
        "Does {l} equal {r}?")  # fmt: skip
_KIND = ("Is {a} {k}?", "Is it true that {a} is {k}?", "{a} is {k}, right?",
         "Would you call {a} {k}?", "Does {a} count as {k}?", "Can we say {a} is {k}?",
         "Do you think {a} is {k}?")  # fmt: skip
_ONE_WORD = (
    "{q} Answer with one word.", "{q} Just the answer.", "{q} Answer in one word", "One word: {q}",
    "Answer with one word: {q}", "{q} Only give the answer.", "{q} Reply with the answer only.",
    "{q} No sentence, please.", "Just the answer: {q}", "{q} Only the answer.", "{q} Keep it bare.",
    "{q} Answer only, nothing else.", "Give only the answer. {q}", "{q} One word is enough.",
    "{q} Say nothing but the answer.", "In one word: {q}",
)  # fmt: skip
