"""The many ways to ask for JSON with given keys: by list, by template, by schema, by example.

It must not know where the text and its facts come from."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.examples import World
from whalefall.chat.messages import ResponseFormat, ResponseFormatKind

Shape = Mapping[str, Any]
"""What is wanted, already filled in: the keys in their order, and the values."""

_JSON_MODE_SHARE = 2 / 3


@dataclass(frozen=True)
class Request:
    system: str
    user: str
    response_format: ResponseFormat


def request(rng: random.Random, world: World, lang: str, text: str, shape: Shape) -> Request:
    """Nested shapes are shown, flat ones may also be listed."""
    is_nested = any(
        isinstance(value, dict) or _is_list_of_objects(value) for value in shape.values()
    )
    kinds = (
        (_by_template, _by_schema)
        if is_nested
        else (_by_list, _by_template, _by_system, _by_schema)
    )
    weights = (4, 1) if is_nested else (11, 4, 3, 1.5)
    return rng.choices(kinds, weights)[0](rng, world, lang, text, shape)


def finished(rng: random.Random, system: str, user: str) -> Request:
    """JSON mode is refused where nothing says JSON, and left off in a third of the rest."""
    says_json = "json" in (system + user).lower()
    is_on = says_json and rng.random() < _JSON_MODE_SHARE
    kind = ResponseFormatKind.JSON_OBJECT if is_on else ResponseFormatKind.TEXT
    return Request(system, user, ResponseFormat(kind))


def _by_list(rng: random.Random, world: World, lang: str, text: str, shape: Shape) -> Request:
    keys = key_list(rng, world, lang, list(shape))
    user = _noted(rng, world, lang, shape, _asked(rng, world, lang, keys))
    return finished(rng, _system(rng, world, lang), _with_text(rng, world, lang, user, text))


def _by_template(rng: random.Random, world: World, lang: str, text: str, shape: Shape) -> Request:
    """An object with the keys and blanks or types for values."""
    template = json.dumps(_blank(shape, rng.choice(_BLANKS)), ensure_ascii=False)
    asked = _phrase(rng, world, lang, "template_asked").replace("{t}", template)
    asked = _noted(rng, world, lang, shape, asked)
    return finished(rng, _system(rng, world, lang), _with_text(rng, world, lang, asked, text))


def _by_system(rng: random.Random, world: World, lang: str, text: str, shape: Shape) -> Request:
    """The system prompt says what to do; the user's message is the bare text."""
    if rng.random() < 0.5:
        asked = _asked(rng, world, lang, key_list(rng, world, lang, list(shape)))
    else:
        template = json.dumps(_blank(shape, rng.choice(_BLANKS)), ensure_ascii=False)
        asked = _phrase(rng, world, lang, "template_asked").replace("{t}", template)
    role = _phrase(rng, world, lang, "roles")
    return finished(rng, role + _noted(rng, world, lang, shape, asked), text)


def _by_schema(rng: random.Random, world: World, lang: str, text: str, shape: Shape) -> Request:
    schema = _dressed(rng, schema_of(shape))
    asked = _phrase(rng, world, lang, "schema_asked")
    if rng.random() < 0.6:
        response_format = ResponseFormat(ResponseFormatKind.JSON_SCHEMA, schema)
        user = _with_text(rng, world, lang, asked, text) if rng.random() < 0.5 else text
        return Request(_system(rng, world, lang), user, response_format)
    shown = json.dumps(schema, ensure_ascii=False)
    system = _phrase(rng, world, lang, "schema_shown").replace("{s}", shown)
    return finished(rng, system, _with_text(rng, world, lang, asked, text))


def schema_of(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        properties = {key: schema_of(part) for key, part in value.items()}
        return {"type": "object", "properties": properties, "required": list(value)}
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0])}
    if value is None:
        return {"type": ["string", "null"]}
    return {"type": _TYPES[type(value)]}


def _dressed(rng: random.Random, schema: dict[str, Any]) -> dict[str, Any]:
    """As libraries write schemas: with titles and descriptions, closed, numbers for integers."""
    style = rng.choice(("bare", "closed", "titled", "described"))
    properties = {
        key: _dressed_part(rng, key, part, style) for key, part in schema["properties"].items()
    }
    required = schema["required"]
    if style == "titled":
        title = rng.choice(("Result", "Item", "Data", "Answer", "Record", "Output"))
        return {"properties": properties, "required": required, "title": title, "type": "object"}
    closed = {"additionalProperties": False} if style == "closed" else {}
    return {"type": "object", "properties": properties, "required": required, **closed}


def _dressed_part(rng: random.Random, key: str, part: dict[str, Any], style: str) -> dict[str, Any]:
    if part["type"] == "integer" and rng.random() < 0.2:
        part = {"type": "number"}
    if style == "titled":
        return {"title": key.replace("_", " ").title(), **part}
    if style == "described" and rng.random() < 0.5:
        return {**part, "description": f"The {key}"}
    return part


_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_BLANKS = ("empty", "dots", "types", "types", "zeros")


def _blank(value: object, how: str) -> object:
    """The shape with its values taken out."""
    if isinstance(value, Mapping):
        return {key: _blank(part, how) for key, part in value.items()}
    if isinstance(value, list):
        return [_blank(value[0], how)]
    if how == "types":
        return "string" if value is None else _TYPES[type(value)]
    if how == "zeros":
        return {int: 0, float: 0.0, bool: False}.get(type(value), "")
    return "..." if how == "dots" else ""


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and isinstance(value[0], dict)


def key_list(rng: random.Random, world: World, lang: str, keys: list[str]) -> str:
    quoted = [_phrase(rng, world, lang, "quotes").format(k=key) for key in keys[:1]]
    mark = quoted[0].replace(keys[0], "{}", 1)
    shown = [mark.format(key) for key in keys]
    if rng.random() < 0.4 and len(shown) > 1:
        last = _phrase(rng, world, lang, "ands")
        return _phrase(rng, world, lang, "commas").join(shown[:-1]) + last + shown[-1]
    return _phrase(rng, world, lang, "commas").join(shown)


def _asked(rng: random.Random, world: World, lang: str, keys: str) -> str:
    """A sentence from parts: verb, keys, and how JSON is named."""
    if rng.random() < 0.35:
        return _phrase(rng, world, lang, "whole").replace("{k}", keys)
    verb, noun = (
        _phrase(rng, world, lang, "verbs"),
        _phrase(rng, world, lang, "nouns"),
    )
    as_json = _phrase(rng, world, lang, "as_json")
    if lang == "zh":
        return f"{verb}{noun}{keys}，{as_json}"
    return f"{verb} {noun}{keys} {as_json}"


def _noted(rng: random.Random, world: World, lang: str, shape: Shape, asked: str) -> str:
    """What to do about missing values is often said where some are, sometimes where none are."""
    is_missing = None in shape.values()
    if rng.random() > (0.6 if is_missing else 0.05):
        return asked
    full_stop = "。" if lang == "zh" else ". "
    note = _phrase(rng, world, lang, "null_notes")
    return asked.rstrip(".。:：") + full_stop + note


def _with_text(rng: random.Random, world: World, lang: str, asked: str, text: str) -> str:
    """The text behind the request, or before it."""
    if rng.random() < 0.3:
        return text + _phrase(rng, world, lang, "after") + asked
    bridge = _phrase(rng, world, lang, "bridges")
    if bridge[0] in ":：" or bridge.startswith(" from"):
        asked = asked.rstrip(".。:：")
    return asked + bridge + text


def _system(rng: random.Random, world: World, lang: str) -> str:
    return "" if rng.random() < 0.6 else _phrase(rng, world, lang, "systems")


def _phrase(rng: random.Random, world: World, lang: str, name: str) -> str:
    return world.pick(rng, world.phrases["json"][lang][name])
