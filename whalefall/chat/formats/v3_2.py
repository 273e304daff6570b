"""The V3.2 format: think marks after every assistant mark, tools in DSML.

    BOS system-text [⏎⏎ tools] [⏎⏎ response format]
    USER text ASSISTANT </think> answer EOS                       an earlier turn
    USER text ASSISTANT <think> thoughts </think> answer EOS      the open turn, thinking
    ... answer ⏎⏎ calls EOS ⏎⏎ results ⏎⏎ <think>|</think> ...    a tool loop, one turn

- Thoughts stay in the prompt while the turn they belong to is open, that is after the newest user
  message; those of earlier turns are dropped and `</think>` stands in their place.
- Calls: `<｜DSML｜function_calls>`, per call a `<｜DSML｜invoke name="…">` with one
  `<｜DSML｜parameter name="…" string="true|false">` per argument, each tag on a line of its own.
  `string="true"` holds raw text, `string="false"` holds JSON. DSML marks are ordinary text.
- Results: `<function_results>` with one `<result>` per call, in the order of the calls; the model
  then goes on in the same turn, so only the think mark is repeated.
- Two user messages in a row leave an empty, closed assistant opening between them.
- System messages at the start are joined by blank lines. A later one stands where it came, before
  the assistant mark.

The wording of the tool section is ours; the syntax is the model's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from whalefall.chat.formats import base
from whalefall.chat.messages import ChatRequest, Message, Role, Tool, ToolCall
from whalefall.chat.parser import ResponseParser
from whalefall.chat.tokenizer import Tokenizer
from whalefall.chat.tools import dsml, dsml_grammar
from whalefall.chat.tools.grammar import Grammar, literal

_TOOLS_INTRODUCTION = f"""## Tools

You can call the functions listed below. To call one or several, end your message with a block \
like this one, and write nothing after it:

{dsml.BLOCK_BEGIN}
{dsml.invoke_begin("FUNCTION")}
{dsml.parameter_begin("TEXT_PARAMETER", is_string=True)}plain text{dsml.PARAMETER_END}
{dsml.parameter_begin("OTHER_PARAMETER", is_string=False)}JSON value{dsml.PARAMETER_END}
{dsml.INVOKE_END}
{dsml.BLOCK_END}

Use one invoke element per call. A parameter of type string is written as plain text, without \
quotes or escapes, and marked string="true". Any other value (number, boolean, null, array, \
object) is written as JSON and marked string="false". You are given the results in \
<function_results>, in the order of your calls, and may then call again or answer.

The functions, one JSON object per line:
<functions>
"""


class V32Format:
    name = "v3.2"

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def render(self, request: ChatRequest) -> list[int]:
        prompt = base.PromptBuilder(self.tokenizer)
        prompt.mark(base.BOS)
        messages = base.with_ordered_results(request.messages)
        num_leading = _num_leading_system(messages)
        prompt.text(_preamble(request, messages[:num_leading]))
        _Conversation(prompt, request.thinking).append(messages[num_leading:])
        return prompt.token_ids()

    def starts_in_reasoning(self, request: ChatRequest) -> bool:
        if not request.thinking:
            return False
        continued = base.continued_message(request)
        return continued is None or not base.is_past_thinking(continued)

    def parser(self, request: ChatRequest) -> ResponseParser:
        return ResponseParser(
            syntax=dsml.DSMLSyntax() if base.offered_tools(request) else None,
            tools=base.offered_tools(request),
            in_reasoning=self.starts_in_reasoning(request),
        )

    def forced_calls(self, grammar: Grammar, tools: Sequence[Tool], is_single: bool) -> str:
        block = dsml_grammar.append_block(grammar, tools, is_single)
        return literal("\n\n" + dsml.TAG_BEGIN) + " " + block

    def offered_calls(self, grammar: Grammar, tools: Sequence[Tool], is_single: bool) -> str:
        block = dsml_grammar.append_block(grammar, tools, is_single)
        opening = grammar.rule(f"TEXT {literal(dsml.TAG_BEGIN)}", "[lazy]")
        return f"{opening} {block}"


class _Conversation:
    """Appends the turns after the leading system text. Holds back the assistant opening, because
    what comes next decides whether it opens or closes the thinking."""

    def __init__(self, prompt: base.PromptBuilder, is_thinking: bool) -> None:
        self._prompt = prompt
        self._is_thinking = is_thinking
        self._turn_is_open = False
        self._is_after_results = False
        self._needs_opening = False

    def append(self, messages: Sequence[Message]) -> None:
        last_user = base.last_user_index(messages)
        self._turn_is_open = last_user < 0
        for index, message in enumerate(messages):
            if message.role is Role.USER:
                self._append_user(message)
                self._turn_is_open = index == last_user
            elif message.role is Role.SYSTEM:
                self._append_system(message)
            elif message.role is Role.TOOL:
                is_last = index + 1 == len(messages) or messages[index + 1].role is not Role.TOOL
                self._append_result(message, is_last)
            else:
                self._append_assistant(message)
        if not messages or not (messages[-1].role is Role.ASSISTANT and messages[-1].prefix):
            self._open(self._is_thinking)

    def _append_user(self, message: Message) -> None:
        if self._needs_opening:
            self._open(is_thinking=False)
        self._prompt.mark(base.USER)
        self._prompt.text(base.spoken_text(message))
        self._needs_opening = True

    def _append_system(self, message: Message) -> None:
        self._prompt.text("\n\n" + message.content if self._needs_opening else message.content)

    def _append_result(self, message: Message, is_last: bool) -> None:
        if not self._is_after_results:
            self._prompt.text("\n\n<function_results>")
        self._prompt.text(f"\n<result>{message.content}</result>")
        self._is_after_results = self._needs_opening = True
        if is_last:
            self._prompt.text("\n</function_results>")

    def _append_assistant(self, message: Message) -> None:
        keeps_thoughts = self._is_thinking and self._turn_is_open
        self._open(keeps_thoughts)
        if keeps_thoughts:
            self._prompt.text(message.reasoning_content or "")
            if not message.prefix or base.is_past_thinking(message):
                self._prompt.mark(base.END_THINK)
        self._prompt.text(message.content)
        if message.tool_calls:
            self._prompt.text(_calls_text(message.tool_calls))
        if not message.prefix:
            self._prompt.mark(base.EOS)

    def _open(self, is_thinking: bool) -> None:
        if self._is_after_results:
            self._prompt.text("\n\n")
        else:
            self._prompt.mark(base.ASSISTANT)
        self._prompt.mark(base.THINK if is_thinking else base.END_THINK)
        self._is_after_results = self._needs_opening = False


def _num_leading_system(messages: Sequence[Message]) -> int:
    return next((i for i, m in enumerate(messages) if m.role is not Role.SYSTEM), len(messages))


def _preamble(request: ChatRequest, system_messages: Sequence[Message]) -> str:
    text = "\n\n".join(message.content for message in system_messages)
    tools = base.offered_tools(request)
    if tools:
        functions = "\n".join(base.function_json(tool) for tool in tools)
        text += "\n\n" + _TOOLS_INTRODUCTION + functions + "\n</functions>"
        if instruction := base.choice_instruction(request):
            text += "\n\n" + instruction
    return text + base.response_format_text(request)


def _calls_text(calls: Sequence[ToolCall]) -> str:
    invokes = "\n".join(_invoke_text(call) for call in calls)
    return f"\n\n{dsml.BLOCK_BEGIN}\n{invokes}\n{dsml.BLOCK_END}"


def _invoke_text(call: ToolCall) -> str:
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        # A caller's history may hold arguments that are no JSON object. The model is shown them
        # as they are, under the name the wire gives them.
        arguments = {"arguments": call.arguments} if call.arguments.strip() else {}
    lines = [dsml.invoke_begin(call.name)]
    for key, value in arguments.items():
        is_string = isinstance(value, str)
        text = value if is_string else base.json_text(value)
        lines.append(dsml.parameter_begin(key, is_string) + text + dsml.PARAMETER_END)
    return "\n".join([*lines, dsml.INVOKE_END])
