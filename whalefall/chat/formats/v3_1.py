"""The V3.1 format (also V3.1-Terminus and V3.2-Exp): think marks, tools between sentinel marks.

    BOS system-text [⏎⏎ tools]
    USER text ASSISTANT </think> answer EOS              an earlier turn; its thoughts are dropped
    USER text ASSISTANT <think>|</think>                 where the model goes on
    ASSISTANT </think> text CALLS EOS RESULT RESULT …    a tool loop: it goes on right behind

- A call is `<｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{json}<｜tool▁call▁end｜>`, the calls of a
  message stand between `<｜tool▁calls▁begin｜>` and `<｜tool▁calls▁end｜>`.
- A result is `<｜tool▁output▁begin｜>…<｜tool▁output▁end｜>`, in the order of the calls. No new
  assistant mark follows, so the model answers without thinking there.
- All system messages, wherever they stand, are joined by blank lines at the front.

The wording of the tool section is ours; the syntax is the model's.
"""

from __future__ import annotations

from collections.abc import Sequence

from whalefall.chat.formats import base
from whalefall.chat.messages import ChatRequest, Message, Role, Tool, ToolCall
from whalefall.chat.parser import ResponseParser
from whalefall.chat.tokenizer import Tokenizer
from whalefall.chat.tools import sentinel, sentinel_grammar
from whalefall.chat.tools.grammar import Grammar

_RESULT_BEGIN = "<｜tool▁output▁begin｜>"
_RESULT_END = "<｜tool▁output▁end｜>"
_TOOLS_INTRODUCTION = "## Tools\n\nYou can call these functions:\n"
_CALL_RULE = (
    "\n\nTo call, end your message with the calls and write nothing after them. One call is the "
    "function's name and its arguments as one JSON object, between the marks made for it:\n"
    f"{sentinel.CALLS_BEGIN}{sentinel.CALL_BEGIN}NAME{sentinel.SEPARATOR}ARGUMENTS"
    f"{sentinel.CALL_END}{sentinel.CALLS_END}\n"
    "Several calls stand directly behind one another between the outer marks."
)


class V31Format:
    name = "v3.1"

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def render(self, request: ChatRequest) -> list[int]:
        prompt = base.PromptBuilder(self.tokenizer)
        prompt.mark(base.BOS)
        _append_preamble(prompt, request)
        _append_turns(prompt, request)
        return prompt.token_ids()

    def starts_in_reasoning(self, request: ChatRequest) -> bool:
        if not request.thinking or base.ends_in_results(request):
            return False
        continued = base.continued_message(request)
        return continued is None or not base.is_past_thinking(continued)

    def parser(self, request: ChatRequest) -> ResponseParser:
        tools = base.offered_tools(request)
        return ResponseParser(
            syntax=sentinel.SentinelSyntax(has_type=False) if tools else None,
            tools=tools,
            in_reasoning=self.starts_in_reasoning(request),
        )

    def forced_calls(self, grammar: Grammar, tools: Sequence[Tool], is_single: bool) -> str:
        block = sentinel_grammar.append_block(grammar, tools, is_single, has_type=False)
        return grammar.special(sentinel.CALLS_BEGIN) + " " + block

    def offered_calls(self, grammar: Grammar, tools: Sequence[Tool], is_single: bool) -> str:
        return "TEXT " + self.forced_calls(grammar, tools, is_single)


def _append_preamble(prompt: base.PromptBuilder, request: ChatRequest) -> None:
    parts = [m.content for m in request.messages if m.role is Role.SYSTEM]
    prompt.text("\n\n".join(parts))
    tools = base.offered_tools(request)
    if tools:
        prompt.text("\n\n" + _TOOLS_INTRODUCTION + "".join(map(_tool_text, tools)))
        prompt.template(_CALL_RULE)
        if instruction := base.choice_instruction(request):
            prompt.text("\n\n" + instruction)
    prompt.text(base.response_format_text(request))


def _tool_text(tool: Tool) -> str:
    description = f"\nDescription: {tool.description}" if tool.description else ""
    parameters = base.json_text(tool.parameters or {})
    return f"\n### {tool.name}{description}\n\nParameters: {parameters}\n"


def _append_turns(prompt: base.PromptBuilder, request: ChatRequest) -> None:
    messages = base.with_ordered_results(base.without_system(request.messages))
    for index, message in enumerate(messages):
        if message.role is Role.USER:
            prompt.mark(base.USER)
            prompt.text(base.spoken_text(message))
        elif message.role is Role.TOOL:
            prompt.mark(_RESULT_BEGIN)
            prompt.text(message.content)
            prompt.mark(_RESULT_END)
        else:
            is_after_results = index > 0 and messages[index - 1].role is Role.TOOL
            _append_assistant(prompt, message, is_after_results, request.thinking)
    if base.continued_message(request) is None and not base.ends_in_results(request):
        prompt.mark(base.ASSISTANT)
        prompt.mark(base.THINK if request.thinking else base.END_THINK)


def _append_assistant(
    prompt: base.PromptBuilder, message: Message, is_after_results: bool, is_thinking: bool
) -> None:
    if not is_after_results:
        prompt.mark(base.ASSISTANT)
        if message.prefix and is_thinking:
            base.append_continued_thoughts(prompt, message)
        else:
            prompt.mark(base.END_THINK)
    prompt.text(message.content)
    if message.tool_calls:
        _append_calls(prompt, message.tool_calls)
    if not message.prefix:
        prompt.mark(base.EOS)


def _append_calls(prompt: base.PromptBuilder, calls: Sequence[ToolCall]) -> None:
    prompt.mark(sentinel.CALLS_BEGIN)
    for call in calls:
        prompt.mark(sentinel.CALL_BEGIN)
        prompt.text(call.name)
        prompt.mark(sentinel.SEPARATOR)
        prompt.text(call.arguments)
        prompt.mark(sentinel.CALL_END)
    prompt.mark(sentinel.CALLS_END)
