"""Bare drills in looking back: a list said again, in another notation, or asked for piece by piece.

Every token of the second half stands somewhere in the first, so nearly all of the loss is about
finding it. A small model learns to copy from this in a fraction of the time that it needs with
ordinary tasks, where copied tokens are few and far between."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from training.examples import Example, Passage, World

_SEPARATORS = (" ", " ", " ", ", ", "\n", "; ", " | ")
_PAIR_FORMS = ("{k}: {v}", "{k} = {v}", "{k} is {v}", "{k} -> {v}", "{k}={v}")


def drill(rng: random.Random, world: World) -> Example:
    maker = rng.choices((_again, _in_other_form, _by_key), (8, 3, 3))[0]
    return maker(rng, world)


def _piece(rng: random.Random, world: World) -> Callable[[], str]:
    """Draws pieces of one kind."""
    words = world.words
    return rng.choice((
        lambda: words.english(rng), lambda: words.english(rng), lambda: words.chinese(rng),
        lambda: words.name(rng), lambda: words.common(rng), lambda: str(rng.randrange(1000)),
        lambda: words.code(rng), lambda: words.identifier(rng),
    ))  # fmt: skip


def _pieces(rng: random.Random, world: World, longest: int) -> list[str]:
    one, other = _piece(rng, world), _piece(rng, world)
    count = rng.randint(3, longest)
    return list(dict.fromkeys((one if rng.random() < 0.7 else other)() for _ in range(count)))


def _again(rng: random.Random, world: World) -> Passage:
    """Short rows several times, long ones once: each time the whole row can be foretold."""
    longest, times = rng.choice(((8, 4), (12, 3), (20, 2), (40, 1)))
    row = rng.choice(_SEPARATORS).join(_pieces(rng, world, longest))
    return Passage(row + "\n", "\n".join([row] * times))


def _in_other_form(rng: random.Random, world: World) -> Passage:
    """From bare words to quoted ones, or the other way round."""
    pieces = _pieces(rng, world, 30)
    bare = rng.choice(_SEPARATORS).join(pieces)
    quoted = rng.choice((
        json.dumps(pieces, ensure_ascii=False), "\n".join(f"<{piece}>" for piece in pieces),
        "\n".join(f"- {piece}" for piece in pieces), "\n".join(f'name="{p}">' for p in pieces),
    ))  # fmt: skip
    before, after = (bare, quoted) if rng.random() < 0.75 else (quoted, bare)
    return Passage(before + "\n\n", after)


def _by_key(rng: random.Random, world: World) -> Passage:
    """Pairs, and the same pairs in another order and maybe in another notation."""
    keys = _pieces(rng, world, 14)
    draw = _piece(rng, world)
    pairs = [(key, draw()) for key in keys]
    separator, form = rng.choice(("\n", ", ", "; ", ". ")), rng.choice(_PAIR_FORMS)
    told = separator.join(form.format(k=key, v=value) for key, value in pairs)
    rng.shuffle(pairs)
    if rng.random() < 0.4:
        return Passage(told + "\n\n", json.dumps(dict(pairs), ensure_ascii=False))
    form = rng.choice((form, rng.choice(_PAIR_FORMS)))
    return Passage(told + "\n\n", "\n".join(form.format(k=key, v=value) for key, value in pairs))
