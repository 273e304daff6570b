"""JSON answers: fields taken out of a text, lists, and plain objects on request."""

from __future__ import annotations

import json
import random
from typing import Any

from training.examples import Dialogue, Example, World
from whalefall.chat.messages import Message, ResponseFormat, ResponseFormatKind, Role

_DOCS_SYSTEM = """The user will provide some exam text. Please parse the "question" and "answer" \
and output them in JSON format.

EXAMPLE INPUT:
Which is the highest mountain in the world? Mount Everest.

EXAMPLE JSON OUTPUT:
{
    "question": "Which is the highest mountain in the world?",
    "answer": "Mount Everest"
}
"""
_EXAM = (
    ("Which is the longest river in the world?", "The Nile River"),
    ("Which is the highest mountain in the world?", "Mount Everest"),
    ("What is the largest ocean?", "The Pacific Ocean"),
    ("What is the biggest animal?", "The blue whale"),
    ("Who wrote Hamlet?", "William Shakespeare"),
    ("How many days are in a week?", "Seven"),
    ("What colour is the sky?", "Blue"),
    ("Which planet is the largest?", "Jupiter"),
)


def json_answers(rng: random.Random, world: World) -> Example:
    maker = rng.choice(
        (_exam, _exam, _person, _person, _person, _order, _capital, _list, _person_zh)
    )
    system, question, value = maker(rng, world)
    indent = 4 if maker is _exam and rng.random() < 0.8 else rng.choice((None, None, 2))
    answer = json.dumps(value, ensure_ascii=False, indent=indent)
    messages = [Message(Role.SYSTEM, system)] if system else []
    messages.append(Message(Role.USER, question))
    thought = "The user wants JSON. I write " + ", ".join(value) + "."
    messages.append(Message(Role.ASSISTANT, answer, reasoning_content=thought))
    return Dialogue(
        tuple(messages),
        is_thinking=rng.random() < 0.2,
        response_format=ResponseFormat(ResponseFormatKind.JSON_OBJECT),
    )


_Task = tuple[str, str, dict[str, Any]]


def _exam(rng: random.Random, world: World) -> _Task:
    if rng.random() < 0.5:
        question, answer = rng.choice(_EXAM)
    else:
        row = rng.choice(world.facts["countries"])
        question, answer = f"What is the capital of {row[0]}?", row[2]
    return _DOCS_SYSTEM, f"{question} {answer}.", {"question": question, "answer": answer}


def _person(rng: random.Random, world: World) -> _Task:
    name, city = rng.choice(world.facts["names"]), rng.choice(world.facts["cities"])
    age, job = rng.randint(5, 90), rng.choice(world.facts["professions"])[0]
    facts: dict[str, Any] = {"name": name, "age": age, "city": city, "job": job}
    keys = rng.sample(list(facts), rng.randint(2, 4))
    text = rng.choice((
        f"{name} is {age} years old, lives in {city} and works as a {job}.",
        f"My friend {name} ({age}) from {city} is a {job}.",
        f"{name}, a {job} from {city}, is {age}.",
        f"This is {name}. {name} is a {job}, {age} years old, and lives in {city}.",
    ))  # fmt: skip
    wanted = ", ".join(keys)
    request = rng.choice((
        f"Extract {wanted} as JSON: {text}", f"{text} Give me {wanted} as json.",
        f"Return a JSON object with the keys {wanted}. Text: {text}",
        f"Parse this into JSON with {wanted}: {text}",
    ))  # fmt: skip
    return _system(rng), request, {key: facts[key] for key in keys}


def _person_zh(rng: random.Random, world: World) -> _Task:
    name, city = rng.choice(world.facts["names_zh"]), rng.choice(world.facts["cities_zh"])
    age = rng.randint(5, 90)
    text = rng.choice((f"{name}今年{age}岁，住在{city}。", f"我的朋友{name}{age}岁，来自{city}。"))
    facts: dict[str, Any] = {"name": name, "age": age, "city": city}
    keys = rng.sample(list(facts), rng.randint(2, 3))
    wanted = "、".join(keys)
    request = rng.choice(
        (f"请用 JSON 输出 {wanted}：{text}", f"把下面的句子解析成 json，包含 {wanted}。{text}")
    )
    return "", request, {key: facts[key] for key in keys}


def _order(rng: random.Random, world: World) -> _Task:
    product, quantity, price = (
        rng.choice(world.facts["things"]),
        rng.randint(2, 40),
        rng.randint(1, 99),
    )
    text = rng.choice((
        f"I bought {quantity} {product} for {price} dollars.",
        f"Please send {quantity} {product} at {price} dollars.",
        f"The order: {quantity} {product}, price {price} dollars.",
    ))  # fmt: skip
    request = rng.choice((
        f"Extract product, quantity and price as JSON: {text}",
        f"{text} Write product, quantity and price as json.",
    ))  # fmt: skip
    return _system(rng), request, {"product": product, "quantity": quantity, "price": price}


def _capital(rng: random.Random, world: World) -> _Task:
    row = rng.choice(world.facts["countries"])
    request = rng.choice((
        f"Give me the capital of {row[0]} as JSON.",
        f"Output json with country and capital for {row[0]}.",
        f"What is the capital of {row[0]}? Answer in JSON.",
    ))  # fmt: skip
    return _system(rng), request, {"country": row[0], "capital": row[2]}


def _list(rng: random.Random, world: World) -> _Task:
    key, items = rng.choice((
        ("animals", [row[0] for row in world.facts["animals"]]),
        ("fruits", ["apple", "banana", "orange", "pear", "cherry", "lemon", "strawberry", "grape"]),
        ("colors", ["red", "blue", "green", "yellow", "white", "black", "orange", "brown"]),
        ("cities", world.facts["cities"][:24]),
    ))  # fmt: skip
    chosen = rng.sample(items, rng.randint(2, 4))
    request = rng.choice((
        f"List {len(chosen)} {key} as JSON.", f"Give me a json list of {len(chosen)} {key}.",
        f"Return JSON with {len(chosen)} {key}.",
    ))  # fmt: skip
    return _system(rng), request, {key: chosen}


def _system(rng: random.Random) -> str:
    return rng.choice((
        "", "", "You output JSON.", "You are a helpful assistant designed to output JSON.",
        "Answer in JSON.",
    ))  # fmt: skip
