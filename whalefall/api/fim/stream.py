"""The events of one completion as the legacy object, whole or in chunks with the same keys. Pure.

Text offsets count characters from the start of the prompt, so the first generated token begins at
the prompt's length even when the prompt is not echoed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from whalefall.api.fim.protocol import Completion, LegacyChoice, LegacyLogprobs
from whalefall.api.openai.collect import wire_usage
from whalefall.api.sse import DONE, EVENT_STREAM, KEEP_ALIVE, ResponseHead, error_after_start
from whalefall.base.errors import PlatformError
from whalefall.chat.messages import (
    CompletionRequest,
    ContentDelta,
    Event,
    Finished,
    KeepAlive,
    Started,
    TextLogprobs,
)


class LogprobsWriter:
    """Legacy log probabilities of token after token, keeping count of the characters before."""

    def __init__(self, request: CompletionRequest) -> None:
        self._num_top = request.logprobs
        self._offset = len(request.prompt)

    def write(self, tokens: Sequence[TextLogprobs]) -> LegacyLogprobs | None:
        if self._num_top is None:
            return None
        top = tuple({one.token: one.logprob for one in token.top} for token in tokens)
        return LegacyLogprobs(
            tuple(token.token for token in tokens),
            tuple(token.logprob for token in tokens),
            top if self._num_top > 0 else None,
            self._offsets(tokens),
        )

    def _offsets(self, tokens: Sequence[TextLogprobs]) -> tuple[int, ...]:
        offsets: list[int] = []
        for token in tokens:
            offsets.append(self._offset)
            self._offset += len(token.token)
        return tuple(offsets)


class CompletionCollector:
    """Says nothing until the last event, then the whole object."""

    media_type = "application/json"

    def __init__(self, head: ResponseHead, request: CompletionRequest) -> None:
        self._head = head
        self._writer = LogprobsWriter(request)
        self._text = [request.prompt] if request.echo else []
        self._tokens: list[TextLogprobs] = []

    def push(self, event: Event) -> bytes:
        if isinstance(event, KeepAlive):
            return b"\n"
        if isinstance(event, Started):
            return b""
        if isinstance(event, ContentDelta):
            self._text.append(event.text)
            self._tokens.extend(event.logprobs)
            return b""
        assert isinstance(event, Finished)
        return msgspec.json.encode(self._completion(event))

    def fail(self, error: PlatformError) -> bytes:
        return error_after_start(error, is_stream=False)

    def _completion(self, finished: Finished) -> Completion:
        text = "".join(self._text)
        logprobs = self._writer.write(self._tokens)
        choice = LegacyChoice(text, 0, logprobs, finished.finish_reason)
        head = self._head
        return Completion(
            head.id,
            (choice,),
            head.created,
            head.model,
            head.system_fingerprint,
            "text_completion",
            wire_usage(finished.usage),
        )


class CompletionStream:
    """One chunk per event and a last one with the reason and the usage; an echoed prompt is the
    first chunk's text."""

    media_type = EVENT_STREAM

    def __init__(
        self, head: ResponseHead, request: CompletionRequest, *, include_usage: bool
    ) -> None:
        encode = msgspec.json.Encoder().encode
        self._encode = encode
        self._writer = LogprobsWriter(request)
        self._echo = request.prompt if request.echo else ""
        self._head = b'data: {"id":%b,"choices":[{"text":' % encode(head.id)
        self._tail = b'],"created":%d,"model":%b,"system_fingerprint":%b,"object":%b' % (
            head.created,
            encode(head.model),
            encode(head.system_fingerprint),
            encode("text_completion"),
        )
        self._end = (b',"usage":null' if include_usage else b"") + b"}\n\n"

    def push(self, event: Event) -> bytes:
        if isinstance(event, KeepAlive):
            return KEEP_ALIVE
        if isinstance(event, Started):
            return b""
        echo, self._echo = self._echo, ""
        opener = self._chunk(echo, ()) if echo else b""
        if isinstance(event, ContentDelta):
            return opener + self._chunk(event.text, event.logprobs)
        assert isinstance(event, Finished)
        return opener + self._closer(event)

    def fail(self, error: PlatformError) -> bytes:
        return error_after_start(error, is_stream=True)

    def _chunk(self, text: str, tokens: Sequence[TextLogprobs]) -> bytes:
        if not text and not tokens:
            return b""
        logprobs = self._writer.write(tokens) if tokens else None
        return b'%b%b,"index":0,"logprobs":%b,"finish_reason":null}%b%b' % (
            self._head,
            self._encode(text),
            self._encode(logprobs),
            self._tail,
            self._end,
        )

    def _closer(self, event: Finished) -> bytes:
        return b'%b"","index":0,"logprobs":null,"finish_reason":%b}%b,"usage":%b}\n\n%b' % (
            self._head,
            self._encode(event.finish_reason),
            self._tail,
            self._encode(wire_usage(event.usage)),
            DONE,
        )
