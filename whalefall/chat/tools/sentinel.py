"""The tool call syntax of V3, R1 and V3.1: marks around a name and a JSON object.

    V3, R1   <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME
             ```json
             {…}
             ```<｜tool▁call▁end｜> … <｜tool▁calls▁end｜>
    V3.1     <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{…}<｜tool▁call▁end｜> …
             <｜tool▁calls▁end｜>

The object goes out as it arrives, validated and completed on the way. The outer marks may be
missing. It must not know what surrounds the block.
"""

from __future__ import annotations

import enum

from whalefall.chat.tools.calls import BlockReader, CallWriter
from whalefall.chat.tools.json_stream import JSONObjectStream

CALLS_BEGIN = "<｜tool▁calls▁begin｜>"
CALLS_END = "<｜tool▁calls▁end｜>"
CALL_BEGIN = "<｜tool▁call▁begin｜>"
CALL_END = "<｜tool▁call▁end｜>"
SEPARATOR = "<｜tool▁sep｜>"

_NAME_LENGTH_MAX = 256
_BETWEEN_CALLS = (CALL_BEGIN, CALLS_END, CALLS_BEGIN)


class SentinelSyntax:
    """`has_type`: a call opens with its type, and the name stands on the separator's other side,
    as V3 and R1 have it. V3.1 has the name alone."""

    openers = (CALLS_BEGIN, CALL_BEGIN)
    strays = (CALLS_END, CALL_END)

    def __init__(self, has_type: bool) -> None:
        self._has_type = has_type

    def reader(self, opener: str, calls: CallWriter) -> BlockReader:
        return _SentinelReader(calls, self._has_type, CALL_BEGIN if opener == CALL_BEGIN else "")


class _State(enum.Enum):
    BLOCK = enum.auto()
    """Between calls."""
    HEAD = enum.auto()
    """Before the separator."""
    NAME = enum.auto()
    """After the separator, where the name stands if a type came first."""
    ARGUMENTS = enum.auto()


class _SentinelReader:
    """Each step either consumes from the buffer and returns True, or waits and returns False."""

    def __init__(self, calls: CallWriter, has_type: bool, buffer: str) -> None:
        self._calls = calls
        self._has_type = has_type
        self._buffer = buffer
        self._state = _State.BLOCK
        self._has_ended = False
        self._object = JSONObjectStream()
        self._steps = {
            _State.BLOCK: self._step_block,
            _State.HEAD: self._step_head,
            _State.NAME: self._step_name,
            _State.ARGUMENTS: self._step_arguments,
        }

    def push(self, text: str) -> str | None:
        self._buffer += text
        while not self._has_ended and self._steps[self._state]():
            pass
        return self._buffer if self._has_ended else None

    def finish(self, is_truncated: bool) -> None:
        self._buffer = ""
        if self._calls.is_open and not is_truncated:
            self._end_call()

    def _step_block(self) -> bool:
        self._buffer = buffer = self._buffer.lstrip()
        mark = next((each for each in _BETWEEN_CALLS if buffer.startswith(each)), None)
        if mark is None:
            # Anything else between calls means that the model has left the block.
            self._has_ended = not any(each.startswith(buffer) for each in _BETWEEN_CALLS)
            return False
        self._buffer = buffer[len(mark) :]
        self._has_ended = mark == CALLS_END
        if mark == CALL_BEGIN:
            self._state = _State.HEAD
        return True

    def _step_head(self) -> bool:
        head, separator, rest = self._buffer.partition(SEPARATOR)
        if not separator or len(head) > _NAME_LENGTH_MAX:
            return self._wait_or_give_up(SEPARATOR)
        self._buffer = rest
        if self._has_type:
            self._state = _State.NAME
        else:
            self._begin_call(head)
        return True

    def _step_name(self) -> bool:
        name, line_break, rest = self._buffer.partition("\n")
        if not line_break or len(name) > _NAME_LENGTH_MAX:
            return self._wait_or_give_up("\n")
        self._buffer = rest
        self._begin_call(name)
        return True

    def _wait_or_give_up(self, end_mark: str) -> bool:
        """A name that does not end within reason is none; what is left of the block is text."""
        self._has_ended = len(self._buffer) >= _NAME_LENGTH_MAX + len(end_mark)
        return False

    def _begin_call(self, name: str) -> None:
        name = name.strip()
        if not name:
            self._has_ended = True
            return
        self._calls.start(name)
        self._object = JSONObjectStream()
        self._state = _State.ARGUMENTS

    def _step_arguments(self) -> bool:
        before, mark, after = self._buffer.partition(CALL_END)
        if mark:
            self._calls.arguments(self._object.push(before))
            self._buffer = after
            self._end_call()
            return True
        tail = self._buffer.rfind("<")
        if tail < 0 or not CALL_END.startswith(self._buffer[tail:]):
            tail = len(self._buffer)
        self._calls.arguments(self._object.push(self._buffer[:tail]))
        self._buffer = self._buffer[tail:]
        return False

    def _end_call(self) -> None:
        self._calls.arguments(self._object.close())
        self._calls.end()
        self._state = _State.BLOCK
