"""What is taken from the optional corpus: old tales, school maths, short dialogues."""

from __future__ import annotations

import random
import re

from training.examples import Example, Exchange, Exchanges, Passage, World
from training.skills.conversation import reason, varied
from training.skills.stories import with_hole

_PASSAGE_CHARS_MAX = 500


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
    if rng.random() < 0.2 and text.count(" ") > 4:
        return with_hole(rng, text)
    return Passage("", text)


def school_maths(rng: random.Random, world: World) -> Exchanges:
    """A word problem; the worked solution is the thought, the last line the answer."""
    question, solution = rng.choice(world.corpus["problems"])
    steps, _, result = re.sub(r"<<.*?>>", "", solution).partition("\n#### ")
    return [Exchange(question, f"The answer is {result}.", steps)]


def old_dialogues(rng: random.Random, world: World) -> Exchanges:
    question, answer = rng.choice(world.corpus["dialogues"])
    lang = "zh" if any("\u4e00" <= c <= "\u9fff" for c in question) else "en"
    return [Exchange(varied(rng, question, lang), answer, reason(rng, question))]
