"""Words, phrases and small sentences from English to Chinese and back. The answer is the bare
translation.

Sentences are put together from parts that are all trained; held out are combinations."""

from __future__ import annotations

import random
from collections.abc import Callable

from training.examples import Exchange, Exchanges, World
from training.holdout import Split, is_held_out

_TRIES_MAX = 40
_MARKS = ".!?。！？"
Pair = tuple[str, str]
"""English, Chinese."""


def translated(rng: random.Random, world: World) -> Exchanges:
    """One request, or two in the same direction."""
    draw = rng.choices((_word, _phrase, sentence), (4, 2, 5))[0]
    into_chinese = rng.random() < 0.5
    pool = world.phrases["translation"]["to_chinese" if into_chinese else "to_english"]
    exchanges = [
        _exchange(world.pick(rng, pool), draw(rng, world), into_chinese, rng.random() < 0.3)
    ]
    if rng.random() < 0.2:
        again = world.pick(rng, world.phrases["translation"]["again"])
        exchanges.append(_exchange(again, draw(rng, world), into_chinese, rng.random() < 0.3))
    return exchanges


def _exchange(asked: str, pair: Pair, into_chinese: bool, is_bare: bool) -> Exchange:
    """A source without its last mark (`is_bare`) is answered without one."""
    source, target = pair if into_chinese else pair[::-1]
    if is_bare:
        source, target = source.rstrip(_MARKS), target.rstrip(_MARKS)
    question = asked.replace("{x}", source)
    if any("\u4e00" <= character <= "\u9fff" for character in asked):
        return Exchange(question, target, f"要翻译的是“{source}”，译文是“{target}”。")
    return Exchange(question, target, f'To translate: "{source}". That is "{target}".')


def _word(rng: random.Random, world: World) -> Pair:
    english, chinese = rng.choice(world.phrases["translation"]["words"])
    return english, chinese


def _phrase(rng: random.Random, world: World) -> Pair:
    english, chinese = rng.choice(world.phrases["translation"]["phrases"])
    return english, chinese


def sentence(rng: random.Random, world: World) -> Pair:
    """A sentence from this world's side."""
    pair = rng.choice(_FORMS)(rng, world)
    for _ in range(_TRIES_MAX):
        if is_held_out(pair[0]) is (world.split is Split.HELD_OUT):
            break
        pair = rng.choice(_FORMS)(rng, world)
    return pair


def _part(rng: random.Random, world: World, name: str) -> list[str]:
    return rng.choice(world.phrases["translation"][name])


def _is_one(subject: str) -> bool:
    """Whether the verb takes an s."""
    return subject not in ("I", "You", "We", "They", "The children", "The students")


def _wants(rng: random.Random, world: World) -> Pair:
    """I like apples."""
    subject, verb = _part(rng, world, "subjects"), _part(rng, world, "verbs")
    thing = _part(rng, world, "objects")
    said = verb[1] if _is_one(subject[0]) else verb[0]
    return f"{subject[0]} {said} {thing[0]}.", f"{subject[1]}{verb[2]}{thing[1]}。"


def _does(rng: random.Random, world: World) -> Pair:
    """She sings every day."""
    subject, action = _part(rng, world, "subjects"), _part(rng, world, "actions")
    time = _part(rng, world, "times")
    said = action[1] if _is_one(subject[0]) else action[0]
    return f"{subject[0]} {said} {time[0]}.", f"{subject[1]}{time[1]}{action[2]}。"


def _is_like(rng: random.Random, world: World) -> Pair:
    """The book is big."""
    thing, adjective = _part(rng, world, "things"), _part(rng, world, "adjectives")
    if rng.random() < 0.3:
        return f"Is the {thing[0]} {adjective[0]}?", f"{thing[1]}{adjective[1]}吗？"
    if rng.random() < 0.3:
        return f"The {thing[0]} is not {adjective[0]}.", f"{thing[1]}不{adjective[1]}。"
    return f"The {thing[0]} is very {adjective[0]}.", f"{thing[1]}很{adjective[1]}。"


def _where(rng: random.Random, world: World) -> Pair:
    place = _part(rng, world, "places")
    return f"Where is the {place[0]}?", f"{place[1]}在哪里？"


def _goes(rng: random.Random, world: World) -> Pair:
    """I want to go to the park tomorrow."""
    subject, place = _part(rng, world, "subjects"), _part(rng, world, "places")
    time = _part(rng, world, "times")
    said = "wants" if _is_one(subject[0]) else "want"
    english = f"{subject[0]} {said} to go to the {place[0]} {time[0]}."
    return english, f"{subject[1]}{time[1]}想去{place[1]}。"


def _works_as(rng: random.Random, world: World) -> Pair:
    """My mother is a doctor."""
    subjects = [row for row in world.phrases["translation"]["subjects"] if row[0] in _PERSONS]
    subject, job = rng.choice(subjects), _part(rng, world, "jobs")
    return f"{subject[0]} {_PERSONS[subject[0]]} {job[0]}.", f"{subject[1]}是{job[1]}。"


_PERSONS = {"I": "am", "You": "are", "He": "is", "She": "is", "My mother": "is", "My father": "is",
            "My friend": "is"}  # fmt: skip


def _has(rng: random.Random, world: World) -> Pair:
    """They have three books."""
    subject, number = _part(rng, world, "subjects"), _part(rng, world, "numbers")
    thing = _part(rng, world, "counted")
    said = "has" if _is_one(subject[0]) else "have"
    return f"{subject[0]} {said} {number[0]} {thing[0]}.", f"{subject[1]}有{number[1]}{thing[1]}。"


def _costs(rng: random.Random, world: World) -> Pair:
    thing = _part(rng, world, "things")
    return f"How much is the {thing[0]}?", f"这个{thing[1]}多少钱？"


def _asks(rng: random.Random, world: World) -> Pair:
    """Do they like tea?"""
    subject, verb = (
        _part(rng, world, "subjects"),
        rng.choice(world.phrases["translation"]["verbs"][:8]),
    )
    thing, auxiliary = _part(rng, world, "objects"), "Does" if _is_one(subject[0]) else "Do"
    name = subject[0] if subject[0] == "I" else subject[0][0].lower() + subject[0][1:]
    return f"{auxiliary} {name} {verb[0]} {thing[0]}?", f"{subject[1]}{verb[2]}{thing[1]}吗？"


def _can(rng: random.Random, world: World) -> Pair:
    """He can swim."""
    subject, action = _part(rng, world, "subjects"), _part(rng, world, "actions")
    if rng.random() < 0.3:
        return f"{subject[0]} cannot {action[0]}.", f"{subject[1]}不会{action[2]}。"
    return f"{subject[0]} can {action[0]}.", f"{subject[1]}会{action[2]}。"


def _belongs(rng: random.Random, world: World) -> Pair:
    """This is my book."""
    owner, thing = _part(rng, world, "owners"), _part(rng, world, "things")
    if rng.random() < 0.4:
        return f"Where is {owner[0]} {thing[0]}?", f"{owner[1]}{thing[1]}在哪里？"
    return f"This is {owner[0]} {thing[0]}.", f"这是{owner[1]}{thing[1]}。"


def _please(rng: random.Random, world: World) -> Pair:
    thing = _part(rng, world, "objects")
    return f"Please give me {thing[0]}.", f"请给我{thing[1]}。"


_FORMS: tuple[Callable[[random.Random, World], Pair], ...] = (
    _wants, _wants, _does, _is_like, _is_like, _where, _goes, _works_as, _has, _costs, _asks, _can,
    _belongs, _please,
)  # fmt: skip
