"""Wire shapes of POST /beta/completions, field by field, in wire order: the legacy completion
object with its legacy log probabilities."""

from __future__ import annotations

from typing import Any

import msgspec

from whalefall.api.openai.protocol import (
    U8,
    U32,
    CompletionUsage,
    Stop,
    StreamOptions,
)


class CompletionRequest(msgspec.Struct, frozen=True):
    model: str
    prompt: str
    suffix: str | None = None
    echo: bool | None = None
    max_tokens: U32 | None = None
    logprobs: U8 | None = None
    stop: Stop | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    user_id: str | None = None
    seed: Any = None


class LegacyLogprobs(msgspec.Struct, frozen=True):
    tokens: tuple[str, ...]
    token_logprobs: tuple[float, ...]
    top_logprobs: tuple[dict[str, float], ...] | None
    """None when only the chosen tokens were asked for (`logprobs: 0`)."""
    text_offset: tuple[int, ...]
    """In characters, the prompt's counted whether it is echoed or not."""


class LegacyChoice(msgspec.Struct, frozen=True):
    text: str
    index: int
    logprobs: LegacyLogprobs | None
    finish_reason: str | None


class Completion(msgspec.Struct, frozen=True):
    id: str
    choices: tuple[LegacyChoice]
    created: int
    model: str
    system_fingerprint: str
    object: str
    usage: CompletionUsage
