"""Neutral events become the parts of an OpenAI answer object. Pure.

`ChatCollector` gathers a whole generation for the non-stream answer; the usage and logprobs shapes
are shared with the stream and with FIM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec import UNSET

from whalefall.api.openai.protocol import (
    ChatCompletion,
    ChoiceLogprobs,
    CompletionChoice,
    CompletionFunction,
    CompletionMessage,
    CompletionTokensDetails,
    CompletionToolCall,
    CompletionUsage,
    LogprobEntry,
    PromptTokensDetails,
    TokenLogprob,
)
from whalefall.api.sse import ResponseHead, error_after_start
from whalefall.base.errors import PlatformError
from whalefall.chat.messages import (
    ContentDelta,
    Event,
    Finished,
    KeepAlive,
    ReasoningDelta,
    TextLogprobs,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)


def wire_usage(usage: Usage) -> CompletionUsage:
    """The reasoning count and its object exist in thinking mode only."""
    thought = usage.reasoning_tokens
    return CompletionUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=PromptTokensDetails(usage.cached_tokens),
        completion_tokens_details=UNSET if thought is None else CompletionTokensDetails(thought),
        prompt_cache_hit_tokens=usage.cached_tokens,
        prompt_cache_miss_tokens=usage.missed_tokens,
    )


def wire_logprobs(logprobs: Sequence[TextLogprobs]) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(
            one.token,
            one.logprob,
            one.bytes,
            tuple(LogprobEntry(top.token, top.logprob, top.bytes) for top in one.top),
        )
        for one in logprobs
    )


@dataclass(slots=True)
class _GrowingCall:
    id: str
    name: str
    fragments: list[str] = field(default_factory=list)


class ChatCollector:
    """Takes the events of one generation; says nothing until the last, then the whole object."""

    media_type = "application/json"

    def __init__(self, head: ResponseHead, *, thinking: bool, with_logprobs: bool) -> None:
        self._head = head
        self._thinking = thinking
        self._with_logprobs = with_logprobs
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_GrowingCall] = []
        self._logprobs: list[TextLogprobs] = []
        self._reasoning_logprobs: list[TextLogprobs] = []

    def push(self, event: Event) -> bytes:
        match event:
            case KeepAlive():
                return b"\n"
            case ContentDelta(text, logprobs):
                self._content.append(text)
                self._logprobs.extend(logprobs)
            case ReasoningDelta(text, logprobs):
                self._reasoning.append(text)
                self._reasoning_logprobs.extend(logprobs)
            case ToolCallStart(_, call_id, name):
                self._calls.append(_GrowingCall(call_id, name))
            case ToolCallArguments(index, fragment):
                self._calls[index].fragments.append(fragment)
            case Finished():
                return msgspec.json.encode(self._completion(event))
        return b""

    def fail(self, error: PlatformError) -> bytes:
        return error_after_start(error, is_stream=False)

    def _completion(self, finished: Finished) -> ChatCompletion:
        choice = CompletionChoice(
            0, self._message(), self._choice_logprobs(), finished.finish_reason
        )
        head = self._head
        return ChatCompletion(
            head.id,
            "chat.completion",
            head.created,
            head.model,
            (choice,),
            wire_usage(finished.usage),
            head.system_fingerprint,
        )

    def _message(self) -> CompletionMessage:
        calls = tuple(
            CompletionToolCall(
                index, call.id, "function", CompletionFunction(call.name, "".join(call.fragments))
            )
            for index, call in enumerate(self._calls)
        )
        return CompletionMessage(
            "assistant",
            "".join(self._content),
            "".join(self._reasoning) if self._thinking else UNSET,
            calls or UNSET,
        )

    def _choice_logprobs(self) -> ChoiceLogprobs | None:
        if not self._with_logprobs:
            return None
        return ChoiceLogprobs(
            wire_logprobs(self._logprobs), wire_logprobs(self._reasoning_logprobs) or UNSET
        )
