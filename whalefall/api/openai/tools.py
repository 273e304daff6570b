"""Tool definitions and the tool choice: their rules, and the neutral values. Pure.

Strict mode is judged as leniently as the real API was seen to judge it: every property must be
required and an object needs properties; the other documented rules are tolerated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from whalefall.api.openai import protocol
from whalefall.base.errors import InvalidRequestError
from whalefall.chat.messages import Tool, ToolChoice, ToolChoiceMode

TOOLS_MAX = 128
NAME_CHARS_MAX = 64
_NAME = re.compile(r"[a-zA-Z0-9_-]+")


def tools_from_wire(wire: Sequence[protocol.Tool] | None, *, is_beta: bool) -> tuple[Tool, ...]:
    """`strict` counts on the beta base alone; elsewhere it is accepted and has no effect."""
    if wire is None:
        return ()
    _check_count(len(wire))
    return tuple(_tool(index, one.function, is_beta) for index, one in enumerate(wire))


def _check_count(count: int) -> None:
    if count == 0:
        raise InvalidRequestError(
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead."
        )
    if count > TOOLS_MAX:
        raise InvalidRequestError(
            f"Invalid 'tools': array too long. Expected an array with maximum length {TOOLS_MAX}, "
            f"but got an array with length {count} instead."
        )


def _tool(index: int, function: protocol.FunctionDefinition, is_beta: bool) -> Tool:
    where = f"tools[{index}].function"
    if _NAME.fullmatch(function.name) is None:
        raise InvalidRequestError(
            f"Invalid '{where}.name': string does not match pattern. Expected a string that "
            "matches the pattern '^[a-zA-Z0-9_-]+$'."
        )
    if len(function.name) > NAME_CHARS_MAX:
        raise InvalidRequestError(
            f"Invalid '{where}.name': string too long. Expected a string with maximum length "
            f"{NAME_CHARS_MAX}, but got a string with length {len(function.name)} instead"
        )
    is_strict = bool(function.strict) and is_beta
    if is_strict:
        _check_strict(f"{where}.parameters", function.parameters or {})
    return Tool(function.name, function.description, function.parameters, is_strict)


def _check_strict(where: str, schema: dict[str, Any]) -> None:
    for path, one in _objects(where, schema):
        properties = one.get("properties")
        if not isinstance(properties, dict) or not properties:
            raise InvalidRequestError(
                f"Invalid '{path}': An object with no properties is not allowed in strict mode."
            )
        required = one.get("required")
        listed = required if isinstance(required, list) else []
        missing = [name for name in properties if name not in listed]
        if missing:
            raise InvalidRequestError(
                f"Invalid '{path}': every property must be listed in 'required' in strict mode. "
                f"Missing: '{missing[0]}'."
            )


def _objects(where: str, schema: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object schema with its path, outermost first. Bodies deeper than 128 levels were
    refused before, so the recursion is bounded."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _objects(f"{where}[{index}]", item)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object":
        yield where, schema
    for key in ("properties", "$defs", "$def", "definitions"):
        if isinstance(schema.get(key), dict):
            for name, item in schema[key].items():
                yield from _objects(f"{where}.{key}.{name}", item)
    for key in ("items", "anyOf"):
        yield from _objects(f"{where}.{key}", schema.get(key))


def choice_from_wire(wire: protocol.ToolChoice | None, tools: Sequence[Tool]) -> ToolChoice:
    """Without tools nothing can be chosen; with tools the default is auto."""
    if wire is None:
        return ToolChoice(ToolChoiceMode.AUTO if tools else ToolChoiceMode.NONE)
    if isinstance(wire, protocol.NamedToolChoice):
        return _named(wire.function.name, tools)
    mode = ToolChoiceMode(wire)
    if mode is ToolChoiceMode.REQUIRED and not tools:
        raise InvalidRequestError(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified."
        )
    return ToolChoice(mode)


def _named(name: str, tools: Sequence[Tool]) -> ToolChoice:
    if name not in {tool.name for tool in tools}:
        raise InvalidRequestError(
            f"Invalid value for 'tool_choice': the function '{name}' is not among 'tools'."
        )
    return ToolChoice(ToolChoiceMode.NAMED, name)
