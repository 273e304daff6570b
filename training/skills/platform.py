"""Questions about the platform itself, answered as its documentation does."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, Topic, World
from training.skills.conversation import case_from_pairs, drawn, exchange_from_pair


def platform_en(rng: random.Random, world: World) -> Exchanges:
    return [exchange_from_pair(rng, world, drawn(rng, world.pairs["platform_en"]))]


def platform_zh(rng: random.Random, world: World) -> Exchanges:
    return [exchange_from_pair(rng, world, drawn(rng, world.pairs["platform_zh"]))]


def platform_case(rng: random.Random, world: World) -> tuple[Exchange, Topic]:
    return case_from_pairs(rng, world, world.pairs[rng.choice(("platform_en", "platform_zh"))])
