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
_TRIES_MAX = 20
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
    """Draws until the side is right, which is sooner than looking at all of a big pool."""
    for _ in range(_TRIES_MAX):
        piece = rng.choice(pool)
        if is_held_out(piece) is (split is Split.HELD_OUT):
            return piece
    return rng.choice(side_of(pool, split))
