"""How people ask: a phrasing with its choices made, words around it, and slips of typing.

In a phrasing `{a|b}` is a choice, and `{name}` a value or a pool of data/phrasings.toml. One in
eight of the phrasings with their choices made is held out, but only where all its words are trained
in other phrasings too: what nobody was taught nobody can understand. Pools, openings and closings
are split like everything else."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from training.examples import Pair, World
from training.holdout import Split, is_held_out

_CHOICE = re.compile(r"\{([^{}]*)\}")
_PIECE = re.compile(r"[\u4e00-\u9fff]|[a-z0-9_/.'-]*[a-z0-9_]")
_DRAWS_MAX = 40


def phrasing_of(rng: random.Random, world: World, pair: Pair) -> str | None:
    """A phrasing of the pair that is on this world's side; None where it seems to have none."""
    for _ in range(_DRAWS_MAX):
        phrasing = _CHOICE.sub(
            lambda found: _alternative(rng, found[0]), rng.choice(pair.questions)
        )
        if _is_kept_out(pair, phrasing) is (world.split is Split.HELD_OUT):
            return phrasing
    return None


def _alternative(rng: random.Random, choice: str) -> str:
    return rng.choice(choice[1:-1].split("|")) if "|" in choice else choice


def _is_kept_out(pair: Pair, phrasing: str) -> bool:
    pieces = _pieces(phrasing)
    return is_held_out(phrasing) and len(pieces) > 2 and pair.known.issuperset(pieces)


def with_known_pieces(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs, each with the pieces that stand twice in its phrasings, or all over the place."""
    many = max(2, len(pairs) // 8)
    counts = [Counter(_pieces(" ".join(pair.questions))) for pair in pairs]
    spread = Counter(piece for count in counts for piece in count)
    return tuple(
        replace(pair, known=frozenset(p for p, n in count.items() if n > 1 or spread[p] > many))
        for pair, count in zip(pairs, counts, strict=True)
    )


def _pieces(phrasing: str) -> list[str]:
    """Its words, and single characters where it is Chinese."""
    return _PIECE.findall(phrasing.lower())


def chosen(rng: random.Random, world: World, phrasing: str, **values: object) -> str:
    """The phrasing with every choice made and every value filled in."""

    def piece(found: re.Match[str]) -> str:
        inside = found[1]
        if inside in values:
            return str(values[inside])
        if "|" in inside:
            return _alternative(rng, found[0])
        return str(world.pick(rng, world.facts[inside]))

    return _CHOICE.sub(piece, phrasing)


def asked(
    rng: random.Random, world: World, question: str, frame: str = "ask", lang: str = ""
) -> str:
    """The question as somebody types it, in the language it is in if none is named. The frame says
    what it is: asked ("ask"), just said ("say"), or neither ("bare"), and then nothing is added."""
    lang = lang or language_of(question)
    if frame != "bare":
        question = _framed(rng, world, question, f"{frame}_{lang}")
    return _slip_zh(rng, question) if lang == "zh" else _slip(rng, question)


def language_of(text: str) -> str:
    return "zh" if any("\u4e00" <= character <= "\u9fff" for character in text) else "en"


def _framed(rng: random.Random, world: World, question: str, kind: str) -> str:
    if rng.random() < 0.15:
        question = _closed(question, world.pick(rng, world.facts[f"closings_{kind}"]))
    if rng.random() < 0.25:
        question = world.pick(rng, world.facts[f"openings_{kind}"]) + _continued(rng, question)
    return question


def _closed(question: str, closing: str) -> str:
    """A closing that is a sentence of its own stands behind a mark, others take its place."""
    bare = question.rstrip("?.!？。！ ")
    if closing[:1] == " " and closing[1:2].isupper():
        return (question if question != bare else bare + ".") + closing
    return bare + closing


def _continued(rng: random.Random, question: str) -> str:
    """Behind an opening most people go on in lower case."""
    is_name = question.startswith(("I ", "I'", "FIM", "JSON", "API")) or question[1:2].isupper()
    return question if is_name or rng.random() < 0.4 else question[:1].lower() + question[1:]


def _slip(rng: random.Random, question: str) -> str:
    """Typed as it is half of the time; else without marks, in lower case, or with a typo."""
    draw = rng.random()
    if draw < 0.5:
        return question
    if draw < 0.64:
        return question.rstrip("?.!")
    if draw < 0.74:
        return question.lower()
    if draw < 0.84:
        return question.rstrip("?.!").lower()
    if draw < 0.89:
        return question.replace("'", "")
    if draw < 0.92:
        return question.rstrip("?.!") + rng.choice(("!", "??", " ?", "...", "!!", "\n", " "))
    return question.upper() if draw > 0.99 else _typo(rng, question)


def _typo(rng: random.Random, question: str) -> str:
    """One letter doubled, lost, or swapped with the next, in a word of at least five letters."""
    words = [found.span() for found in re.finditer(r"[A-Za-z]{5,}", question)]
    if not words:
        return question
    start, end = rng.choice(words)
    at = rng.randrange(start + 1, end - 1)
    change = rng.randrange(3)
    if change == 0:
        return question[:at] + question[at] + question[at:]
    if change == 1:
        return question[:at] + question[at + 1 :]
    return question[:at] + question[at + 1] + question[at] + question[at + 2 :]


def _slip_zh(rng: random.Random, question: str) -> str:
    draw = rng.random()
    if draw < 0.55:
        return question
    bare = question.rstrip("？。！?!")
    if draw < 0.75:
        return bare
    if draw < 0.85:
        return bare + rng.choice(("?", "？", "。", "！", " ", "??"))
    if draw < 0.93:
        return question.replace("？", "?").replace("，", ",")
    return question.replace(" ", "")
