"""Short fairy tales from a small grammar, told in chat, continued, or with a hole in the middle."""

from __future__ import annotations

import random
import re

from training.examples import Example, Exchange, Exchanges, Passage, World


def tale(rng: random.Random, world: World, hero: str = "") -> str:
    """Four to six sentences, about this hero if one is wanted."""
    words = world.tales["en"]
    helper, gift = rng.choice(words["helpers"]), rng.choice(words["gifts"])
    hero = hero or rng.choice(words["heroes"])
    name = helper.split(" ", 1)[1]
    trait = rng.choice(words["traits"])
    opening = rng.choice(_OPENINGS).format(
        t=f"{'an' if trait[0] in 'aeiou' else 'a'} {trait}", h=hero, p=rng.choice(words["places"])
    )
    middle = [
        f"The {hero} {rng.choice(words['wishes'])}.",
        f"One day the {hero} met {helper}.",
        rng.choice(_SPEECHES).format(n=name, g=gift),
        f"So the {hero} took {gift} and {rng.choice(words['tasks'])}.",
        f"In the end the {hero} thanked the {name} and was very happy.",
    ]
    if rng.random() < 0.4:
        del middle[rng.choice((2, 4))]
    return " ".join([opening, *middle, rng.choice(words["ends"])])


def tale_zh(rng: random.Random, world: World, hero: str = "") -> str:
    words = world.tales["zh"]
    helper, gift = rng.choice(words["helpers"]), rng.choice(words["gifts"])
    hero = hero or rng.choice(words["heroes"])
    name = helper[2:]
    begin = rng.choice(("从前，", "很久很久以前，"))
    return "".join((
        f"{begin}{rng.choice(words['places'])}住着一个{hero}。",
        f"{hero}{rng.choice(words['wishes'])}。",
        f"有一天，{hero}遇到了{helper}。",
        f"{name}说：“别害怕，我来帮你。”" if rng.random() < 0.7 else "",
        f"于是{hero}带着{gift}，{rng.choice(words['tasks'])}。",
        rng.choice(words["ends"]),
    ))  # fmt: skip


def told(rng: random.Random, world: World) -> Exchanges:
    """A tale, half of the time about whom the user wants."""
    hero = world.pick(rng, world.tales["en"]["heroes"]) if rng.random() < 0.5 else ""
    question = world.pick(rng, _TELL_OF if hero else _TELL).format(h=hero)
    thought = f"A short fairy tale about a {hero}." if hero else "A short fairy tale."
    return [Exchange(question, tale(rng, world, hero), thought)]


def told_zh(rng: random.Random, world: World) -> Exchanges:
    hero = world.pick(rng, world.tales["zh"]["heroes"]) if rng.random() < 0.5 else ""
    question = world.pick(rng, _TELL_OF_ZH if hero else _TELL_ZH).format(h=hero)
    thought = f"讲一个{hero}的短童话。" if hero else "讲一个短童话。"
    return [Exchange(question, tale_zh(rng, world, hero), thought)]


def continued(rng: random.Random, world: World) -> Example:
    """A tale to be continued from its first words, or to be filled in between two sentences."""
    text = tale_zh(rng, world) if rng.random() < 0.25 else tale(rng, world)
    draw = rng.random()
    if draw < 0.3:
        return _from_opening(rng, text)
    if draw < 0.6:
        cut = rng.randrange(4, len(text) // 2)
        return Passage(text[:cut], text[cut:])
    return sentence_missing(rng, text) if draw < 0.85 else with_hole(rng, text)


def _from_opening(rng: random.Random, text: str) -> Passage:
    begun = [words for words in _FIRST_WORDS if text.startswith(words)]
    assert begun, text
    opening = rng.choice(begun)
    return Passage(opening, text[len(opening) :])


def sentence_missing(rng: random.Random, text: str) -> Passage:
    """One sentence between two others, with the blank before it."""
    ends = [match.end() for match in re.finditer(r"。|\.(?= |$)", text)]
    if len(ends) < 3:
        return with_hole(rng, text)
    place = rng.randrange(len(ends) - 2)
    start, stop = ends[place], ends[place + 1]
    return Passage(text[:start], text[start:stop], text[stop:])


def with_hole(rng: random.Random, text: str) -> Passage:
    """Cut at two blanks or, in text without blanks, at any two characters; few words are gone."""
    places = [i for i, c in enumerate(text) if c in " \n，。"]
    if len(places) < 2:
        places = list(range(1, len(text)))
    first = rng.randrange(len(places) - 1)
    last = min(len(places) - 1, first + rng.randint(1, 8))
    start, stop = places[first], places[last]
    return Passage(text[:start], text[start:stop], text[stop:])


_OPENINGS = (
    "Once upon a time, there was {t} {h} who lived {p}.",
    "Once upon a time, there lived {t} {h} {p}.",
    "Long ago, {t} {h} lived {p}.",
    "There was once {t} {h} who lived {p}.",
)
_FIRST_WORDS = (
    "Once upon a time, ", "Once upon a time", "Once upon a time,", "Once upon a time, there was",
    "Once upon a time, there lived", "Once upon a time, there was a", "There was once",
    "There was once a", "Long ago,", "Long ago, a", "从前，", "从前", "很久很久以前，",
    "很久很久以前", "很久",
)  # fmt: skip
_SPEECHES = (
    '"Do not be afraid," said the {n}, "I will help you."',
    '"Where are you going?" asked the {n}.',
    'The {n} said: "Take {g}, it will bring you luck."',
)
_TELL = (
    "Tell me a story", "Tell me a story.", "Tell me a short story", "Write a short story.",
    "Can you tell me a fairy tale?", "Tell me a fairy tale", "I want to hear a story",
    "Please tell me a bedtime story", "Write a story", "Tell a story please", "story please",
    "Another story please", "Do you know a story?", "Make up a story.", "Tell us a tale.",
    "Could you write a fairy tale?", "I'm bored, tell me a story.", "One more story!",
)  # fmt: skip
_TELL_OF = (
    "Tell me a story about a {h}", "Tell me a story about a {h}.", "Write a story about a {h}.",
    "Can you tell a fairy tale about a {h}?", "I want a story about a {h}.", "A story of a {h}, "
    "please", "Write a short story about a {h}", "Tell me about the adventures of a {h}.",
    "Do you know a tale about a {h}?", "Make up a story with a {h}.", "Story: a {h}",
    "Please write a fairy tale about a {h}.",
)  # fmt: skip
_TELL_ZH = (
    "讲个故事", "给我讲个故事", "讲一个童话故事", "说个故事吧", "写一个短故事", "我想听故事",
    "讲个睡前故事", "请讲一个故事。", "再讲一个故事", "你会讲故事吗？", "来个童话", "写个故事吧。",
)  # fmt: skip
_TELL_OF_ZH = (
    "讲一个{h}的故事", "给我讲个{h}的故事。", "写一个关于{h}的故事", "我想听{h}的故事",
    "说个{h}的童话吧", "请讲一个关于{h}的童话。", "有没有{h}的故事？", "编一个{h}的故事",
)  # fmt: skip
