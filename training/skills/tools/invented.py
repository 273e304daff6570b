"""Tools nobody has seen: names, parameters and what they return are put together anew each time.

A request says what is to be done, or just which function to call, and names the values with the
keys of the schema, with their descriptions, or in the order of the schema."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.examples import World
from training.skills.tools import wishes
from training.skills.tools.schemas import Parameter, Style, declare
from training.skills.tools.values import (
    Choice,
    Flag,
    Integer,
    Kind,
    Many,
    Number,
    Schema,
    Text,
    Value,
    code,
    kind,
    listed,
)
from training.skills.tools.wishes import Call, Kit, Wish
from training.skills.tools.words import (
    ACTS,
    ARGUMENT_FORMS,
    CALLS,
    KEYS,
    NATURAL,
    NOUNS,
    OPTIONS,
    VERBS,
)

_RESULTS = ("ok", "done", "success", "saved", "created", "failed", "not found", "accepted", "sent",
            "started", "finished", "true", "pending", "error", "queued")  # fmt: skip
_RESULTS_ZH = (
    "成功",
    "完成",
    "已保存",
    "已创建",
    "失败",
    "没有找到",
    "好",
    "已开始",
    "等待中",
    "错误",
)


_AGAIN = {
    "en": (" and ", " and then ", ", and again ", "; then ", " and once more ", ", then ",
           ", and also ", ", after that ", ", next ", "; and "),
    "zh": ("和", "，以及", "，还有", "；再来", "，然后", "，接着"),
}  # fmt: skip


@dataclass(frozen=True)
class _Group:
    """A nested object, said part by part."""

    parts: tuple[Parameter, ...]

    def schema(self) -> Schema:
        return {
            "type": "object",
            "properties": {part.key: part.kind.schema() for part in self.parts},
        }

    def draw(self, rng: random.Random, world: World, is_chinese: bool) -> Value:
        drawn = [part.kind.draw(rng, world, is_chinese) for part in self.parts]
        said = [f"{part.key} {value.said}" for part, value in zip(self.parts, drawn, strict=True)]
        argument = {part.key: v.argument for part, v in zip(self.parts, drawn, strict=True)}
        return Value(argument, listed(rng, [Value(None, text) for text in said], is_chinese))


@dataclass(frozen=True)
class _Invented:
    world: World
    name: str
    action: str
    """What a user calls it, or "" when there is only the name."""
    parameters: tuple[Parameter, ...]
    is_chinese: bool
    mentions_all: bool

    @property
    def language(self) -> str:
        return "zh" if self.is_chinese else "en"


def invented_kit(rng: random.Random, world: World, style: Style, is_chinese: bool) -> Kit:
    verb, noun = world.pick(rng, VERBS), world.pick(rng, NOUNS)
    action = "".join(_chinese(verb, noun)) if is_chinese else _english(rng, verb, noun)
    has_plain_name = rng.random() < 0.6
    name = _name(rng, verb, noun) if has_plain_name else world.words.identifier(rng)
    has_description = rng.random() < 0.85
    if not has_description and (is_chinese or not has_plain_name):
        action = ""
    description = _description(rng, world, action, is_chinese) if has_description else ""
    parameters = _parameters(rng, world, is_chinese)
    tool = declare(style, name, description, parameters)
    invented = _Invented(world, name, action, parameters, is_chinese, style.requires_all)
    return Kit(tool, verb + noun, is_chinese, lambda rng, number: _wish(rng, invented, number))


def _english(rng: random.Random, verb: str, noun: str) -> str:
    article = "an" if _word(noun)[0] in "aeiou" else "a"
    return f"{_word(verb)} {rng.choice((article, 'the'))} {_word(noun)}"


def _chinese(verb: str, noun: str) -> tuple[str, str]:
    return verb.partition(" ")[2], noun.partition(" ")[2]


def _word(entry: str) -> str:
    return entry.partition(" ")[0].replace("_", " ")


def _name(rng: random.Random, verb: str, noun: str) -> str:
    verb, noun = verb.partition(" ")[0], noun.partition(" ")[0]
    draw = rng.random()
    if draw < 0.2:
        return verb + "".join(part.capitalize() for part in noun.split("_"))
    return f"{noun}_{verb}" if draw < 0.3 else f"{verb}_{noun}"


def _description(rng: random.Random, world: World, action: str, is_chinese: bool) -> str:
    if is_chinese:
        return world.pick(rng, ("{}", "{}。", "用于{}", "{}的工具", "这个函数用来{}")).format(
            action
        )
    form = world.pick(rng, ("{}", "{}.", "Use this to {}.", "Can {}.", "Call this to {}", "To {}",
                            "Function to {}"))  # fmt: skip
    return form.format(action if not form.startswith("{") else action.capitalize())


def _parameters(rng: random.Random, world: World, is_chinese: bool) -> tuple[Parameter, ...]:
    found: dict[str, Parameter] = {}
    real_share = rng.choice((1.0, 1.0, 0.5, 0.0))
    for _ in range(rng.choices((0, 1, 2, 3, 4), (1, 5, 6, 4, 2))[0]):
        parameter = _parameter(rng, world, is_chinese, is_real=rng.random() < real_share)
        found[parameter.key] = parameter
    return tuple(found.values())


def _parameter(rng: random.Random, world: World, is_chinese: bool, *, is_real: bool) -> Parameter:
    is_required = rng.random() < 0.7
    if is_real:
        entry = world.pick(rng, KEYS)
        key, chinese, spec = entry.split(" ", 2)
        of = kind(spec)
    else:
        key, chinese = _made_key(rng, world), world.words.chinese(rng) if is_chinese else ""
        of = _made_kind(rng, world)
    if is_chinese:
        return Parameter(key, of, chinese, is_required)
    description = (
        world.pick(rng, ("The {}", "{}", "the {} to use", "Value of {}"))
        if (rng.random() < 0.6)
        else ""
    )
    return Parameter(key, of, description.format(key.replace("_", " ")), is_required)


def _made_key(rng: random.Random, world: World) -> str:
    return world.words.identifier(rng) if rng.random() < 0.6 else world.words.english(rng)


def _made_kind(rng: random.Random, world: World) -> Kind:
    draw = rng.random()
    if draw < 0.4:
        return Text(rng.choice(("town", "person", "code", "topic", "product", "word", "date")))
    if draw < 0.6:
        return Integer(*rng.choice(((0, 20), (0, 999), (-99, 99), (1000, 99999))))
    if draw < 0.68:
        return Number(*rng.choice(((0, 10), (-20, 40), (0, 999))))
    if draw < 0.8:
        return _made_choice(rng, world)
    if draw < 0.9:
        return Flag(*rng.choice((("true", "false"), ("on", "off"), ("yes", "no"))))
    if draw < 0.95:
        return Many(Text(rng.choice(("tag", "product", "person"))))
    return _Group(
        (
            Parameter(world.words.english(rng), Integer(0, 99)),
            Parameter(world.words.english(rng), Integer(0, 999)),
        )
    )


def _made_choice(rng: random.Random, world: World) -> Choice:
    if rng.random() < 0.6:
        return Choice(tuple(world.pick(rng, OPTIONS).split("|")))
    options = {world.words.english(rng) for _ in range(rng.choice((2, 3, 3, 4)))}
    return Choice(tuple(sorted(options)), is_quoted=True)


def _wish(rng: random.Random, invented: _Invented, num_calls: int) -> Wish:
    """Several calls name all arguments anew, one behind the other."""
    world, is_chinese = invented.world, invented.is_chinese
    frame = _frame(rng, invented)
    num_calls = min(num_calls, _num_calls_max(len(invented.parameters)))
    drawn = [_draw(rng, invented) for _ in range(num_calls)]
    if not drawn[0]:
        drawn = drawn[:1]
    forms = ARGUMENT_FORMS[invented.language]
    form = world.pick(rng, forms if len(drawn) == 1 else [f for f in forms if f[0] in " ，"])
    said = [_said(rng, invented, form, values) for values in drawn]
    again = world.pick(rng, _AGAIN[invented.language])
    request = wishes.dressed(rng, world, frame, is_chinese) + said[0]
    request += "".join(again + more.lstrip(" ，") for more in said[1:])
    calls = tuple(_call(rng, invented, values) for values in drawn)
    return Wish(request + world.pick(rng, ("", "", ".", "!", " ")), calls)


def _num_calls_max(num_parameters: int) -> int:
    """Many calls with many arguments are long, and nobody asks so."""
    return (1, 3, 3, 2, 2)[num_parameters]


def _frame(rng: random.Random, invented: _Invented) -> str:
    """The request up to the arguments; a name is put in braces' place after dressing."""
    world, language = invented.world, invented.language
    if invented.action and rng.random() < 0.7:
        return world.pick(rng, ACTS[language]).format(invented.action)
    return world.pick(rng, CALLS[language]).format(invented.name)


def _draw(rng: random.Random, invented: _Invented) -> dict[str, Value]:
    return {
        parameter.key: parameter.kind.draw(rng, invented.world, invented.is_chinese)
        for parameter in invented.parameters
        if parameter.is_required or invented.mentions_all or rng.random() < 0.5
    }


def _said(rng: random.Random, invented: _Invented, form: str, values: dict[str, Value]) -> str:
    """The arguments in one of the forms: opening | one | between | before the last | closing."""
    if not values:
        return ""
    if not invented.is_chinese and rng.random() < 0.4 and (text := _naturally(rng, values)):
        return text
    opening, each, between, last, *closing = form.split("|")
    mentioned = [p for p in invented.parameters if p.key in values]
    is_told_by_place = "{key}" not in each
    if is_told_by_place and not _may_omit_keys(invented, mentioned):
        form = "，|{key}：{value}|，|，" if invented.is_chinese else " with |{key} {value}|, | and "
        opening, each, between, last = form.split("|")
    elif not is_told_by_place and rng.random() < 0.35:
        rng.shuffle(mentioned)
    parts = [
        each.format(key=_said_key(rng, invented, p), value=values[p.key].said) for p in mentioned
    ]
    *first, end = parts
    text = between.join(first) + last + end if first else end
    return opening + text + "".join(closing)


def _naturally(rng: random.Random, values: dict[str, Value]) -> str:
    """The arguments in words such as `in Oslo for 4 people`, or "" when those are not clear."""
    forms = [NATURAL.get(key, "") for key in values]
    if not all(forms) or len(set(forms)) < len(forms):
        return ""
    parts = [form.format(value.said) for form, value in zip(forms, values.values(), strict=True)]
    rng.shuffle(parts)
    return " " + " ".join(parts)


def _may_omit_keys(invented: _Invented, mentioned: Sequence[Parameter]) -> bool:
    """Values alone are clear when there is one for each parameter and all are simple."""
    is_simple = all(isinstance(p.kind, Text | Integer | Number | Choice) for p in mentioned)
    return is_simple and len(mentioned) == len(invented.parameters) <= 3


def _said_key(rng: random.Random, invented: _Invented, parameter: Parameter) -> str:
    if invented.is_chinese and parameter.description and rng.random() < 0.75:
        return parameter.description
    return parameter.key.replace("_", " ") if rng.random() < 0.6 else parameter.key


def _call(rng: random.Random, invented: _Invented, values: dict[str, Value]) -> Call:
    keys = [parameter.key for parameter in invented.parameters if parameter.key in values]
    arguments = {key: values[key].argument for key in keys}
    return Call(invented.name, arguments, _result(rng, invented))


def _result(rng: random.Random, invented: _Invented) -> str:
    world, is_chinese = invented.world, invented.is_chinese
    draw = rng.random()
    if draw < 0.3:
        return rng.choice(_RESULTS_ZH if is_chinese else _RESULTS)
    if draw < 0.45:
        return rng.choice((str(rng.randint(0, 9999)), code(rng, world), f"{rng.randint(0, 99)}%"))
    if draw < 0.6:
        value = Text(rng.choice(("town", "person", "product", "title"))).draw(
            rng, world, is_chinese
        )
        return str(value.argument)
    return json.dumps(_fields(rng, world, is_chinese), ensure_ascii=False)


def _fields(rng: random.Random, world: World, is_chinese: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for _ in range(rng.choice((1, 2, 2, 3))):
        key, _, spec = world.pick(rng, KEYS).split(" ", 2)
        of = kind(spec)
        if rng.random() < 0.3:
            key = _made_key(rng, world)
        fields[key] = of.draw(rng, world, is_chinese).argument
    return fields
