"""The tools and questions of the documentation that everybody tries first. They are trained as
they stand and belong to no held-out side."""

from __future__ import annotations

import random

from training.examples import World
from training.skills.tools import wishes
from training.skills.tools.schemas import Parameter, Style, declare
from training.skills.tools.values import Text, Value, kind, listed
from training.skills.tools.wishes import Call, Kit, Wish

_DESCRIPTIONS = (
    "Get weather of a location, the user should supply a location first.",
    "Get weather of an location, the user shoud supply a location first",
    "Get the current weather in a given location",
    "Get the weather of a city.",
)
_ABOUT = ("The city and state, e.g. San Francisco, CA", "The city name", "The city")
_QUESTIONS = (
    "How's the weather in {}?", "How's the weather in {}?", "What's the weather like in {}?",
    "What is the weather in {}?", "What's the weather like in {} today?", "Weather in {}?",
    "What is the weather like in {}?",
)  # fmt: skip
_QUESTIONS_ZH = ("{}的天气怎么样？", "{}今天天气怎么样？", "{}天气如何？", "查询{}的天气")
_RESULTS = (
    "24℃",
    "24℃",
    "22 degrees and sunny",
    "sunny, 24℃",
    '{"temperature": 22, "unit": "celsius"}',
)


def weather_kit(rng: random.Random, world: World, style: Style, is_chinese: bool) -> Kit:
    parameters = [Parameter(rng.choice(("location", "location", "city")), Text("city"),
                            rng.choice(_ABOUT))]  # fmt: skip
    if rng.random() < 0.2:
        parameters.append(Parameter("unit", kind("enum celsius|fahrenheit"), is_required=False))
        style = Style("plain", style.has_descriptions)
    tool = declare(style, "get_weather", rng.choice(_DESCRIPTIONS), parameters)
    key = parameters[0].key

    def wish(rng: random.Random, num_calls: int) -> Wish:
        places = _places(rng, world, num_calls, is_chinese)
        question = rng.choice(_QUESTIONS_ZH if is_chinese else _QUESTIONS)
        calls = tuple(Call(tool.name, {key: p.argument}, _result(rng)) for p in places)
        return Wish(question.format(listed(rng, places, is_chinese)), calls)

    def follow_up(rng: random.Random, call: Call) -> Wish:
        place = Text("city").draw(rng, world, is_chinese)
        request = wishes.follow_up(rng, world, place.said, "zh" if is_chinese else "place")
        return Wish(request, (Call(call.name, {key: place.argument}, _result(rng)),))

    return Kit(tool, "weather", is_chinese, wish, follow_up)


def _places(rng: random.Random, world: World, number: int, is_chinese: bool) -> list[Value]:
    if number == 1 and not is_chinese and rng.random() < 0.4:
        place = rng.choice(("Hangzhou, Zhejiang", "Hangzhou", "San Francisco, CA", "Boston, MA"))
        return [Value(place, place)]
    places = [Text("city").draw(rng, world, is_chinese) for _ in range(number)]
    return list({place.said: place for place in places}.values())


def _result(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(_RESULTS)
    return f"{rng.randint(-9, 38)}" + rng.choice(("℃", "°C", " degrees"))
