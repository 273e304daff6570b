"""The V3 format, which R1 shares: no think marks in the prompt, tools between sentinel marks.

    BOS system-text USER text ASSISTANT answer EOS USER text ASSISTANT
    ... ASSISTANT <think>⏎                                      thinking, as R1 is started
    ... ASSISTANT text CALLS EOS RESULTS                        a tool loop: it goes on right behind

- A call is `<｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME`, a line break, the arguments in a
  fenced json block, `<｜tool▁call▁end｜>`; line breaks between several; `<｜tool▁calls▁begin｜>`
  and `<｜tool▁calls▁end｜>` around them.
- Results stand between `<｜tool▁outputs▁begin｜>` and `<｜tool▁outputs▁end｜>`, each in
  `<｜tool▁output▁begin｜>…<｜tool▁output▁end｜>`, in the order of the calls, line breaks between.
- All system messages, wherever they stand, are joined by blank lines at the front.
- The model's own template tells nothing about tools; the section added here is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from whalefall.chat.formats import base
from whalefall.chat.messages import ChatRequest, Message, Role, Tool, ToolCall
from whalefall.chat.parser import ResponseParser
from whalefall.chat.tokenizer import Tokenizer
from whalefall.chat.tools import sentinel, sentinel_grammar
from whalefall.chat.tools.grammar import Grammar

_RESULTS_BEGIN = "<｜tool▁outputs▁begin｜>"
_RESULTS_END = "<｜tool▁outputs▁end｜>"
_RESULT_BEGIN = "<｜tool▁output▁begin｜>"
_RESULT_END = "<｜tool▁output▁end｜>"
_TOOLS_INTRODUCTION = "## Tools\n\nYou can call these functions, one JSON object per line:\n"
_CALL_RULE = (
    "\n\nTo call, end your message with the calls and write nothing after them:\n"
    f"{sentinel.CALLS_BEGIN}{sentinel.CALL_BEGIN}function{sentinel.SEPARATOR}NAME\n"
    f"```json\nARGUMENTS\n```{sentinel.CALL_END}{sentinel.CALLS_END}\n"
    "ARGUMENTS is one JSON object. Between several calls stands a line break."
)


class V3Format:
    name = "v3"

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
            syntax=sentinel.SentinelSyntax(has_type=True) if tools else None,
            tools=tools,
            in_reasoning=self.starts_in_reasoning(request),
        )

    def forced_calls(self, grammar: Grammar, tools: Sequence[Tool], is_single: bool) -> str:
        block = sentinel_grammar.append_block(grammar, tools, is_single, has_type=True)
        return grammar.special(sentinel.CALLS_BEGIN) + " " + block

    def offered_calls(self, grammar: Grammar, tools: Sequence[Tool], is_single: bool) -> str:
        return "TEXT " + self.forced_calls(grammar, tools, is_single)


def _append_preamble(prompt: base.PromptBuilder, request: ChatRequest) -> None:
    parts = [m.content for m in request.messages if m.role is Role.SYSTEM]
    prompt.text("\n\n".join(parts))
    tools = base.offered_tools(request)
    if tools:
        functions = "\n".join(map(base.function_json, tools))
        prompt.text("\n\n" + _TOOLS_INTRODUCTION + functions)
        prompt.template(_CALL_RULE)
        if instruction := base.choice_instruction(request):
            prompt.text("\n\n" + instruction)
    prompt.text(base.response_format_text(request))


def _append_turns(prompt: base.PromptBuilder, request: ChatRequest) -> None:
    messages = base.with_ordered_results(base.without_system(request.messages))
    roles = [message.role for message in messages]
    for index, message in enumerate(messages):
        is_after_results = index > 0 and roles[index - 1] is Role.TOOL
        if message.role is Role.USER:
            prompt.mark(base.USER)
            prompt.text(base.spoken_text(message))
        elif message.role is Role.TOOL:
            is_last = index + 1 == len(messages) or roles[index + 1] is not Role.TOOL
            _append_result(prompt, message, is_first=not is_after_results, is_last=is_last)
        else:
            _append_assistant(prompt, message, is_after_results, request.thinking)
    if base.continued_message(request) is None and not base.ends_in_results(request):
        prompt.mark(base.ASSISTANT)
        if request.thinking:
            prompt.mark(base.THINK)
            prompt.text("\n")


def _append_result(
    prompt: base.PromptBuilder, message: Message, *, is_first: bool, is_last: bool
) -> None:
    if is_first:
        prompt.mark(_RESULTS_BEGIN)
    else:
        prompt.text("\n")
    prompt.mark(_RESULT_BEGIN)
    prompt.text(message.content)
    prompt.mark(_RESULT_END)
    if is_last:
        prompt.mark(_RESULTS_END)


def _append_assistant(
    prompt: base.PromptBuilder, message: Message, is_after_results: bool, is_thinking: bool
) -> None:
    if not is_after_results:
        prompt.mark(base.ASSISTANT)
        if message.prefix and is_thinking:
            base.append_continued_thoughts(prompt, message)
    prompt.text(message.content)
    if message.tool_calls:
        _append_calls(prompt, message.tool_calls)
    if not message.prefix:
        prompt.mark(base.EOS)


def _append_calls(prompt: base.PromptBuilder, calls: Sequence[ToolCall]) -> None:
    prompt.mark(sentinel.CALLS_BEGIN)
    for index, call in enumerate(calls):
        if index > 0:
            prompt.text("\n")
        prompt.mark(sentinel.CALL_BEGIN)
        prompt.text("function")
        prompt.mark(sentinel.SEPARATOR)
        prompt.text(f"{call.name}\n```json\n{call.arguments}\n```")
        prompt.mark(sentinel.CALL_END)
    prompt.mark(sentinel.CALLS_END)
