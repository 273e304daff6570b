"""A tool as clients declare it: the same parameters in the ways of different libraries."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from training.skills.tools.values import Kind, Schema
from whalefall.chat.messages import Tool

_DRAFT = "http://json-schema.org/draft-07/schema#"


@dataclass(frozen=True)
class Parameter:
    key: str
    kind: Kind
    description: str = ""
    is_required: bool = True


@dataclass(frozen=True)
class Style:
    """One client's habits; all tools of a dialogue come from one client."""

    name: str
    has_descriptions: bool = True

    @property
    def requires_all(self) -> bool:
        return self.name == "strict"


def draw_style(rng: random.Random) -> Style:
    """Mostly what the documentation shows."""
    names = ("plain", "bare", "strict", "required_first", "pydantic", "draft")
    name = rng.choices(names, (10, 2, 3, 1, 3, 1))[0]
    return Style(name, has_descriptions=rng.random() < 0.7)


def declare(style: Style, name: str, description: str, parameters: Sequence[Parameter]) -> Tool:
    if style.requires_all:
        parameters = [replace(parameter, is_required=True) for parameter in parameters]
    if not parameters and style.name == "bare":
        return Tool(name, description or None)
    make = _pydantic_object if style.name == "pydantic" else _plain_object
    return Tool(name, description or None, make(style, name, parameters), style.name == "strict")


def _plain_object(style: Style, name: str, parameters: Sequence[Parameter]) -> Schema:
    del name
    properties = {parameter.key: _property(style, parameter) for parameter in parameters}
    required = [parameter.key for parameter in parameters if parameter.is_required]
    schema: Schema = {"type": "object"}
    if style.name == "required_first":
        return {**schema, "required": required, "properties": properties}
    schema["properties"] = properties
    if style.name != "bare" and (required or style.name == "strict"):
        schema["required"] = required
    if style.name in ("strict", "draft"):
        schema["additionalProperties"] = False
    if style.name == "draft":
        schema["$schema"] = _DRAFT
    return schema


def _property(style: Style, parameter: Parameter) -> Schema:
    schema = parameter.kind.schema()
    if style.has_descriptions and parameter.description:
        schema["description"] = parameter.description
    return schema


def _pydantic_object(style: Style, name: str, parameters: Sequence[Parameter]) -> Schema:
    """As pydantic writes it: a title on everything, and null for what may be left out."""
    properties: dict[str, Any] = {}
    for parameter in parameters:
        schema, title = _property(style, parameter), parameter.key.replace("_", " ").title()
        description = schema.pop("description", None)
        if not parameter.is_required:
            schema = {"anyOf": [schema, {"type": "null"}], "default": None}
        if description:
            schema["description"] = description
        properties[parameter.key] = {**schema, "title": title}
    required = [parameter.key for parameter in parameters if parameter.is_required]
    whole: Schema = {"properties": properties}
    if required:
        whole["required"] = required
    title = "".join(part.capitalize() for part in name.split("_"))
    return {**whole, "title": title, "type": "object"}
