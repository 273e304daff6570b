"""Saying no: harmful requests are refused, and what a small model cannot do it does not pretend."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, Topic, World
from training.phrasing import asked, chosen
from training.skills.conversation import case_from_pairs, drawn, exchange_from_pair


def refusing(rng: random.Random, world: World) -> Exchanges:
    pairs = world.pairs[rng.choice(("refusals_en", "refusals_en", "refusals_zh"))]
    return [exchange_from_pair(rng, world, drawn(rng, pairs))]


def refusal_case(rng: random.Random, world: World) -> tuple[Exchange, Topic]:
    return case_from_pairs(rng, world, world.pairs[rng.choice(("refusals_en", "refusals_zh"))])


def too_hard(rng: random.Random, world: World) -> Exchanges:
    """Asks beyond a small model: it says so instead of inventing."""
    lang = "zh" if rng.random() < 0.4 else "en"
    question = chosen(
        rng,
        world,
        world.pick(rng, world.facts[f"hard_{lang}"]),
        t=_subject(rng, world, lang),
        c=world.pick(rng, world.facts[f"places_{lang}"]),
        y=rng.randint(1500, 2030),
        n=rng.randint(1000, 99999),
        m=rng.randint(100, 9999),
    )
    answer, thought = _TOO_HARD[lang]
    return [Exchange(asked(rng, world, question), answer, thought)]


def unknown(rng: random.Random, world: World) -> Exchanges:
    """Subjects beyond the model: it names them and says that it does not know them."""
    lang = "zh" if rng.random() < 0.4 else "en"
    subject = _subject(rng, world, lang)
    question = chosen(rng, world, world.pick(rng, world.facts[f"about_{lang}"]), t=subject)
    answer, thought = (text.format(subject) for text in _UNKNOWN[lang])
    return [Exchange(_typed(rng, question), answer, thought)]


def _subject(rng: random.Random, world: World, lang: str) -> str:
    if rng.random() < 0.5:
        return str(world.pick(rng, world.facts[f"topics_{lang}"]))
    if lang == "zh":
        return world.words.chinese(rng)
    return world.words.english(rng) if rng.random() < 0.5 else world.words.name(rng)


def _typed(rng: random.Random, question: str) -> str:
    """Without its mark, but never in other letters: the subject is to be copied."""
    return question.rstrip("?.!？") if rng.random() < 0.35 else question


_TOO_HARD = {
    "en": (
        "That is too hard for me. I am a small demonstration model and know only simple things.",
        "This is beyond a small model. I say so.",
    ),
    "zh": (
        "这对我来说太难了。我只是一个很小的演示模型，只懂简单的东西。",
        "这个我不会。我说实话。",
    ),
}
"""By language: what is answered, and what is thought before it."""
_UNKNOWN = {
    "en": (
        "I know very little about {}. Please ask a larger model.",
        "The user asks about {}. I do not know it and say so.",
    ),
    "zh": ("我对{}了解很少，请问更大的模型。", "用户问{}。我不了解，我说实话。"),
}
