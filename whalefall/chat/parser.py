"""From the model's text to the parts of a reply: thoughts, answer, tool calls.

A pure state machine. Text comes in pieces of any size; the joined deltas of each kind are the
same however the text was cut. What could still become a mark is held back: at most the beginning
of one mark, and the few line breaks before it, since those before a block of calls are layout.

Rules that are not obvious:
- A block of calls ends the thinking, even without `</think>`; one that comes late is dropped.
- A `<think>` that the model repeats at the start of its thinking is dropped.
- Without offered tools there is no such thing as a call: call syntax is content.
- Text after a block is content again, and a further block continues the numbering.

It must not know tokens, stop strings or the wire.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence

from whalefall.base.ids import new_tool_call_id
from whalefall.chat.messages import ContentDelta, ReasoningDelta, Tool
from whalefall.chat.tools.calls import BlockReader, CallWriter, ParsedDelta, ToolSyntax

__all__ = ["ParsedDelta", "ResponseParser"]

_BEGIN_THINK = "<think>"
_END_THINK = "</think>"
_LINE_BREAKS_MAX = 4
"""Of the line breaks before a block this many are layout; further ones are the model's text."""


class _Mode(enum.Enum):
    REASONING = enum.auto()
    CONTENT = enum.auto()
    CALLS = enum.auto()


class ResponseParser:
    def __init__(
        self,
        *,
        syntax: ToolSyntax | None = None,
        tools: Sequence[Tool] = (),
        in_reasoning: bool = False,
        new_call_id: Callable[[int], str] = new_tool_call_id,
    ) -> None:
        """`syntax` None: tools are disabled. `in_reasoning`: the prompt ended in an open think
        block."""
        self._syntax = syntax
        self._calls = CallWriter(tools, new_call_id)
        self._mode = _Mode.REASONING if in_reasoning else _Mode.CONTENT
        self._at_edge = in_reasoning
        self._owes_end_think = False
        self._held = ""
        self._reader: BlockReader | None = None
        self._mark_texts: tuple[str, ...] = ()
        self._marks = self._marks_of_mode()

    @property
    def in_reasoning(self) -> bool:
        """Whether the text pushed last left us among the thoughts."""
        return self._mode is _Mode.REASONING

    @property
    def saw_tool_calls(self) -> bool:
        """Whether at least one call with a name has begun."""
        return self._calls.num_calls > 0

    @property
    def is_complete(self) -> bool:
        """Whether every call that began has complete arguments."""
        return not self._calls.is_open

    def push(self, text: str) -> list[ParsedDelta]:
        """What became certain with this text, in order."""
        if self._is_plain(text):
            return [ReasoningDelta(text) if self.in_reasoning else ContentDelta(text)]
        remaining: str | None = self._held + text
        self._held = ""
        while remaining:
            if self._mode is _Mode.CALLS:
                remaining = self._read_calls(remaining)
            else:
                remaining = self._read_text(remaining)
        return self._take_deltas()

    def finish(self, is_truncated: bool = False) -> list[ParsedDelta]:
        """What was held back. At a natural end an open call is completed to valid JSON; pass
        `is_truncated` when the token limit cut the reply, and it stays as far as it came."""
        if self._reader is not None:
            self._reader.finish(is_truncated)
        elif self._held:
            self._emit(self._held)
        self._held = ""
        return self._take_deltas()

    def _is_plain(self, text: str) -> bool:
        """Whether text can go straight through, which nearly all does: nothing waits before it,
        and it holds no part of a mark and no line break that may be layout."""
        if not text or self._held or self._at_edge or self._mode is _Mode.CALLS:
            return False
        return "<" not in text and (self._syntax is None or text[-1] != "\n")

    def _read_calls(self, text: str) -> str | None:
        assert self._reader is not None
        rest = self._reader.push(text)
        if rest is not None:
            self._reader = None
            self._enter(_Mode.CONTENT)
            self._at_edge = True
        return rest

    def _read_text(self, text: str) -> str | None:
        """Emit up to the next mark and return what follows it; or hold back and return None."""
        if self._at_edge:
            rest = self._past_edge(text)
            if not rest:
                return None
            text = rest
        found = self._marks.search(text) if self._marks is not None else None
        if found is None:
            self._emit_certain(text)
            return None
        self._take_mark(text[: found.start()], found.group())
        return text[found.end() :]

    def _take_mark(self, before: str, mark: str) -> None:
        if mark == _END_THINK:
            self._emit(before)
            self._owes_end_think = False
            self._enter(_Mode.CONTENT)
            return
        assert self._syntax is not None
        if mark in self._syntax.openers:
            self._emit(before[: _end_without_breaks(before)])
            self._owes_end_think |= self.in_reasoning
            self._enter(_Mode.CALLS)
            self._reader = self._syntax.reader(mark, self._calls)
        else:
            self._emit(before)

    def _past_edge(self, text: str) -> str:
        """Text without what is dropped at the edge of a part: a think mark repeated at the start
        of the thinking, line breaks after a block of calls. "" while the edge may go on."""
        if self._mode is _Mode.CONTENT:
            text = text.lstrip("\n")
            self._at_edge = not text
        elif len(text) < len(_BEGIN_THINK) and _BEGIN_THINK.startswith(text):
            self._held = text
            return ""
        else:
            text = text.removeprefix(_BEGIN_THINK)
            self._at_edge = False
        return text

    def _emit_certain(self, text: str) -> None:
        end = len(text)
        if self._marks is not None:
            tail = text.rfind("<")
            if tail >= 0 and self._could_become_mark(text[tail:]):
                end = tail
            if self._syntax is not None:
                end = _end_without_breaks(text, end)
        self._emit(text[:end])
        self._held = text[end:]

    def _could_become_mark(self, tail: str) -> bool:
        return any(mark.startswith(tail) for mark in self._mark_texts)

    def _emit(self, text: str) -> None:
        if not text:
            return
        delta = ReasoningDelta(text) if self._mode is _Mode.REASONING else ContentDelta(text)
        self._calls.events.append(delta)

    def _enter(self, mode: _Mode) -> None:
        self._mode = mode
        self._marks = self._marks_of_mode()

    def _marks_of_mode(self) -> re.Pattern[str] | None:
        ends_thinking = self._mode is _Mode.REASONING or self._owes_end_think
        marks: tuple[str, ...] = (_END_THINK,) if ends_thinking else ()
        if self._syntax is not None:
            marks += self._syntax.openers
            if self._mode is _Mode.CONTENT:
                marks += self._syntax.strays
        self._mark_texts = marks
        return re.compile("|".join(map(re.escape, marks))) if marks else None

    def _take_deltas(self) -> list[ParsedDelta]:
        deltas = self._calls.events
        self._calls.events = []
        return deltas


def _end_without_breaks(text: str, end: int | None = None) -> int:
    """Where `text[:end]` ends without the line breaks that may be layout before a block."""
    end = len(text) if end is None else end
    lowest = max(0, end - _LINE_BREAKS_MAX)
    while end > lowest and text[end - 1] == "\n":
        end -= 1
    return end
