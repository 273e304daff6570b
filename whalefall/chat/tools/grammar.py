"""Grammars for constrained replies, in llguidance's dialect of Lark: the bricks.

Rules are in lower case, terminals in upper case; `%json {…}` stands for a value that follows a
JSON Schema; `<[128799]>` is a special token by id. It must not know which replies are forced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from whalefall.chat.tokenizer import Tokenizer

JSON_WHITESPACE = r"[ \n\r\t]{0,64}"
"""Between the parts of a JSON value. Bounded: a model that has lost its way would otherwise emit
blanks until the token limit."""


class Grammar:
    """Collects named rules; `start` is added last by `text`."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._rules = ["TEXT: /(?s:.*)/"]

    def rule(self, body: str, options: str = "") -> str:
        """Add a rule and return its name. `options` as in `[lazy]`."""
        name = f"r{len(self._rules)}"
        self._rules.append(f"{name}{options}: {body}")
        return name

    def json(self, schema: Mapping[str, Any]) -> str:
        """A rule for a JSON value that follows `schema`. Keywords that cannot be enforced are
        ignored."""
        options = {"whitespace_pattern": JSON_WHITESPACE, "lenient": True}
        return self.rule("%json " + json.dumps({**schema, "x-guidance": options}))

    def special(self, special_text: str) -> str:
        """A special token. Raises KeyError when the model has none of that name."""
        return f"<[{self._tokenizer.special_id(special_text)}]>"

    def text(self, start: str) -> str:
        return "\n".join([f"start: {start}", *self._rules]) + "\n"


def literal(text: str) -> str:
    """Text that must appear exactly."""
    return json.dumps(text, ensure_ascii=False)


def within_root(schema: object, root: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a schema made to stand alone: references into `root` keep working, because the
    root comes along as a definition and the references are bent to it."""
    bent = _with_bent_references(schema)
    if not isinstance(bent, dict):
        return {}
    if not _has_reference(bent):
        return bent
    return {**bent, "$defs": {"root": _with_bent_references(dict(root))}}


def _with_bent_references(value: object) -> object:
    """Depth is bounded by schemas.check_schema_limits."""
    if isinstance(value, list):
        return [_with_bent_references(item) for item in value]
    if not isinstance(value, dict):
        return value
    bent = {key: _with_bent_references(item) for key, item in value.items()}
    reference = value.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        bent["$ref"] = "#/$defs/root" + reference[1:]
    return bent


def _has_reference(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_has_reference, value))
    if not isinstance(value, dict):
        return False
    return "$ref" in value or any(map(_has_reference, value.values()))
