"""What is kept out of training: one in eight of every pool of phrasings, values, tools and schemas.

A piece belongs to its side by its own text, so a pool can grow without anything changing sides.
Training draws from one side only; an evaluation draws from the other whatever has one."""

from __future__ import annotations

import enum
import zlib

_ONE_IN = 8


class Split(enum.Enum):
    TRAINED = "trained"
    HELD_OUT = "held out"


def is_held_out(piece: object) -> bool:
    return zlib.crc32(str(piece).encode()) % _ONE_IN == 0
