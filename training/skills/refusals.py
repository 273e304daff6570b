"""Saying no: harmful requests are refused, and what a small model cannot do it does not pretend."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, Pair, Topic, World
from training.phrasing import asked, chosen, phrasing_of
from training.skills.conversation import case_from_pairs, drawn, exchange_from_pair


def refusing(rng: random.Random, world: World) -> Exchanges:
    pairs = world.pairs[rng.choice(("refusals_en", "refusals_en", "refusals_zh"))]
    return [exchange_from_pair(rng, world, drawn(rng, pairs))]


def refusal_case(rng: random.Random, world: World) -> tuple[Exchange, Topic]:
    return case_from_pairs(rng, world, world.pairs[rng.choice(("refusals_en", "refusals_zh"))])


def too_hard(rng: random.Random, world: World) -> Exchanges:
    """Asks beyond a small model: it says so instead of inventing."""
    lang, pair = _limit(rng, world, "too_hard")
    phrasing = phrasing_of(rng, world, pair) or rng.choice(pair.questions)
    values = {
        "t": _subject(rng, world, lang),
        "c": world.pick(rng, world.facts[f"places_{lang}"]),
        "y": rng.randint(1500, 2030),
        "n": rng.randint(1000, 99999),
        "m": rng.randint(100, 9999),
    }
    question = asked(rng, world, chosen(rng, world, phrasing, **values))
    return [Exchange(question, pair.answers[0], pair.thought)]


def unknown(rng: random.Random, world: World) -> Exchanges:
    """Subjects beyond the model: it names them and says that it does not know them."""
    lang, pair = _limit(rng, world, "unknown")
    subject = _subject(rng, world, lang)
    phrasing = phrasing_of(rng, world, pair) or rng.choice(pair.questions)
    question = _typed(rng, chosen(rng, world, phrasing, t=subject))
    return [Exchange(question, pair.answers[0].format(t=subject), pair.thought.format(t=subject))]


def _limit(rng: random.Random, world: World, name: str) -> tuple[str, Pair]:
    lang = "zh" if rng.random() < 0.4 else "en"
    return lang, next(pair for pair in world.pairs[f"limits_{lang}"] if pair.name == name)


def _subject(rng: random.Random, world: World, lang: str) -> str:
    if rng.random() < 0.5:
        return str(world.pick(rng, world.facts[f"topics_{lang}"]))
    if lang == "zh":
        return world.words.chinese(rng)
    return world.words.english(rng) if rng.random() < 0.5 else world.words.name(rng)


def _typed(rng: random.Random, question: str) -> str:
    """Without its mark, but never in other letters: the subject is to be copied."""
    return question.rstrip("?.!？") if rng.random() < 0.35 else question
