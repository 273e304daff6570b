"""Tool calls: one, several at once, with and without thinking, and the answer after the results."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from training.examples import Dialogue, Example, World
from training.skills import arithmetic, conversation
from whalefall.chat.messages import Message, Role, Tool, ToolCall

_Arguments = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What a user wants done with one tool: the calls, their results, and what is then said."""

    question: str
    calls: tuple[_Arguments, ...]
    results: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Kit:
    """A tool as one caller declares it, and the tasks it is good for."""

    tool: Tool
    make_task: Callable[[random.Random], Task]


def tool_use(rng: random.Random, world: World) -> Example:
    """One to three offered tools and one to three rounds, sometimes with talk in between."""
    makers = rng.sample(_MAKERS, rng.choice((1, 1, 2, 2, 3)))
    kits = [maker(rng, world) for maker in makers]
    tools = tuple(kit.tool for kit in kits)
    is_thinking = rng.random() < 0.3
    messages: list[Message] = []
    if rng.random() < 0.5:
        messages.append(Message(Role.SYSTEM, "You are a helpful assistant."))
    rounds = rng.choice((1, 2, 2, 3))
    for _ in range(rounds):
        if rng.random() < 0.2:
            messages += _talk(rng, world)
        else:
            kit = rng.choice(kits)
            messages += _round(rng, kit.tool.name, kit.make_task(rng), len(messages))
    return Dialogue(tuple(messages), is_thinking, tools)


def _talk(rng: random.Random, world: World) -> list[Message]:
    """The user asks for something that needs no tool."""
    skill = rng.choice((conversation.small_talk_en, conversation.small_talk_zh, arithmetic.sums))
    exchange = skill(rng, world)[0]
    thought = f"No tool is needed here. {exchange.reasoning}"
    return [
        Message(Role.USER, exchange.question),
        Message(Role.ASSISTANT, exchange.answer, reasoning_content=thought),
    ]


def _round(rng: random.Random, name: str, task: Task, number: int) -> list[Message]:
    """User, calls, results, answer; a dialogue may also end with the calls."""
    calls = tuple(
        ToolCall(f"call_{number}_{place}", name, json.dumps(arguments, ensure_ascii=False))
        for place, arguments in enumerate(task.calls)
    )
    thought = f"The user asks: {task.question} I call {name}"
    thought += f" {len(calls)} times." if len(calls) > 1 else "."
    preface = rng.choice(("", "", "", f"I will call {name}."))
    return [
        Message(Role.USER, task.question),
        Message(Role.ASSISTANT, preface, reasoning_content=thought, tool_calls=calls),
        *(
            Message(Role.TOOL, result, tool_call_id=call.id)
            for call, result in zip(calls, task.results, strict=True)
        ),
        Message(Role.ASSISTANT, task.answer, reasoning_content="I have the result and can answer."),
    ]


def _schema(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": required}


def _string(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _weather(rng: random.Random, world: World) -> Kit:
    key = rng.choice(("location", "location", "city"))
    has_unit = rng.random() < 0.3
    properties: dict[str, Any] = {key: _string(rng.choice((
        "The city and state, e.g. San Francisco, CA", "The city name", "City name",
        "The name of the city", "The city, e.g. Hangzhou",
    )))}  # fmt: skip
    if has_unit:
        properties["unit"] = {"type": "string", "enum": ["celsius", "fahrenheit"]}
    description = rng.choice((
        "Get weather of a location, the user should supply a location first.",
        "Get the current weather in a given location", "Get the weather of a city.",
        "Get current weather", "Get weather of an location, the user shoud supply a location first",
    ))  # fmt: skip
    name = rng.choice(("get_weather", "get_weather", "get_current_weather", "weather"))
    tool = Tool(name, description, _schema(properties, [key]))

    def task(rng: random.Random) -> Task:
        is_chinese = rng.random() < 0.3
        places = rng.sample(world.facts["cities_zh" if is_chinese else "cities"], 2)
        if rng.random() < 0.25 and not is_chinese:
            places = ["Hangzhou", rng.choice(("Beijing", "Shanghai", "Paris"))]
        num_calls = 2 if rng.random() < 0.25 else 1
        extra = {"unit": rng.choice(("celsius", "fahrenheit"))} if has_unit else {}
        return _weather_task(rng, key, places[:num_calls], extra, is_chinese)

    return Kit(tool, task)


def _weather_task(
    rng: random.Random, key: str, places: list[str], extra: dict[str, str], is_chinese: bool
) -> Task:
    skies = (
        ("晴", "多云", "小雨", "阴")
        if is_chinese
        else ("sunny", "cloudy", "rainy", "windy", "clear")
    )
    reports = [(rng.randint(-5, 35), rng.choice(skies)) for _ in places]
    calls = tuple({key: place, **extra} for place in places)
    results = tuple(_weather_result(rng, t, sky, is_chinese) for t, sky in reports)
    if is_chinese:
        where = "和".join(places)
        question = rng.choice(("{w}的天气怎么样？", "{w}今天天气如何？", "查一下{w}的天气")).format(
            w=where
        )
        said = "，".join(f"{p}现在{t}℃，{s}" for p, (t, s) in zip(places, reports, strict=True))
        return Task(question, calls, results, f"{said}。")
    where = " and ".join(places)
    question = rng.choice((
        "What's the weather like in {w}?", "How's the weather in {w}?",
        "What is the weather in {w}?",
        "Weather in {w}?", "Is it raining in {w}?", "Tell me the weather in {w}.",
        "How is the weather in {w} today?", "Check the weather in {w}, please.",
    )).format(w=where)  # fmt: skip
    if extra:
        question += f" Use {extra['unit']}."
    said = " and ".join(
        f"in {p} it is {s} and {t}°" for p, (t, s) in zip(places, reports, strict=True)
    )
    return Task(question, calls, results, f"Right now, {said}.")


def _weather_result(rng: random.Random, degrees: int, sky: str, is_chinese: bool) -> str:
    if is_chinese:
        return rng.choice((f"{degrees}℃，{sky}", f"{sky}，{degrees}度"))
    return rng.choice((
        f"{degrees}℃, {sky}", f"{sky}, {degrees} degrees",
        json.dumps({"temperature": degrees, "condition": sky}),
    ))  # fmt: skip


def _calculator(rng: random.Random, world: World) -> Kit:
    del world
    name, key = rng.choice(
        (("calculate", "expression"), ("calculator", "expression"), ("evaluate", "formula"))
    )
    tool = Tool(
        name, "Evaluate an arithmetic expression.", _schema({key: _string("The expression")}, [key])
    )

    def task(rng: random.Random) -> Task:
        a, b = rng.randint(10, 999), rng.randint(10, 999)
        op = rng.choice("+-*")
        value = {"+": a + b, "-": a - b, "*": a * b}[op]
        question = rng.choice(("What is {e}?", "Calculate {e}.", "{e} = ?", "计算 {e}"))
        expression = f"{a} {op} {b}"
        return Task(
            question.format(e=expression),
            ({key: expression},),
            (str(value),),
            f"{expression} = {value}.",
        )

    return Kit(tool, task)


def _adder(rng: random.Random, world: World) -> Kit:
    del world
    kind = rng.choice(("integer", "number"))
    properties = {"a": {"type": kind}, "b": {"type": kind}}
    name, verb, op = rng.choice(
        (("add", "Add", "+"), ("multiply", "Multiply", "*"), ("add_numbers", "Add", "+"))
    )
    tool = Tool(name, f"{verb} two numbers.", _schema(properties, ["a", "b"]))

    def task(rng: random.Random) -> Task:
        a, b = rng.randint(1, 999), rng.randint(1, 999)
        value = a + b if op == "+" else a * b
        question = rng.choice(
            (f"{verb} {a} and {b}.", f"What is {a} {op} {b}?", f"Please {verb.lower()} {a} and {b}")
        )
        return Task(question, ({"a": a, "b": b},), (str(value),), f"The result is {value}.")

    return Kit(tool, task)


def _clock(rng: random.Random, world: World) -> Kit:
    tool = Tool(rng.choice(("get_time", "get_current_time")), "Get the current time in a city.",
                _schema({"city": _string("The city")}, ["city"]))  # fmt: skip

    def task(rng: random.Random) -> Task:
        city = rng.choice(world.facts["cities"])
        time = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"
        question = rng.choice(
            ("What time is it in {c}?", "Time in {c}?", "Tell me the time in {c}.")
        )
        return Task(question.format(c=city), ({"city": city},), (time,), f"It is {time} in {city}.")

    return Kit(tool, task)


def _date(rng: random.Random, world: World) -> Kit:
    del rng, world
    tool = Tool("get_date", "Get the current date", {"type": "object", "properties": {}})

    def task(rng: random.Random) -> Task:
        date = f"20{rng.randint(24, 29)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        question = rng.choice(
            ("What is the date today?", "What day is it?", "What's today's date?", "今天几号？")
        )
        answer = f"今天是 {date}。" if "几" in question else f"Today is {date}."
        return Task(question, ({},), (date,), answer)

    return Kit(tool, task)


def _search(rng: random.Random, world: World) -> Kit:
    name = rng.choice(("search", "web_search", "search_web"))
    tool = Tool(
        name, "Search the web.", _schema({"query": _string("What to search for")}, ["query"])
    )

    def task(rng: random.Random) -> Task:
        topic = rng.choice(world.facts["things"] + world.facts["cities"])
        question = rng.choice(
            ("Search for {t}.", "Search the web for {t}", "Look up {t}.", "Find out about {t}.")
        )
        found = rng.choice((f"Page about {topic}", f"Everything about {topic}"))
        return Task(
            question.format(t=topic), ({"query": topic},), (found,), f"I found this: {found}."
        )

    return Kit(tool, task)


def _mail(rng: random.Random, world: World) -> Kit:
    name, word = rng.choice((("send_email", "an email"), ("send_message", "a message")))
    properties = {"to": _string("The receiver"), "text": _string("The text")}
    tool = Tool(name, f"Send {word}.", _schema(properties, ["to", "text"]))

    def task(rng: random.Random) -> Task:
        to, text = rng.choice(world.facts["names"]), rng.choice((
            "Hello", "See you tomorrow", "Happy birthday", "I am late", "Thank you", "Good luck",
            "Please call me", "The train is late", "Good morning",
        ))  # fmt: skip
        question = rng.choice(
            ("Send {w} to {n}: {t}", "Write {w} to {n} that says: {t}", "Tell {n}: {t}")
        )
        return Task(
            question.format(w=word, n=to, t=text),
            ({"to": to, "text": text},),
            ("sent",),
            f"I have sent it to {to}.",
        )

    return Kit(tool, task)


def _timer(rng: random.Random, world: World) -> Kit:
    del rng, world
    properties = {"minutes": {"type": "integer", "description": "How long, in minutes"}}
    tool = Tool("set_timer", "Set a timer.", _schema(properties, ["minutes"]))

    def task(rng: random.Random) -> Task:
        minutes = rng.randint(1, 60)
        question = rng.choice(
            ("Set a timer for {m} minutes.", "Wake me in {m} minutes", "Timer {m} minutes")
        )
        return Task(
            question.format(m=minutes),
            ({"minutes": minutes},),
            ("ok",),
            f"The timer is set for {minutes} minutes.",
        )

    return Kit(tool, task)


def _light(rng: random.Random, world: World) -> Kit:
    del world
    properties = {"room": _string("The room"), "on": {"type": "boolean"}}
    tool = Tool(
        rng.choice(("switch_light", "set_light")),
        "Switch a light on or off.",
        _schema(properties, ["room", "on"]),
    )

    def task(rng: random.Random) -> Task:
        room, is_on = (
            rng.choice(("kitchen", "bedroom", "garden", "office", "hall")),
            rng.random() < 0.5,
        )
        word = "on" if is_on else "off"
        question = rng.choice(
            (
                "Turn {w} the light in the {r}.",
                "Switch the {r} light {w}",
                "Light {w} in the {r}, please",
            )
        )
        return Task(
            question.format(w=word, r=room),
            ({"room": room, "on": is_on},),
            ("done",),
            f"The light in the {room} is {word}.",
        )

    return Kit(tool, task)


def _stock(rng: random.Random, world: World) -> Kit:
    name, key = rng.choice(
        (("get_price", "product"), ("get_stock_price", "symbol"), ("price_of", "name"))
    )
    tool = Tool(name, "Get the current price.", _schema({key: _string("What to price")}, [key]))

    def task(rng: random.Random) -> Task:
        product, price = rng.choice(world.facts["things"]), rng.randint(1, 500)
        question = rng.choice(("What is the price of {p}?", "How much are {p}?", "Price of {p}?"))
        return Task(
            question.format(p=product),
            ({key: product},),
            (str(price),),
            f"The price of {product} is {price}.",
        )

    return Kit(tool, task)


_VERBS = ("get", "find", "make", "open", "read", "update", "check", "start", "book", "save", "show")
_NOUNS = (
    "user",
    "order",
    "ticket",
    "file",
    "room",
    "table",
    "note",
    "song",
    "game",
    "list",
    "map",
    "report",
)
_KEYS = ("name", "id", "title", "place", "color", "size", "count", "topic", "level", "note")


def _anything(rng: random.Random, world: World) -> Kit:
    """A tool nobody has seen before: name, keys and values have to be copied."""
    verb, noun = rng.choice(_VERBS), rng.choice(_NOUNS)
    keys = rng.sample(_KEYS, rng.choice((1, 1, 2)))
    numeric = {key for key in keys if key in ("id", "count", "level", "size")}
    properties = {key: {"type": "integer" if key in numeric else "string"} for key in keys}
    tool = Tool(f"{verb}_{noun}", f"{verb.capitalize()} a {noun}.", _schema(properties, keys))

    def task(rng: random.Random) -> Task:
        pool = world.facts["names"] + world.facts["things"] + world.facts["cities"]
        values = {key: rng.randint(1, 99) if key in numeric else rng.choice(pool) for key in keys}
        wishes = " and ".join(f"{key} {value}" for key, value in values.items())
        question = rng.choice(
            (
                f"{verb.capitalize()} a {noun} with {wishes}.",
                f"Please {verb} the {noun} with {wishes}.",
            )
        )
        return Task(question, (values,), ("ok",), f"Done: {verb} {noun}.")

    return Kit(tool, task)


_MAKERS = (_weather, _weather, _weather, _calculator, _adder, _clock, _date, _search, _mail, _timer,
           _light, _stock, _anything, _anything, _anything)  # fmt: skip
