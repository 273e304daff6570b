"""Which grammar a reply has to follow: JSON mode, forced tool calls, strict tools.

The engine applies the grammar as a mask; here it is only written, and compiled once to be sure
that it can be. It must not know token masks or the engine's state.

In thinking mode the thoughts are free text up to `</think>`, and the grammar begins behind it.
"""

from __future__ import annotations

from llguidance import LLMatcher, LLParserLimits

from whalefall.base.errors import InvalidRequestError
from whalefall.chat.formats import base
from whalefall.chat.formats.base import ChatFormat
from whalefall.chat.messages import ChatRequest, ResponseFormatKind, Tool, ToolChoiceMode
from whalefall.chat.schemas import check_schema_limits, check_strict_schema
from whalefall.chat.tools.grammar import Grammar
from whalefall.engine.request import StructureSpec

__all__ = ["check_schema_limits", "check_strict_schema", "structure_for"]

_FORCED = (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED)
_LEXER_FUEL = 2_000_000
"""About 40 ms of work on the expressions of one grammar."""


def structure_for(request: ChatRequest, chat_format: ChatFormat) -> StructureSpec | None:
    """The grammar of the reply to `request`, or None when any text will do.

    Raises InvalidRequestError when a schema breaks the rules of strict mode, is too large, or
    cannot be compiled. Takes milliseconds; more for large schemas."""
    for tool in base.callable_tools(request):
        if tool.strict:
            check_strict_schema(tool)
        elif request.tool_choice.mode in _FORCED:
            check_schema_limits(tool.parameters or {}, f"The schema of function '{tool.name}'")
    text = _grammar_text(request, chat_format, base.callable_tools(request))
    if text is None:
        return None
    problem = _problem_with(text) if _has_schema(request) else ""
    if problem and _may_relax(request):
        # The caller did not ask for the schema to be enforced, only for a call.
        text = _grammar_text(request, chat_format, _without_schemas(request)) or text
        problem = _problem_with(text)
    if problem:
        raise InvalidRequestError(f"The schema cannot be enforced: {problem}")
    return StructureSpec(kind="lark", grammar=text)


def _grammar_text(
    request: ChatRequest, chat_format: ChatFormat, tools: tuple[Tool, ...]
) -> str | None:
    grammar = Grammar(chat_format.tokenizer)
    is_single = request.tool_choice.mode is ToolChoiceMode.NAMED
    answer = _answer(grammar, request, chat_format, tools)
    if answer is None:
        return None
    if not chat_format.starts_in_reasoning(request):
        return grammar.text(answer)
    thoughts = f"TEXT {grammar.special(base.END_THINK)} ({answer})"
    if not tools:
        return grammar.text(thoughts)
    # A block may also come while still thinking; it has to follow the tools just the same.
    unannounced = chat_format.offered_calls(grammar, tools, is_single)
    return grammar.text(f"{unannounced} | {thoughts}")


def _answer(
    grammar: Grammar, request: ChatRequest, chat_format: ChatFormat, tools: tuple[Tool, ...]
) -> str | None:
    """An expression for what follows the thoughts, or None when it may be any text."""
    is_single = request.tool_choice.mode is ToolChoiceMode.NAMED
    if request.tool_choice.mode in _FORCED and tools:
        return chat_format.forced_calls(grammar, tools, is_single)
    if _wants_json(request):
        answer = _json_answer(grammar, request)
        calls = chat_format.forced_calls(grammar, tools, is_single) if tools else ""
        return f"{answer} | {calls}" if calls else answer
    if any(tool.strict for tool in tools):
        return f"TEXT | {chat_format.offered_calls(grammar, tools, is_single)}"
    return None


def _wants_json(request: ChatRequest) -> bool:
    """A reply that continues given text cannot be held to the shape of a whole object."""
    continued = base.continued_message(request)
    if continued is not None and continued.content.strip():
        return False
    return request.response_format.kind is not ResponseFormatKind.TEXT


def _json_answer(grammar: Grammar, request: ChatRequest) -> str:
    schema = request.response_format.schema
    if request.response_format.kind is ResponseFormatKind.JSON_OBJECT or schema is None:
        return grammar.json({"type": "object"})
    check_schema_limits(schema, "The schema of the response format")
    return grammar.json(schema)


def _has_schema(request: ChatRequest) -> bool:
    """Whether anything of the caller is in the grammar. What is ours alone always compiles."""
    tools = base.callable_tools(request)
    return request.response_format.schema is not None or any(t.parameters for t in tools)


def _may_relax(request: ChatRequest) -> bool:
    is_forced = request.tool_choice.mode in _FORCED
    return is_forced and not any(tool.strict for tool in base.callable_tools(request))


def _without_schemas(request: ChatRequest) -> tuple[Tool, ...]:
    return tuple(Tool(tool.name) for tool in base.callable_tools(request))


def _problem_with(grammar_text: str) -> str:
    """Why a grammar cannot be compiled, in one line, or ""."""
    wrapped = LLMatcher.grammar_from_lark(grammar_text)
    limits = LLParserLimits(initial_lexer_fuel=_LEXER_FUEL)
    message = LLMatcher.validate_grammar(wrapped, limits=limits)
    return " ".join(message.split()) if message else ""
