"""Grammar of a DSML block whose arguments follow the tools' schemas.

Plain text parameters are raw text; everything else is JSON. A parameter whose text is bound by a
pattern, a format or a length is written as a JSON string, where the schema can be enforced as it
stands. A tool with names that no tag can carry takes its arguments as one JSON object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from whalefall.chat.messages import Tool
from whalefall.chat.schemas import resolved, root_object
from whalefall.chat.tools import dsml
from whalefall.chat.tools.grammar import Grammar, literal, within_root

_LINE_BREAK = literal("\n")
_SAFE_NAME = re.compile(r"[^\"'<>\n]+")
_UNION_DEPTH_MAX = 4
_TEXT_ANNOTATIONS = frozenset({"type", "description", "title", "default", "examples"})


def append_block(grammar: Grammar, tools: Sequence[Tool], is_single: bool) -> str:
    """Add the rules of a block with calls to these tools, just one if `is_single`; returns the
    name of the rule for what follows `<｜DSML｜`."""
    invokes = " | ".join(_invoke(grammar, tool) for tool in tools)
    invoke = grammar.rule(f"({invokes}) {literal(dsml.INVOKE_END)} {_LINE_BREAK}")
    begin = literal(dsml.BLOCK_BEGIN.removeprefix(dsml.TAG_BEGIN) + "\n")
    repeat = "" if is_single else "+"
    return grammar.rule(f"{begin} {invoke}{repeat} {literal(dsml.BLOCK_END)}")


def _invoke(grammar: Grammar, tool: Tool) -> str:
    begin = literal(dsml.invoke_begin(tool.name) + "\n")
    root = tool.parameters or {}
    schema = root_object(root)
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        is_closed = tool.strict or schema.get("additionalProperties") is False
        parameters = "" if is_closed else _any_parameter(grammar) + "*"
        return grammar.rule(f"{begin} {parameters}")
    if not all(_SAFE_NAME.fullmatch(name) for name in properties):
        return grammar.rule(f"{begin} {grammar.json(root)} {_LINE_BREAK}")
    listed = schema.get("required")
    required = listed if isinstance(listed, list) else []
    parts = [begin]
    for name, child in properties.items():
        parameter = _parameter(grammar, name, child, root)
        parts.append(parameter if tool.strict or name in required else parameter + "?")
    return grammar.rule(" ".join(parts))


def _parameter(grammar: Grammar, name: str, schema: object, root: Mapping[str, Any]) -> str:
    forms = _forms(grammar, name, schema, root, depth=0)
    return grammar.rule(f"({' | '.join(forms)}) {_LINE_BREAK}")


def _forms(
    grammar: Grammar, name: str, schema: object, root: Mapping[str, Any], depth: int
) -> list[str]:
    """The ways a value may be written, each a complete parameter element."""
    schema = resolved(schema, root) if isinstance(schema, dict) else {}
    text_begin = literal(dsml.parameter_begin(name, is_string=True))
    if schema.get("type") == "string" and schema.keys() <= _TEXT_ANNOTATIONS:
        return [f"{text_begin} {_raw_text(grammar)}"]
    words = _words(schema)
    if words:
        spelled = " | ".join(map(literal, words))
        return [f"{text_begin} ({spelled}) {literal(dsml.PARAMETER_END)}"]
    branches = _branches(schema)
    if branches and depth < _UNION_DEPTH_MAX:
        return [
            form for branch in branches for form in _forms(grammar, name, branch, root, depth + 1)
        ]
    json_begin = literal(dsml.parameter_begin(name, is_string=False))
    value = grammar.json(within_root(schema, root))
    form = f"{json_begin} {value} {literal(dsml.PARAMETER_END)}"
    return [form] if schema else [f"{text_begin} {_raw_text(grammar)}", form]


def _raw_text(grammar: Grammar) -> str:
    """Text up to and with the closing tag, which it cannot contain."""
    return grammar.rule("TEXT", f"[suffix={literal(dsml.PARAMETER_END)}]")


def _words(schema: Mapping[str, Any]) -> list[str]:
    """The texts an enum or const of texts allows, when all can be written raw."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list):
        return []
    words = [value for value in values if isinstance(value, str) and "<" not in value and value]
    return words if len(words) == len(values) else []


def _branches(schema: Mapping[str, Any]) -> list[Any]:
    """The parts of a union: those of anyOf, or one schema per type."""
    if isinstance(schema.get("anyOf"), list) and schema.keys() <= {"anyOf", "description", "title"}:
        return list(schema["anyOf"])
    types = schema.get("type")
    if isinstance(types, list) and "enum" not in schema:
        return [{**schema, "type": each} for each in types]
    return []


def _any_parameter(grammar: Grammar) -> str:
    """A parameter of any name and value, for tools whose schema names none."""
    begin = literal(f'{dsml.TAG_BEGIN}parameter name="')
    text_form = literal('" string="true">') + " " + _raw_text(grammar)
    json_begin = literal('" string="false">')
    json_form = f"{json_begin} {grammar.json({})} {literal(dsml.PARAMETER_END)}"
    return grammar.rule(f"{begin} /[A-Za-z0-9_-]+/ ({text_form} | {json_form}) {_LINE_BREAK}")
