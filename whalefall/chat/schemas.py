"""The JSON Schemas callers send: how large they may be, and what strict tools require of them.

Strict mode promises arguments that follow the schema, so it accepts what can be promised. As the
real service does, it insists on objects whose properties are all required and tolerates keywords
that only narrow a value further. It must not know grammars.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from whalefall.base.errors import InvalidRequestError
from whalefall.chat.messages import Tool

DEPTH_MAX = 32
PROPERTIES_MAX = 1000
BYTES_MAX = 64 * 1024
_REFERENCES_MAX = 16
_TYPES = frozenset({"object", "string", "number", "integer", "boolean", "array", "null"})
_UNSUPPORTED = frozenset(
    {"oneOf", "allOf", "not", "if", "then", "else", "patternProperties", "dependentSchemas"}
)
_DEFINITIONS = ("$defs", "$def", "definitions")


def check_schema_limits(schema: Mapping[str, Any], what: str) -> None:
    """Raises InvalidRequestError naming `what` when a schema is too large to compile safely."""
    num_properties = 0
    for value, depth in _walk(schema):
        if depth > DEPTH_MAX:
            raise InvalidRequestError(f"{what} is nested too deep: at most {DEPTH_MAX} levels.")
        if isinstance(value, dict) and isinstance(value.get("properties"), dict):
            num_properties += len(value["properties"])
    if num_properties > PROPERTIES_MAX:
        raise InvalidRequestError(
            f"{what} has too many properties: {num_properties}, at most {PROPERTIES_MAX}."
        )
    if len(json.dumps(schema, ensure_ascii=False).encode("utf-8", "replace")) > BYTES_MAX:
        raise InvalidRequestError(f"{what} is too large: at most {BYTES_MAX} bytes of JSON.")


def check_strict_schema(tool: Tool) -> None:
    """Raises InvalidRequestError when a strict tool's parameters break the rules of strict mode."""
    what = f"Invalid schema for function '{tool.name}': the schema"
    schema = tool.parameters
    if not isinstance(schema, dict):
        raise InvalidRequestError(f"{what} is missing; strict mode needs one.")
    check_schema_limits(schema, what)
    if root_object(schema).get("type") != "object":
        raise InvalidRequestError(f"{what} must be of type object.")
    _check_strict(schema, schema, tool.name, "parameters")


def root_object(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself, or what it refers to. {} when a reference leads nowhere."""
    return resolved(schema, schema)


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow `$ref` within `root`. {} when a reference leads nowhere, or in a circle."""
    for _ in range(_REFERENCES_MAX):
        reference = schema.get("$ref")
        if reference is None:
            return schema
        target = _target(reference, root)
        if not isinstance(target, dict):
            return {}
        schema = target
    return {}


def _target(reference: object, root: Mapping[str, Any]) -> object:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    target: object = root
    for step in reference[1:].split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        target = target.get(key) if isinstance(target, dict) else None
    return target


def _walk(schema: object) -> Iterator[tuple[object, int]]:
    """Every value inside with its depth; never deeper than one level past the limit."""
    pending: list[tuple[object, int]] = [(schema, 1)]
    while pending:
        value, depth = pending.pop()
        yield value, depth
        if isinstance(value, dict):
            pending.extend((child, depth + 1) for child in value.values())
        elif isinstance(value, list):
            pending.extend((child, depth + 1) for child in value)


def _check_strict(schema: object, root: Mapping[str, Any], function: str, path: str) -> None:
    """Check one schema and those inside it; depth is bounded by check_schema_limits."""
    problem, inner = _problem_and_inner(schema, root)
    if problem:
        raise InvalidRequestError(f"Invalid schema for function '{function}': {path}: {problem}")
    for name, child in inner:
        _check_strict(child, root, function, f"{path}.{name}")


def _problem_and_inner(
    schema: object, root: Mapping[str, Any]
) -> tuple[str, list[tuple[str, object]]]:
    if not isinstance(schema, dict):
        return "a schema must be a JSON object", []
    if unsupported := sorted(_UNSUPPORTED & schema.keys()):
        return f"the keyword '{unsupported[0]}' is not supported in strict mode", []
    inner = [
        (f"{key}.{name}", child)
        for key in (*_DEFINITIONS, "properties")
        for name, child in _items(schema.get(key))
    ]
    if "$ref" in schema:
        is_found = isinstance(_target(schema["$ref"], root), dict)
        return ("" if is_found else f"the reference {schema['$ref']!r} leads nowhere"), inner
    branches = schema.get("anyOf")
    if isinstance(branches, list):
        inner += [(f"anyOf.{index}", branch) for index, branch in enumerate(branches)]
    if "items" in schema:
        inner.append(("items", schema["items"]))
    return _problem_of_type(schema), inner


def _problem_of_type(schema: Mapping[str, Any]) -> str:
    named = schema.get("type")
    if named is None:
        if {"enum", "const", "anyOf"} & schema.keys():
            return ""
        return "a type is missing"
    types = named if isinstance(named, list) else [named]
    for each in types:
        if not isinstance(each, str) or each not in _TYPES:
            return f"the type {each!r} is not supported"
    return _problem_of_object(schema) if "object" in types else ""


def _problem_of_object(schema: Mapping[str, Any]) -> str:
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        return "An object with no properties is not allowed"
    required = schema.get("required")
    listed = required if isinstance(required, list) else []
    missing = [name for name in properties if name not in listed]
    if missing:
        return f"all properties must be required, '{missing[0]}' is not"
    return ""


def _items(value: object) -> list[tuple[str, object]]:
    return list(value.items()) if isinstance(value, dict) else []
