"""Simple facts from small tables, asked in both languages and in both directions."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, World
from training.skills.conversation import drawn, exchange_from_pair, varied


def trivia(rng: random.Random, world: World) -> Exchanges:
    """Hand-written questions of general knowledge, some with a follow-up."""
    pair = drawn(rng, world.pairs[rng.choice(("trivia_en", "trivia_zh"))])
    exchanges = [exchange_from_pair(rng, world, pair)]
    if pair.then and rng.random() < 0.5:
        exchanges.append(exchange_from_pair(rng, world, rng.choice(pair.then)))
    return exchanges


def capitals(rng: random.Random, world: World) -> Exchanges:
    first, second = rng.sample(world.facts["countries"], 2)
    if rng.random() < 0.5:
        return _capitals_zh(rng, first, second)
    question, answer = rng.choice((_capital_of, _country_of, _continent_of, _language_of))(first)
    exchanges = [_thought(rng, question, answer)]
    if question.startswith("What is the capital") and rng.random() < 0.4:
        follow_up = rng.choice((f"And {second[0]}?", f"What about {second[0]}?"))
        exchanges.append(Exchange(follow_up, _capital_of(second)[1]))
    return exchanges


def _capital_of(row: list[str]) -> tuple[str, str]:
    return f"What is the capital of {row[0]}?", f"The capital of {row[0]} is {row[2]}."


def _country_of(row: list[str]) -> tuple[str, str]:
    return f"Which country has the capital {row[2]}?", f"{row[2]} is the capital of {row[0]}."


def _continent_of(row: list[str]) -> tuple[str, str]:
    name = row[0][0].upper() + row[0][1:]
    return f"On which continent is {row[0]}?", f"{name} is in {row[4]}."


def _language_of(row: list[str]) -> tuple[str, str]:
    return f"What language do people speak in {row[0]}?", f"People in {row[0]} speak {row[6]}."


def _capitals_zh(rng: random.Random, first: list[str], second: list[str]) -> Exchanges:
    kind = rng.randrange(3)
    if kind == 1:
        return [_thought(rng, f"{first[3]}是哪个国家的首都？", f"{first[3]}是{first[1]}的首都。")]
    if kind == 2:
        return [_thought(rng, f"{first[1]}在哪个洲？", f"{first[1]}在{first[5]}。")]
    question = rng.choice(("{n}的首都是哪里？", "{n}的首都是什么？", "{n}首都是哪"))
    exchanges = [_thought(rng, question.format(n=first[1]), f"{first[1]}的首都是{first[3]}。")]
    if rng.random() < 0.4:
        exchanges.append(Exchange(f"那{second[1]}呢？", f"{second[1]}的首都是{second[3]}。"))
    return exchanges


def animals(rng: random.Random, world: World) -> Exchanges:
    en, zh, sound, legs, kind, kind_zh = rng.choice(world.facts["animals"])
    choices = [
        (f"How many legs does {_a(en)} have?", _legs(en, int(legs))),
        (f"What kind of animal is {_a(en)}?", f"{_a(en).capitalize()} is {_a(kind)}."),
        (f"{zh}是什么动物？", f"{zh}是{kind_zh}。"),
        (f"{zh}有几条腿？", f"{zh}有{legs}条腿。" if legs else f"{zh}没有腿。"),
    ]
    if sound:
        choices.append((f"What sound does {_a(en)} make?", f"{_a(en).capitalize()} says {sound}."))
    return [_thought(rng, *rng.choice(choices))]


def _a(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def _legs(noun: str, legs: int) -> str:
    subject = _a(noun).capitalize()
    return f"{subject} has {legs} legs." if legs else f"{subject} has no legs."


def opposites(rng: random.Random, world: World) -> Exchanges:
    one, other, one_zh, other_zh = rng.choice(world.facts["opposites"])
    if rng.random() < 0.5:
        one, other = (other, one) if one != "old" and other != "old" else (one, other)
        one_zh, other_zh = (other_zh, one_zh) if rng.random() < 0.5 else (one_zh, other_zh)
    if rng.random() < 0.4:
        question = rng.choice(("{w}的反义词是什么？", "“{w}”的反义词是什么？", "{w}的反义词"))
        return [_thought(rng, question.format(w=one_zh), f"“{one_zh}”的反义词是“{other_zh}”。")]
    question = rng.choice(
        ("What is the opposite of {w}?", "Opposite of {w}?", 'What\'s the opposite of "{w}"?')
    )
    return [_thought(rng, question.format(w=one), f"The opposite of {one} is {other}.")]


def translations(rng: random.Random, world: World) -> Exchanges:
    en, zh = rng.choice(world.facts["words"])
    if rng.random() < 0.5:
        question = rng.choice((
            "How do you say {w} in Chinese?", "Translate \"{w}\" into Chinese.",
            "What is {w} in Chinese?", "{w}用中文怎么说？", "Translate to Chinese: {w}",
        ))  # fmt: skip
        answer = (
            f"“{en}”用中文说是“{zh}”。" if "怎么" in question else f'"{en}" is {zh} in Chinese.'
        )
        return [_thought(rng, question.format(w=en), answer)]
    question = rng.choice((
        "{w}用英语怎么说？", "“{w}”的英文是什么？", "把“{w}”翻译成英文。", "What does {w} mean?",
        "What is {w} in English?", "{w}英文怎么说",
    ))  # fmt: skip
    answer = f"“{zh}”的英文是“{en}”。" if "What" not in question else f'{zh} means "{en}".'
    return [_thought(rng, question.format(w=zh), answer)]


def colours(rng: random.Random, world: World) -> Exchanges:
    thing, colour, thing_zh, colour_zh = rng.choice(world.facts["colours"])
    if rng.random() < 0.4:
        return [_thought(rng, f"{thing_zh}是什么颜色的？", f"{thing_zh}是{colour_zh}的。")]
    word = rng.choice(("color", "colour"))
    question = f"What {word} is {thing}?"
    return [_thought(rng, question, f"{thing[0].upper() + thing[1:]} is {colour}.")]


def words(rng: random.Random, world: World) -> Exchanges:
    """Elements, professions, plurals and past tenses."""
    maker = rng.choice((_element, _profession, _plural, _past))
    return [_thought(rng, *maker(rng, world))]


def _element(rng: random.Random, world: World) -> tuple[str, str]:
    en, zh, symbol, number = rng.choice(world.facts["elements"])
    return rng.choice((
        (f"What is the chemical symbol of {en}?", f"The chemical symbol of {en} is {symbol}."),
        (f"What is the atomic number of {en}?", f"The atomic number of {en} is {number}."),
        (f"{zh}的元素符号是什么？", f"{zh}的元素符号是 {symbol}。"),
    ))  # fmt: skip


def _profession(rng: random.Random, world: World) -> tuple[str, str]:
    en, does, zh, does_zh = rng.choice(world.facts["professions"])
    return rng.choice((
        (f"What does {_a(en)} do?", f"{_a(en).capitalize()} {does}."),
        (f"Who {does}?", f"{_a(en).capitalize()} {does}."),
        (f"{zh}是做什么的？", f"{zh}{does_zh}。"),
    ))  # fmt: skip


def _plural(rng: random.Random, world: World) -> tuple[str, str]:
    one, many = rng.choice(world.facts["plurals"])
    return f"What is the plural of {one}?", f"The plural of {one} is {many}."


def _past(rng: random.Random, world: World) -> tuple[str, str]:
    now, then = rng.choice(world.facts["past"])
    return f"What is the past tense of {now}?", f"The past tense of {now} is {then}."


def _thought(rng: random.Random, question: str, answer: str) -> Exchange:
    """A fact is recalled in thought first, then said."""
    is_chinese = any("\u4e00" <= c <= "\u9fff" for c in question)
    typed = varied(rng, question, "zh" if is_chinese else "en")
    if is_chinese:
        return Exchange(typed, answer, f"用户问：{question}我记得，{answer}")
    return Exchange(typed, answer, f"The user asks: {question} I remember: {answer}")
