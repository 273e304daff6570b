"""The events of one chat generation as server-sent chunks: a pure state machine.

All chunks of a stream share their head and most of their tail; both are encoded once, so a text
chunk costs one JSON string and one join."""

from __future__ import annotations

import msgspec

from whalefall.api.openai.collect import wire_logprobs, wire_usage
from whalefall.api.openai.protocol import ChoiceLogprobs
from whalefall.api.sse import DONE, EVENT_STREAM, KEEP_ALIVE, ResponseHead, error_after_start
from whalefall.base.errors import PlatformError
from whalefall.chat.messages import (
    ContentDelta,
    Event,
    Finished,
    KeepAlive,
    ReasoningDelta,
    Started,
    ToolCallArguments,
    ToolCallStart,
)


class ChatStream:
    """Opens with the role, writes one chunk per event, closes with the reason, the usage and
    `[DONE]`. In thinking mode each text delta names both fields, one of them null."""

    media_type = EVENT_STREAM

    def __init__(self, head: ResponseHead, *, thinking: bool, include_usage: bool) -> None:
        encode = msgspec.json.Encoder().encode
        self._encode = encode
        self._thinking = thinking
        self._is_open = False
        self._head = (
            b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,'
            b'"system_fingerprint":%b,"choices":[{"index":0,"delta":'
            % (encode(head.id), head.created, encode(head.model), encode(head.system_fingerprint))
        )
        self._close_delta = b',"reasoning_content":null}' if thinking else b"}"
        self._tail = b',"finish_reason":null}]%b}\n\n' % (b',"usage":null' * include_usage)
        self._content_head = self._head + b'{"content":'
        self._content_tail = self._close_delta + b',"logprobs":null' + self._tail
        self._reasoning_head = self._head + b'{"content":null,"reasoning_content":'
        self._reasoning_tail = b'},"logprobs":null' + self._tail

    def push(self, event: Event) -> bytes:
        if isinstance(event, KeepAlive):
            return KEEP_ALIVE
        if isinstance(event, Started):
            return b""
        if self._is_open:
            return self._chunk(event)
        self._is_open = True
        return self._opener() + self._chunk(event)

    def fail(self, error: PlatformError) -> bytes:
        return error_after_start(error, is_stream=True)

    def _opener(self) -> bytes:
        fields = b'null,"reasoning_content":""' if self._thinking else b'""'
        return b'%b{"role":"assistant","content":%b},"logprobs":null%b' % (
            self._head,
            fields,
            self._tail,
        )

    def _chunk(self, event: Event) -> bytes:
        if isinstance(event, ContentDelta):
            return self._content(event)
        if isinstance(event, ReasoningDelta):
            return self._reasoning(event)
        if isinstance(event, Finished):
            return self._closer(event)
        if isinstance(event, ToolCallStart):
            return self._tool_call(event)
        assert isinstance(event, ToolCallArguments)
        return self._arguments(event)

    def _content(self, event: ContentDelta) -> bytes:
        text = self._encode(event.text)
        if not event.logprobs:
            return self._content_head + text + self._content_tail if event.text else b""
        logprobs = self._logprobs(ChoiceLogprobs(wire_logprobs(event.logprobs)))
        return self._content_head + text + self._close_delta + logprobs + self._tail

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        text = self._encode(event.text)
        if not event.logprobs:
            return self._reasoning_head + text + self._reasoning_tail if event.text else b""
        logprobs = self._logprobs(ChoiceLogprobs((), wire_logprobs(event.logprobs)))
        return self._reasoning_head + text + b"}" + logprobs + self._tail

    def _logprobs(self, logprobs: ChoiceLogprobs) -> bytes:
        return b',"logprobs":' + self._encode(logprobs)

    def _tool_call(self, event: ToolCallStart) -> bytes:
        call = (
            b'{"tool_calls":[{"index":%d,"id":%b,"type":"function",'
            b'"function":{"name":%b,"arguments":""}}]}'
            % (event.index, self._encode(event.id), self._encode(event.name))
        )
        return self._head + call + b',"logprobs":null' + self._tail

    def _arguments(self, event: ToolCallArguments) -> bytes:
        call = b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (
            event.index,
            self._encode(event.fragment),
        )
        return self._head + call + b',"logprobs":null' + self._tail if event.fragment else b""

    def _closer(self, event: Finished) -> bytes:
        """Usage rides on this chunk whether it was asked for or not; no other chunk follows."""
        return b'%b""%b,"logprobs":null,"finish_reason":%b}],"usage":%b}\n\n%b' % (
            self._content_head,
            self._close_delta,
            self._encode(event.finish_reason),
            self._encode(wire_usage(event.usage)),
            DONE,
        )
