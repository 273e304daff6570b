from __future__ import annotations

from typing import Any

import pytest

from whalefall.base.errors import InvalidRequestError
from whalefall.chat.messages import Tool
from whalefall.chat.schemas import check_schema_limits, check_strict_schema, resolved


def _object(**properties: object) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _check(schema: dict[str, Any] | None) -> None:
    check_strict_schema(Tool("f", None, schema, strict=True))


def test_documented_schema_is_accepted() -> None:
    _check(
        {
            **_object(
                name={"type": "string", "pattern": "^a+$", "format": "email", "minLength": 1},
                age={"type": ["integer", "null"], "minimum": 0},
                tags={"type": "array", "items": {"enum": ["a", "b"]}},
                by={"$ref": "#/$def/author"},
                old={"$ref": "#/$defs/author"},
                any={"anyOf": [{"type": "boolean"}, {"const": 1}]},
            ),
            "$def": {"author": _object(parent={"$ref": "#/$def/author"})},
            "$defs": {"author": _object(n={"type": "number"})},
        }
    )


def test_missing_additional_properties_is_tolerated() -> None:
    schema = _object(a={"type": "string"})
    del schema["additionalProperties"]
    _check(schema)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (None, "missing"),
        ({}, "of type object"),
        ({"type": "array", "items": {"type": "string"}}, "of type object"),
        (_object(), "no properties"),
        ({**_object(a={"type": "string"}), "required": []}, "'a' is not"),
        ({**_object(a={"type": "string"}), "required": "a"}, "'a' is not"),
        (_object(a={"type": "object", "properties": {}}), "parameters.properties.a"),
        (_object(a={"type": "array", "items": _object()}), "no properties"),
        (_object(a={"anyOf": [_object()]}), "no properties"),
        (_object(a={"type": "text"}), "'text' is not supported"),
        (_object(a={}), "type is missing"),
        (_object(a=True), "must be a JSON object"),
        (_object(a={"oneOf": []}), "'oneOf' is not supported"),
        (_object(a={"$ref": "#/$def/b"}), "leads nowhere"),
        (_object(a={"$ref": "http://127.0.0.1/x"}), "leads nowhere"),
        ({"$ref": "#"}, "of type object"),
    ],
)
def test_broken_rules_are_named(schema: dict[str, Any] | None, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"Invalid schema for function 'f'") as caught:
        _check(schema)
    assert message in caught.value.message


def _nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (_nested(40), "too deep"),
        (_nested(100_000), "too deep"),
        (_object(**{f"p{n}": {"type": "string"} for n in range(1001)}), "too many properties"),
        ({"description": "x" * 65_536}, "too large"),
    ],
)
def test_bombs_are_refused(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        check_schema_limits(schema, "The schema")


def test_references_are_followed_and_circles_end() -> None:
    root = {
        "$defs": {
            "a": {"$ref": "#/$defs/b~1c"},
            "b/c": {"type": "null"},
            "d": {"$ref": "#/$defs/d"},
        }
    }
    assert resolved({"$ref": "#/$defs/a"}, root) == {"type": "null"}
    assert resolved({"$ref": "#/$defs/d"}, root) == {}
    assert resolved({"$ref": "#/nowhere"}, root) == {}
