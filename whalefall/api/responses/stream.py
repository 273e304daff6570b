"""One generation on the wire of POST /responses: the event stream, and the single body. Pure.

Both implement sse.EventEncoder. The stream has no `[DONE]`: its last event says how it ended."""

from __future__ import annotations

import msgspec

from whalefall.api.named_events import named_event
from whalefall.api.responses.events import (
    ContentPartAdded,
    ContentPartDone,
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
    ReasoningTextDelta,
    ReasoningTextDone,
    ResponseCompleted,
    ResponseCreated,
    ResponseFailed,
    ResponseIncomplete,
    ResponseInProgress,
)
from whalefall.api.responses.output import (
    GrowingItem,
    ItemKind,
    Output,
    ending,
    failure,
)
from whalefall.api.responses.protocol import OutputText, ReasoningText, ResponseObject
from whalefall.api.sse import EVENT_STREAM, KEEP_ALIVE, error_after_start
from whalefall.base.errors import PlatformError
from whalefall.chat.messages import Event, Finished, KeepAlive

_ENDINGS = {
    "completed": ResponseCompleted,
    "incomplete": ResponseIncomplete,
    "failed": ResponseFailed,
}


class ResponseCollector:
    """Says nothing until the last event, then the whole object."""

    media_type = "application/json"

    def __init__(self, start: ResponseObject) -> None:
        self._start = start
        self._output = Output()

    def push(self, event: Event) -> bytes:
        if isinstance(event, KeepAlive):
            return b"\n"
        if isinstance(event, Finished):
            return msgspec.json.encode(ending(self._start, self._output, event))
        self._output.take(event)
        return b""

    def fail(self, error: PlatformError) -> bytes:
        return error_after_start(error, is_stream=False)


class ResponseStream:
    """One item is open at a time; each is announced, grown and closed in full."""

    media_type = EVENT_STREAM

    def __init__(self, start: ResponseObject) -> None:
        self._start = start
        self._output = Output()
        self._open: GrowingItem | None = None
        self._num_sent = 0

    def push(self, event: Event) -> bytes:
        opener = self._opener()
        if isinstance(event, KeepAlive):
            return opener + KEEP_ALIVE
        if isinstance(event, Finished):
            return opener + self._finish(event)
        item, text = self._output.take(event)
        if item is None:
            return opener
        return opener + self._switch_to(item) + self._delta(item, text)

    def fail(self, error: PlatformError) -> bytes:
        response = failure(self._start, self._output, error)
        return self._opener() + named_event(ResponseFailed(self._next(), response))

    def _opener(self) -> bytes:
        if self._num_sent > 0:
            return b""
        return named_event(ResponseCreated(self._next(), self._start)) + named_event(
            ResponseInProgress(self._next(), self._start)
        )

    def _next(self) -> int:
        self._num_sent += 1
        return self._num_sent - 1

    def _switch_to(self, item: GrowingItem) -> bytes:
        if item is self._open:
            return b""
        closing = self._close("completed", self._output.last_index - 1)
        self._open = item
        index = self._output.last_index
        empty = GrowingItem(item.kind, item.id, item.call_id, item.name).wire("in_progress")
        added = named_event(OutputItemAdded(self._next(), index, empty))
        if item.kind is not ItemKind.FUNCTION_CALL:
            part = _part(item.kind, "")
            added += named_event(ContentPartAdded(self._next(), item.id, index, 0, part))
        return closing + added

    def _delta(self, item: GrowingItem, text: str) -> bytes:
        if not text:
            return b""
        index = self._output.last_index
        if item.kind is ItemKind.FUNCTION_CALL:
            return named_event(FunctionCallArgumentsDelta(self._next(), item.id, index, text))
        if item.kind is ItemKind.REASONING:
            return named_event(ReasoningTextDelta(self._next(), item.id, index, 0, text))
        return named_event(OutputTextDelta(self._next(), item.id, index, 0, text))

    def _close(self, status: str, index: int) -> bytes:
        item, self._open = self._open, None
        if item is None:
            return b""
        done: list[msgspec.Struct] = []
        if item.kind is ItemKind.FUNCTION_CALL:
            done.append(
                FunctionCallArgumentsDone(self._next(), item.id, index, item.name, item.text)
            )
        else:
            text_done = ReasoningTextDone if item.kind is ItemKind.REASONING else OutputTextDone
            done.append(text_done(self._next(), item.id, index, 0, item.text))
            part = _part(item.kind, item.text)
            done.append(ContentPartDone(self._next(), item.id, index, 0, part))
        done.append(OutputItemDone(self._next(), index, item.wire(status)))
        return b"".join(map(named_event, done))

    def _finish(self, finished: Finished) -> bytes:
        response = ending(self._start, self._output, finished)
        status = "completed" if response.status == "completed" else "incomplete"
        closing = self._close(status, self._output.last_index)
        return closing + named_event(_ENDINGS[response.status](self._next(), response))


def _part(kind: ItemKind, text: str) -> OutputText | ReasoningText:
    return ReasoningText(text) if kind is ItemKind.REASONING else OutputText(text)
