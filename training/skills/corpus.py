"""What is taken from the optional corpus: old tales, school maths, short dialogues."""

from __future__ import annotations

import random
import re

from training.examples import Example, Exchange, Exchanges, Passage, World
from training.skills.conversation import reason, varied
from training.skills.stories import sentence_missing, with_hole

_PASSAGE_CHARS_MAX = 500
_SOLUTION_LINES_MAX = 2
_SOLUTION_CHARS_MAX = 220
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
    for _ in range(_TRIES):
        question, solution = rng.choice(world.corpus["problems"])
        steps, _, result = re.sub(r"<<.*?>>", "", solution).partition("\n#### ")
        equations = re.findall(r"<<(.*?)>>", solution)
        if is_short(question, steps) and equations:
            break
    shown = ", ".join(_spaced(equation) for equation in equations)
    return [Exchange(question, f"{shown}. The answer is {result}.", steps)]


def is_short(question: str, steps: str) -> bool:
    return (
        steps.count("\n") < _SOLUTION_LINES_MAX
        and len(steps) <= _SOLUTION_CHARS_MAX
        and len(question) <= _PROBLEM_CHARS_MAX
    )


def _spaced(equation: str) -> str:
    """As all equations are written here: "12 × 3 = 36"."""
    spaced = re.sub(r"([-+*/=])", r" \1 ", equation.replace(" ", ""))
    return spaced.replace("*", "×").replace("/", "÷").strip()


def old_dialogues(rng: random.Random, world: World) -> Exchanges:
    question, answer = rng.choice(world.corpus["dialogues"])
    lang = "zh" if any("\u4e00" <= c <= "\u9fff" for c in question) else "en"
    return [Exchange(varied(rng, question, lang), answer, reason(rng, question))]
