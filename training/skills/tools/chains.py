"""One call for another: a tool wants a date, the user says `tomorrow`, and the day has to be asked
for first."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from training.examples import Dialogue, World
from training.skills.tools import turns
from training.skills.tools.pools import real_words
from training.skills.tools.schemas import Parameter, Style, declare
from training.skills.tools.values import Text
from training.skills.tools.wishes import Call, Wish
from whalefall.chat.messages import Message, Role, Tool

_DATE_NAMES = ("get_date", "get_date", "get_current_date", "today", "current_date", "get_today")
_FORMATS = ("The date in format YYYY-mm-dd", "Date, YYYY-MM-DD", "The date (YYYY-MM-DD)")
_SKIES = ("Cloudy", "Sunny", "Rain", "Windy", "Clear", "Snow")
_WEATHER_NAMES = ("get_weather", "get_weather", "weather_on_day", "get_forecast", "day_weather")
_PLAN_NAMES = ("get_events", "list_events", "get_schedule", "show_calendar", "get_appointments")

_DAYS_ZH = {"today": "今天", "tomorrow": "明天"}
_THOUGHT = "The date is {today}, so {day} is {date}.\n"
_THOUGHT_ZH = "现在的日期是{today}，所以{day}是{date}。\n"


@dataclass(frozen=True)
class _Purpose:
    """What a tool with a date is for, and the user's words for it, by language."""

    names: tuple[str, ...]
    description: str
    has_place: bool
    questions: tuple[str, ...]
    questions_zh: tuple[str, ...]


_PURPOSES = (
    _Purpose(
        _WEATHER_NAMES,
        "Get weather of a location, the user should supply the location and date.",
        True,
        ("How's the weather in {place} {day}", "What will the weather be in {place} {day}?",
         "How will the weather be {day} in {place}?", "Will it rain {day} in {place}?",
         "Weather in {place} {day}?", "What is the weather like in {place} {day}?",
         "Do I need an umbrella {day} in {place}?", "Tell me the weather in {place} {day}."),
        ("{place}{day}的天气怎么样？", "{day}{place}天气如何？", "查一下{place}{day}的天气。",
         "{day}{place}会下雨吗？", "{place}{day}冷吗？"),
    ),
    _Purpose(
        _PLAN_NAMES,
        "Get the events of a day.",
        False,
        ("What do I have {day}?", "What is in my calendar {day}?", "Which events are there {day}?",
         "Show me my plans for {day}.", "Am I free {day}?", "What is planned for {day}?"),
        ("我{day}有什么安排？", "{day}的日程是什么？", "看看我{day}的日程。", "{day}我有空吗？"),
    ),
)  # fmt: skip


def dated_dialogue(rng: random.Random, world: World) -> Dialogue:
    """One or two such questions; the day is asked for each time."""
    purpose = rng.choice((_PURPOSES[0], *_PURPOSES))
    tools = (
        declare(Style("plain"), rng.choice(_DATE_NAMES), "Get the current date", ()),
        _dated_tool(rng, purpose),
    )
    messages: list[Message] = []
    for number in range(rng.choice((1, 2))):
        messages += _turn(rng, world, purpose, tools, number)
    if rng.random() < 0.25:
        messages = messages[:-2]
    return Dialogue(tuple(messages), rng.random() < 0.4, tools)


def _dated_tool(rng: random.Random, purpose: _Purpose) -> Tool:
    parameters = [Parameter("date", Text("date"), rng.choice(_FORMATS))]
    if purpose.has_place:
        key = rng.choice(("location", "location", "city"))
        parameters.insert(0, Parameter(key, Text("city"), "The city name"))
    style = Style(rng.choice(("plain", "plain", "strict")))
    return declare(style, rng.choice(purpose.names), purpose.description, parameters)


def _turn(
    rng: random.Random, world: World, purpose: _Purpose, tools: Sequence[Tool], number: int
) -> list[Message]:
    """Tomorrow mostly, which takes some thought."""
    today, tomorrow = _days(rng)
    in_chinese = rng.random() < 0.3
    day, date = rng.choice((("tomorrow", tomorrow), ("tomorrow", tomorrow), ("today", today)))
    request, place = _request(rng, world, purpose, day, in_chinese)
    arguments = [*([place] if purpose.has_place else []), date]
    keys = (tools[1].parameters or {})["properties"]
    result = _weather(rng) if purpose.has_place else rng.choice(real_words("title", in_chinese))
    first = Wish(request, (Call(tools[0].name, {}, today),))
    second = Wish(request, (Call(tools[1].name, dict(zip(keys, arguments, strict=True)), result),))
    asked = turns.calling(first.calls, turns.thought(first), 2 * number)
    form = _THOUGHT_ZH if in_chinese else _THOUGHT
    thought = form.format(today=today, day=_DAYS_ZH[day] if in_chinese else day, date=date)
    thought += turns.about_calls(second.calls, in_chinese)
    again = turns.calling(second.calls, thought, 2 * number + 1)
    reported = turns.reported([today], asked)
    return [Message(Role.USER, request), asked, *reported, again, *turns.answered(second, again)]


def _request(
    rng: random.Random, world: World, purpose: _Purpose, day: str, in_chinese: bool
) -> tuple[str, str]:
    """The request and the place it names, if it does."""
    place = Text("town").draw(rng, world, in_chinese)
    question = world.pick(rng, purpose.questions_zh if in_chinese else purpose.questions)
    said = _DAYS_ZH[day] if in_chinese else rng.choice((day, day, day.capitalize()))
    return question.format(place=place.said, day=said), str(place.argument)


def _days(rng: random.Random) -> tuple[str, str]:
    """A day and the next, within a month."""
    month, day = f"20{rng.randint(24, 29)}-{rng.randint(1, 12):02d}", rng.randint(1, 27)
    return f"{month}-{day:02d}", f"{month}-{day + 1:02d}"


def _weather(rng: random.Random) -> str:
    low = rng.randint(-9, 25)
    return f"{rng.choice(_SKIES)} {low}~{low + rng.randint(3, 9)}°C"
