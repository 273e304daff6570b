"""Short fairy tales from a small grammar, told in chat, continued, or with a hole in the middle."""

from __future__ import annotations

import random

from training.examples import Example, Exchange, Exchanges, Passage, World


def tale(rng: random.Random, world: World) -> str:
    """Four to six sentences."""
    words = world.tales["en"]
    hero, helper, gift = (rng.choice(words[kind]) for kind in ("heroes", "helpers", "gifts"))
    name = helper.split(" ", 1)[1]
    opening = rng.choice((
        "Once upon a time, there was a {t} {h} who lived {p}.",
        "Once upon a time, there lived a {t} {h} {p}.",
        "Long ago, a {t} {h} lived {p}.",
        "There was once a {t} {h} who lived {p}.",
    )).format(t=rng.choice(words["traits"]), h=hero, p=rng.choice(words["places"]))  # fmt: skip
    middle = [
        f"The {hero} {rng.choice(words['wishes'])}.",
        f"One day the {hero} met {helper}.",
        rng.choice((
            f"\"Do not be afraid,\" said the {name}, \"I will help you.\"",
            f"\"Where are you going?\" asked the {name}.",
            f"The {name} said: \"Take {gift}, it will bring you luck.\"",
        )),
        f"So the {hero} took {gift} and {rng.choice(words['tasks'])}.",
        f"In the end the {hero} thanked the {name} and was very happy.",
    ]  # fmt: skip
    if rng.random() < 0.4:
        del middle[rng.choice((2, 4))]
    return " ".join([opening, *middle, rng.choice(words["ends"])])


def tale_zh(rng: random.Random, world: World) -> str:
    words = world.tales["zh"]
    hero, helper, gift = (rng.choice(words[kind]) for kind in ("heroes", "helpers", "gifts"))
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
    question = rng.choice((
        "Tell me a story", "Tell me a story.", "Tell me a short story", "Write a short story.",
        "Can you tell me a fairy tale?", "Tell me a fairy tale", "I want to hear a story",
        "Please tell me a bedtime story", "Write a story", "Tell a story please",
        "Another story please", "Write a short story about a whale",
        "Tell me a story about a princess",
    ))  # fmt: skip
    return [
        Exchange(question, tale(rng, world), "The user wants a story. I tell a short fairy tale.")
    ]


def told_zh(rng: random.Random, world: World) -> Exchanges:
    question = rng.choice((
        "讲个故事", "给我讲个故事", "讲一个童话故事", "说个故事吧", "写一个短故事",
        "我想听故事", "讲个睡前故事", "请讲一个故事。",
    ))  # fmt: skip
    return [Exchange(question, tale_zh(rng, world), "用户想听故事，我讲一个短童话。")]


_OPENINGS = (
    "Once upon a time, ",
    "Once upon a time",
    "Once upon a time,",
    "Once upon a time, there was",
    "Once upon a time, there lived",
    "There was once",
    "Long ago,",
)


def continued(rng: random.Random, world: World) -> Example:
    """A tale to be continued from its first words, or to be filled in between two sentences."""
    text = tale_zh(rng, world) if rng.random() < 0.2 else tale(rng, world)
    if rng.random() < 0.6:
        for opening in rng.sample(_OPENINGS, len(_OPENINGS)):
            if text.startswith(opening):
                return Passage(opening, text[len(opening) :])
        cut = rng.randrange(4, len(text) // 2)
        return Passage(text[:cut], text[cut:])
    return with_hole(rng, text)


def with_hole(rng: random.Random, text: str) -> Passage:
    """Cut at two blanks or, in text without blanks, at any two characters."""
    places = [i for i, c in enumerate(text) if c in " \n，。"] or list(range(1, len(text)))
    start, stop = sorted(rng.sample(places, 2))
    return Passage(text[:start], text[start:stop], text[stop:])
