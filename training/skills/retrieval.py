"""Finding one fact in a long text."""

from __future__ import annotations

import random

from training.examples import Dialogue, Example, World
from training.skills import stories
from whalefall.chat.messages import Message, Role


def needle(rng: random.Random, world: World) -> Example:
    """A number or a name, told somewhere in a row of tales, is asked for at the end."""
    fact, question, answer = _secret(rng, world)
    num_tales = rng.randint(1, 6)
    parts = [stories.tale(rng, world) for _ in range(num_tales)]
    parts.insert(rng.randint(0, num_tales), fact)
    asked = "\n\n".join(parts) + "\n\n" + question
    messages = (
        Message(Role.USER, asked),
        Message(Role.ASSISTANT, answer, reasoning_content=f"The text says: {fact}"),
    )
    return Dialogue(messages, is_thinking=rng.random() < 0.3)


def _secret(rng: random.Random, world: World) -> tuple[str, str, str]:
    """Fact, question, answer; the answer repeats the fact."""
    name, number = rng.choice(world.facts["names"]), rng.randint(100, 999)
    city = rng.choice(world.facts["cities"])
    fact, question = rng.choice((
        (f"The secret number is {number}.", "What is the secret number?"),
        (f"The password of {name} is {number}.", f"What is the password of {name}?"),
        (f"{name} lives in {city}.", f"Where does {name} live?"),
        (f"The magic city is {city}.", "What is the magic city?"),
    ))  # fmt: skip
    return fact, question, fact
