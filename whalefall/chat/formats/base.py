"""What every chat format offers, and the bricks prompts are built from.

A format is the agreement between a model and its users about how a conversation looks as one row
of tokens. Marks (special tokens) are put in by id; everything else is encoded as plain text, so
no text of a caller can become a mark. The same request always renders to the same tokens, and a
longer conversation begins with the tokens of the shorter one wherever the format allows it: the
prefix cache lives on that.

This file must not know any one format's layout.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from whalefall.chat.messages import (
    ChatRequest,
    Message,
    ResponseFormatKind,
    Role,
    Tool,
    ToolChoiceMode,
)
from whalefall.chat.parser import ResponseParser
from whalefall.chat.tokenizer import Tokenizer
from whalefall.chat.tools.grammar import Grammar

BOS = "<｜begin▁of▁sentence｜>"
EOS = "<｜end▁of▁sentence｜>"
USER = "<｜User｜>"
ASSISTANT = "<｜Assistant｜>"
THINK = "<think>"
END_THINK = "</think>"


class ChatFormat(Protocol):
    @property
    def name(self) -> str:
        """As model configurations name it: `v3`, `v3.1`, `v3.2`."""
        ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    def render(self, request: ChatRequest) -> list[int]:
        """The prompt's token ids, begin-of-sentence first, up to where the model continues."""
        ...

    def parser(self, request: ChatRequest) -> ResponseParser:
        """A fresh parser for the text the model answers this request with."""
        ...

    def starts_in_reasoning(self, request: ChatRequest) -> bool:
        """Whether the rendered prompt ends inside an open think block."""
        ...

    def forced_calls(self, grammar: Grammar, tools: Sequence[Tool], is_single: bool) -> str:
        """Add rules for a block of calls that has to come, one call if `is_single`, and return
        an expression for all of it, from the first character."""
        ...

    def offered_calls(self, grammar: Grammar, tools: Sequence[Tool], is_single: bool) -> str:
        """Add rules for text that ends in a block of calls, and return an expression for it.
        Once the mark that opens a block is there, the block has to follow the tools."""
        ...


class PromptBuilder:
    """Collects marks and text; adjoining texts are encoded together, as the model's own encoder
    would, and never across a mark."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._texts: list[str] = []

    def mark(self, special_text: str) -> None:
        """Append a special token. Raises KeyError when the model has none of that name."""
        self._flush()
        self._ids.append(self._tokenizer.special_id(special_text))

    def text(self, text: str) -> None:
        if text:
            self._texts.append(text)

    def template(self, text: str) -> None:
        """Append text of our own in which spelled special tokens are meant as such."""
        for piece in self._tokenizer.split_at_special(text):
            if piece in self._tokenizer.special_tokens:
                self.mark(piece)
            else:
                self.text(piece)

    def token_ids(self) -> list[int]:
        self._flush()
        return self._ids

    def _flush(self) -> None:
        if self._texts:
            self._ids.extend(self._tokenizer.encode("".join(self._texts)))
            self._texts.clear()


def offered_tools(request: ChatRequest) -> tuple[Tool, ...]:
    """The tools the model is told about: none at all when the caller's choice is `none`."""
    return () if request.tool_choice.mode is ToolChoiceMode.NONE else request.tools


def callable_tools(request: ChatRequest) -> tuple[Tool, ...]:
    """The offered tools this request lets the model call: just one when it is named."""
    tools = offered_tools(request)
    if request.tool_choice.mode is not ToolChoiceMode.NAMED:
        return tools
    return tuple(tool for tool in tools if tool.name == request.tool_choice.name)


def choice_instruction(request: ChatRequest) -> str:
    """The sentence that tells the model it has to call a tool, or ""."""
    choice = request.tool_choice
    if choice.mode is ToolChoiceMode.REQUIRED:
        return "You must call a function now."
    if choice.mode is ToolChoiceMode.NAMED:
        return f"You must call the function {choice.name} now."
    return ""


def continued_message(request: ChatRequest) -> Message | None:
    """The last message when the model is to continue it rather than to answer."""
    last = request.messages[-1] if request.messages else None
    return last if last and last.role is Role.ASSISTANT and last.prefix else None


def is_past_thinking(continued: Message) -> bool:
    """Whether a message to be continued has its thoughts behind it: thoughts are given, and text
    after them. Thoughts alone are continued as thoughts; text alone is taken as their start."""
    return continued.reasoning_content is not None and bool(continued.content)


def append_continued_thoughts(prompt: PromptBuilder, continued: Message) -> None:
    """The think part of a message to be continued in thinking mode, right after its opening."""
    prompt.mark(THINK)
    prompt.text(continued.reasoning_content or "")
    if is_past_thinking(continued):
        prompt.mark(END_THINK)


def ends_in_results(request: ChatRequest) -> bool:
    return bool(request.messages) and request.messages[-1].role is Role.TOOL


def without_system(messages: Sequence[Message]) -> list[Message]:
    return [message for message in messages if message.role is not Role.SYSTEM]


def response_format_text(request: ChatRequest) -> str:
    """The section that shows the model the schema its answer has to follow, or ""."""
    if request.response_format.kind is not ResponseFormatKind.JSON_SCHEMA:
        return ""
    schema = json_text(request.response_format.schema or {})
    return "\n\n## Response Format\n\nAnswer with JSON that follows this schema:\n" + schema


def last_user_index(messages: Sequence[Message]) -> int:
    """Where the newest user message stands; -1 without one."""
    return max((i for i, m in enumerate(messages) if m.role is Role.USER), default=-1)


def spoken_text(message: Message) -> str:
    """A user's text. A given `name` stands before it, since no format has a mark for names and
    telling several users apart is what the field is for."""
    return f"{message.name}: {message.content}" if message.name else message.content


def with_ordered_results(messages: Sequence[Message]) -> list[Message]:
    """The conversation with every run of tool results in the order of the calls they answer.

    Clients run tools in parallel and report in any order; the model matches results to calls by
    position. A result that answers no call of the preceding message keeps its place at the end."""
    ordered: list[Message] = []
    run: list[Message] = []
    places: dict[str | None, int] = {}
    for message in messages:
        if message.role is Role.TOOL:
            run.append(message)
            continue
        ordered += _sorted_by_place(run, places)
        run = []
        ordered.append(message)
        places = {call.id: place for place, call in enumerate(message.tool_calls)}
    return ordered + _sorted_by_place(run, places)


def _sorted_by_place(run: list[Message], places: dict[str | None, int]) -> list[Message]:
    return sorted(run, key=lambda message: places.get(message.tool_call_id, len(places)))


def json_text(value: object) -> str:
    """JSON as the models saw it in training: keys in the order received, a blank after commas and
    colons, characters beyond ASCII as themselves."""
    return json.dumps(value, ensure_ascii=False)


def function_json(tool: Tool) -> str:
    """One function as a JSON object; what the caller left out is left out. Whether it is strict
    is a matter of the output's grammar and not shown."""
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    return json_text(function)
