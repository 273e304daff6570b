"""DSML, the tool call syntax of V3.2: its tags, and the machine that reads them.

    <｜DSML｜function_calls>
    <｜DSML｜invoke name="fn">
    <｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>
    <｜DSML｜parameter name="days" string="false">3</｜DSML｜parameter>
    </｜DSML｜invoke>
    </｜DSML｜function_calls>

Models stray from this, and the reader follows them as far as the meaning is plain: a missing outer
tag, tags closed by their parent, attributes in another order or in single quotes, a JSON object
in place of parameters. Text values go out as they arrive; other values wait for their end, are
checked, and follow the caller's schema where the tag and the schema disagree.

It must not know what surrounds the block.
"""

from __future__ import annotations

import enum
import re

from whalefall.chat.tools.calls import BlockReader, CallWriter, json_string, json_string_inside
from whalefall.chat.tools.json_stream import JSONObjectStream
from whalefall.chat.tools.values import accepts_text_only, argument_json, refuses_text

TAG_BEGIN = "<｜DSML｜"
BLOCK_BEGIN = "<｜DSML｜function_calls>"
BLOCK_END = "</｜DSML｜function_calls>"
INVOKE_END = "</｜DSML｜invoke>"
PARAMETER_END = "</｜DSML｜parameter>"
_INVOKE = "<｜DSML｜invoke"
_PARAMETER = "<｜DSML｜parameter"

_TAG_LENGTH_MAX = 1024
_BETWEEN_INVOKES = (_INVOKE, BLOCK_END, BLOCK_BEGIN)
_BETWEEN_PARAMETERS = (_PARAMETER, INVOKE_END, _INVOKE, BLOCK_END)
_ATTRIBUTE = re.compile(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")

_TAG_OR_BODY = re.compile("[<{]")


def invoke_begin(name: str) -> str:
    return f'{_INVOKE} name="{name}">'


def parameter_begin(name: str, is_string: bool) -> str:
    return f'{_PARAMETER} name="{name}" string="{"true" if is_string else "false"}">'


class DSMLSyntax:
    openers = (BLOCK_BEGIN, _INVOKE)
    strays = (BLOCK_END, INVOKE_END, PARAMETER_END)

    def reader(self, opener: str, calls: CallWriter) -> BlockReader:
        return _DSMLReader(calls, _INVOKE if opener == _INVOKE else "")


class _State(enum.Enum):
    BLOCK = enum.auto()
    """Between invokes."""
    INVOKE = enum.auto()
    """Inside an invoke, between parameters."""
    STREAMED = enum.auto()
    """Inside a text value that goes out as it comes."""
    BUFFERED = enum.auto()
    """Inside a value that is judged at its end."""
    BODY = enum.auto()
    """Inside a JSON object that stands in place of parameters."""


class _DSMLReader:
    """Each step either consumes from the buffer and returns True, or waits and returns False."""

    def __init__(self, calls: CallWriter, buffer: str) -> None:
        self._calls = calls
        self._buffer = buffer
        self._state = _State.BLOCK
        self._has_ended = False
        self._names: set[str] = set()
        self._name = ""
        self._is_string: bool | None = None
        self._is_repeated = False
        self._value: list[str] = []
        self._body = JSONObjectStream()
        self._steps = {
            _State.BLOCK: self._step_block,
            _State.INVOKE: self._step_invoke,
            _State.STREAMED: self._step_streamed,
            _State.BUFFERED: self._step_buffered,
            _State.BODY: self._step_body,
        }

    def push(self, text: str) -> str | None:
        self._buffer += text
        while not self._has_ended and self._steps[self._state]():
            pass
        return self._buffer if self._has_ended else None

    def finish(self, is_truncated: bool) -> None:
        # What is still in the buffer is the beginning of a tag; it says nothing any more.
        self._buffer = ""
        if is_truncated or not self._calls.is_open:
            return
        if self._state is _State.STREAMED:
            self._end_streamed()
        elif self._state is _State.BUFFERED:
            self._end_buffered()
        self._end_call()

    def _step_block(self) -> bool:
        tag = self._next_tag(_BETWEEN_INVOKES)
        if tag is None:
            return False
        if tag == _INVOKE:
            return self._begin_call()
        self._buffer = self._buffer[len(tag) :]
        # Anything else between calls means that the model has left the block.
        self._has_ended = tag != BLOCK_BEGIN
        return True

    def _begin_call(self) -> bool:
        attributes = self._take_tag(_INVOKE)
        if attributes is None:
            return False
        if attributes.get("name"):
            self._calls.start(attributes["name"])
            self._names.clear()
            self._body = JSONObjectStream()
            self._state = _State.INVOKE
        return True

    def _step_invoke(self) -> bool:
        tag = self._next_tag(_BETWEEN_PARAMETERS)
        if tag is None:
            return False
        if tag == _PARAMETER:
            return self._begin_parameter()
        if tag == "":
            return self._skip_or_begin_body()
        if tag == INVOKE_END:
            self._buffer = self._buffer[len(tag) :]
        # The parent's end, or the next call, ends this call too.
        self._end_call()
        return True

    def _skip_or_begin_body(self) -> bool:
        if self._buffer[0] == "{" and not self._names:
            self._state = _State.BODY
            return True
        # Neither tag nor body: skipped up to where one could begin.
        beginning = _TAG_OR_BODY.search(self._buffer, 1)
        self._buffer = self._buffer[beginning.start() :] if beginning else ""
        return True

    def _begin_parameter(self) -> bool:
        attributes = self._take_tag(_PARAMETER)
        if attributes is None:
            return False
        self._name = attributes.get("name", "")
        self._is_repeated = not self._name or self._name in self._names
        flag = attributes.get("string", "").lower()
        self._is_string = True if flag == "true" else False if flag == "false" else None
        schema = self._calls.property_schema(self._name)
        is_text = self._is_string or (self._is_string is None and accepts_text_only(schema))
        if is_text and not self._is_repeated and not refuses_text(schema):
            self._write_key()
            self._calls.arguments('"')
            self._state = _State.STREAMED
        else:
            self._value.clear()
            self._state = _State.BUFFERED
        return True

    def _step_streamed(self) -> bool:
        text, is_end = self._take_until(PARAMETER_END)
        self._calls.arguments(json_string_inside(text))
        if is_end:
            self._end_streamed()
        return is_end

    def _step_buffered(self) -> bool:
        text, is_end = self._take_until(PARAMETER_END)
        self._value.append(text)
        if is_end:
            self._end_buffered()
        return is_end

    def _step_body(self) -> bool:
        text, is_end = self._take_until(INVOKE_END)
        self._calls.arguments(self._body.push(text))
        if is_end:
            self._end_call()
        return is_end

    def _end_streamed(self) -> None:
        self._calls.arguments('"')
        self._state = _State.INVOKE

    def _end_buffered(self) -> None:
        # A name given twice keeps its first value: that one may be with the client already.
        if not self._is_repeated:
            schema = self._calls.property_schema(self._name)
            self._write_key()
            self._calls.arguments(argument_json("".join(self._value), self._is_string, schema))
        self._state = _State.INVOKE

    def _end_call(self) -> None:
        if self._state is _State.BODY or not self._names:
            self._calls.arguments(self._body.close())
        else:
            self._calls.arguments("}")
        self._calls.end()
        self._state = _State.BLOCK

    def _write_key(self) -> None:
        before = ", " if self._names else "{"
        self._names.add(self._name)
        self._calls.arguments(f"{before}{json_string(self._name)}: ")

    def _next_tag(self, tags: tuple[str, ...]) -> str | None:
        """Which of `tags` the buffer starts with after white space; "" for none of them, None
        while that cannot be told."""
        self._buffer = buffer = self._buffer.lstrip()
        for tag in tags:
            if buffer.startswith(tag):
                return tag
        if any(tag.startswith(buffer) for tag in tags):
            return None
        return ""

    def _take_tag(self, opening: str) -> dict[str, str] | None:
        """Consume a tag with attributes and return them; {} for one that never ends. None while
        its end has not come. The end is the first `>` outside double quotes; a line break or too
        great a length shows that the quotes are odd, and then it is the first `>` at all."""
        start = len(opening)
        if ">" not in self._buffer and len(self._buffer) < _TAG_LENGTH_MAX:
            return None
        for end in range(start, min(len(self._buffer), _TAG_LENGTH_MAX)):
            character = self._buffer[end]
            if character == ">" and self._buffer.count('"', start, end) % 2 == 0:
                return self._attributes(start, end)
            if character == "\n":
                return self._attributes_of_odd_tag(start, end)
        if len(self._buffer) < _TAG_LENGTH_MAX:
            return None
        return self._attributes_of_odd_tag(start, _TAG_LENGTH_MAX)

    def _attributes_of_odd_tag(self, start: int, limit: int) -> dict[str, str]:
        end = self._buffer.find(">", start, limit)
        return self._attributes(start, end if end >= 0 else limit - 1)

    def _attributes(self, start: int, end: int) -> dict[str, str]:
        found = _ATTRIBUTE.findall(self._buffer, start, end)
        self._buffer = self._buffer[end + 1 :]
        return {key: double or single for key, double, single in found}

    def _take_until(self, mark: str) -> tuple[str, bool]:
        """Consume the text before `mark`, and the mark. Without it, all but a tail that could
        become it."""
        before, found, after = self._buffer.partition(mark)
        if found:
            self._buffer = after
            return before, True
        tail = self._buffer.rfind("<")
        if tail < 0 or not mark.startswith(self._buffer[tail:]):
            tail = len(self._buffer)
        text, self._buffer = self._buffer[:tail], self._buffer[tail:]
        return text, False
