"""Grammar of a block of calls between sentinel marks, arguments following the tools' schemas."""

from __future__ import annotations

from collections.abc import Sequence

from whalefall.chat.messages import Tool
from whalefall.chat.tools import sentinel
from whalefall.chat.tools.grammar import Grammar, literal


def append_block(grammar: Grammar, tools: Sequence[Tool], is_single: bool, has_type: bool) -> str:
    """Add the rules of a block with calls to these tools, just one if `is_single`; returns the
    name of the rule for what follows `<｜tool▁calls▁begin｜>`."""
    call = grammar.rule(" | ".join(_call(grammar, tool, has_type) for tool in tools))
    between = literal("\n") + " " if has_type else ""
    more = "" if is_single else f"({between}{call})*"
    return grammar.rule(f"{call} {more} {grammar.special(sentinel.CALLS_END)}")


def _call(grammar: Grammar, tool: Tool, has_type: bool) -> str:
    schema = dict(tool.parameters or {})
    if "$ref" not in schema:
        schema["type"] = "object"
    arguments = grammar.json(schema)
    begin, separator, end = (
        grammar.special(mark)
        for mark in (sentinel.CALL_BEGIN, sentinel.SEPARATOR, sentinel.CALL_END)
    )
    if has_type:
        name, fence = literal(f"{tool.name}\n```json\n"), literal("\n```")
        body = f"{begin} {literal('function')} {separator} {name} {arguments} {fence} {end}"
    else:
        body = f"{begin} {literal(tool.name)} {separator} {arguments} {end}"
    return grammar.rule(body)
