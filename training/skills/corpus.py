"""What is taken from the optional corpus: old tales, school maths, short dialogues."""

from __future__ import annotations

import random
import re

from training.examples import Example, Exchange, Exchanges, Passage, World
from training.skills.conversation import reason, varied
from training.skills.stories import sentence_missing, with_hole

_PASSAGE_CHARS_MAX = 500
_STEPS_MAX = 2
_SOLUTION_CHARS_MAX = 260
_PROBLEM_CHARS_MAX = 260
_TRIES = 60


def old_tales(rng: random.Random, world: World) -> Example:
    """A few sentences of an old tale, read on, continued, or with a hole."""
    paragraph = rng.choice(rng.choice(world.corpus["tales"]))
    sentences = re.split(r"(?<=[.!?])\s+", paragraph)
    start = rng.randrange(len(sentences))
    text = ""
    for sentence in sentences[start:]:
        if text and len(text) + len(sentence) > _PASSAGE_CHARS_MAX:
            break
        text = f"{text} {sentence}".strip()
    text = text[:_PASSAGE_CHARS_MAX]
    draw = rng.random()
    if draw < 0.3 and text.count(" ") > 6:
        return sentence_missing(rng, text) if draw < 0.15 else with_hole(rng, text)
    if draw < 0.6 and text.count(" ") > 6:
        cut = text.index(" ", len(text) // 4) if " " in text[len(text) // 4 :] else len(text) // 2
        return Passage(text[:cut], text[cut:])
    return Passage("", text)


def school_maths(rng: random.Random, world: World) -> Exchanges:
    """A word problem of one or two steps, the only ones within reach: the worked solution is the
    thought, its equations and the result are the answer."""
    question, solution = _short_problem(rng, world)
    steps, _, result = re.sub(r"<<.*?>>", "", solution).partition("\n#### ")
    shown = ", ".join(map(_spaced, re.findall(r"<<(.*?)>>", solution)))
    return [Exchange(question, f"{shown}. The answer is {result}.", steps)]


def _short_problem(rng: random.Random, world: World) -> list[str]:
    """The first short one of a few draws; one in five is short."""
    problem = rng.choice(world.corpus["problems"])
    for _ in range(_TRIES):
        if is_short(*problem):
            break
        problem = rng.choice(world.corpus["problems"])
    return problem


def is_short(question: str, solution: str) -> bool:
    return (
        len(question) <= _PROBLEM_CHARS_MAX
        and len(solution) <= _SOLUTION_CHARS_MAX
        and 1 <= solution.count("<<") <= _STEPS_MAX
    )


def _spaced(equation: str) -> str:
    """As all equations are written here: "12 × 3 = 36"."""
    spaced = re.sub(r"([-+*/=])", r" \1 ", equation.replace(" ", ""))
    return spaced.replace("*", "×").replace("/", "÷").strip()


def old_dialogues(rng: random.Random, world: World) -> Exchanges:
    question, answer = rng.choice(world.corpus["dialogues"])
    lang = "zh" if any("\u4e00" <= c <= "\u9fff" for c in question) else "en"
    return [Exchange(varied(rng, question, lang), answer, reason(rng, question))]
