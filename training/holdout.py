"""What is kept out of training: one in eight of every pool of phrasings, values, tools and schemas.

A piece belongs to its side by its own text, so a pool can grow without anything changing sides.
Training draws from one side only; an evaluation draws from the other whatever has one."""

from __future__ import annotations

import enum
import random
import zlib
from collections.abc import Sequence
from typing import TypeVar

_ONE_IN = 8
_TRIES = 40
_T = TypeVar("_T")


class Split(enum.Enum):
    TRAINED = "trained"
    HELD_OUT = "held out"


def is_held_out(piece: object) -> bool:
    return zlib.crc32(str(piece).encode()) % _ONE_IN == 0


def side_of(pool: Sequence[_T], split: Split) -> Sequence[_T]:
    """The pieces on one side, or all of them where a side is empty: a pool of three phrasings may
    have nothing to hold out."""
    wanted = split is Split.HELD_OUT
    return [piece for piece in pool if is_held_out(piece) is wanted] or pool


def pick(rng: random.Random, pool: Sequence[_T], split: Split) -> _T:
    """Draws again until the piece is of the wanted side; only a pool that seems to have none is
    gone through as a whole."""
    wanted = split is Split.HELD_OUT
    for _ in range(_TRIES):
        piece = rng.choice(pool)
        if is_held_out(piece) is wanted:
            return piece
    return rng.choice(side_of(pool, split))
