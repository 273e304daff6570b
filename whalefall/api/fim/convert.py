"""POST /beta/completions: a decoded request becomes a neutral CompletionRequest, or an
InvalidRequestError with the real API's text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from whalefall.api.fim import protocol
from whalefall.api.openai.messages import BETA_HINT
from whalefall.api.ranges import (
    LOGPROBS_MAX,
    check_range,
    check_sampling,
    check_user_id,
    number_or,
    seed_from,
    stop_strings,
)
from whalefall.base.errors import InvalidRequestError
from whalefall.chat.messages import CompletionRequest
from whalefall.serving.platform import Base, ModelRules

MAX_TOKENS_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class CompletionCall:
    """A valid request, and how its answer is wanted."""

    request: CompletionRequest
    is_stream: bool
    include_usage: bool


def completion_call(
    wire: protocol.CompletionRequest, base: Base, models: Mapping[str, ModelRules]
) -> CompletionCall:
    """Raises InvalidRequestError. Thinking models do not complete."""
    check_base(base)
    rules = models.get(wire.model)
    if rules is None:
        raise InvalidRequestError("Model Not Exist")
    if rules.thinking:
        raise InvalidRequestError(f"{wire.model} does not support FIM Completion")
    check_range("max_tokens", wire.max_tokens, 1, MAX_TOKENS_LIMIT)
    check_range("logprobs", wire.logprobs, 0, LOGPROBS_MAX)
    check_sampling(wire.temperature, wire.top_p, wire.frequency_penalty, wire.presence_penalty)
    check_user_id(wire.user_id)
    include_usage = wire.stream_options is not None and bool(wire.stream_options.include_usage)
    return CompletionCall(_request(wire), bool(wire.stream), include_usage)


def check_base(base: Base) -> None:
    if not base.is_beta:
        raise InvalidRequestError(
            f"completions api is only available when using beta api {BETA_HINT}"
        )


def _request(wire: protocol.CompletionRequest) -> CompletionRequest:
    return CompletionRequest(
        model=wire.model,
        prompt=wire.prompt,
        suffix=wire.suffix,
        echo=bool(wire.echo),
        max_tokens=wire.max_tokens,
        temperature=number_or(wire.temperature, 1.0),
        top_p=number_or(wire.top_p, 1.0),
        frequency_penalty=number_or(wire.frequency_penalty, 0.0),
        presence_penalty=number_or(wire.presence_penalty, 0.0),
        stop=stop_strings(wire.stop),
        logprobs=wire.logprobs,
        user_id=wire.user_id,
        seed=seed_from(wire.seed),
    )
