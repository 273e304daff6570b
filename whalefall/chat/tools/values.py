"""One argument's value: from what the model wrote to JSON that fits the caller's schema.

The tag says whether the value is text; the schema says what the tool takes. Where both are silent
or disagree, the schema wins if the value can be read that way, and nothing is ever lost: what is
not JSON becomes a JSON string."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from whalefall.chat.tools.calls import json_string

_UNION_DEPTH_MAX = 4
_PYTHON_SPELLINGS = {"True": "true", "False": "false", "None": "null"}
_KIND_BY_FIRST = {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean"}


def accepts_text_only(schema: Mapping[str, Any]) -> bool:
    return _kinds(schema) == {"string"}


def refuses_text(schema: Mapping[str, Any]) -> bool:
    """Whether the schema is explicit about its types and text is not among them."""
    kinds = _kinds(schema)
    return bool(kinds) and "string" not in kinds


def argument_json(text: str, is_string: bool | None, schema: Mapping[str, Any]) -> str:
    """The value as JSON text. `is_string` is the tag's claim, None when it makes none."""
    value = normalised_json(text)
    if is_string:
        return value if value and _fits(value, schema) else json_string(text)
    if accepts_text_only(schema):
        return value if value and value[0] == '"' else json_string(text)
    return value or json_string(text)


def normalised_json(text: str) -> str | None:
    """Valid JSON with a blank after commas and colons, numbers and strings as they were written;
    Python's True, False and None are understood. None when it is not JSON."""
    stripped = text.strip()
    stripped = _PYTHON_SPELLINGS.get(stripped, stripped)
    try:
        return msgspec.json.format(stripped.encode("utf-8", "replace"), indent=0).decode()
    except (msgspec.DecodeError, RecursionError):
        return None


def _fits(value: str, schema: Mapping[str, Any]) -> bool:
    kinds = _kinds(schema)
    kind = _KIND_BY_FIRST.get(value[0], "null" if value == "null" else "number")
    return kind in kinds or (kind == "number" and "integer" in kinds)


def _kinds(schema: Mapping[str, Any], depth: int = 0) -> set[str]:
    """The JSON types a schema names; empty when it does not say, or not within a few steps."""
    if depth > _UNION_DEPTH_MAX:
        return set()
    named = schema.get("type")
    if isinstance(named, str):
        return {named}
    if isinstance(named, list):
        return {kind for kind in named if isinstance(kind, str)}
    kinds: set[str] = set()
    branches = schema.get("anyOf") or schema.get("oneOf")
    for branch in branches if isinstance(branches, list) else ():
        branch_kinds = _kinds(branch, depth + 1) if isinstance(branch, dict) else set()
        if not branch_kinds:
            return set()
        kinds |= branch_kinds
    return kinds
