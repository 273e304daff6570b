"""Handlers of the Anthropic dialect."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp

from whalefall.api.account import json_response
from whalefall.api.anthropic.collect import MessageCollector
from whalefall.api.anthropic.convert import count_request, messages_call
from whalefall.api.anthropic.protocol import (
    CountTokensRequest,
    InputTokens,
    MessagesRequest,
    ModelCard,
    ModelPage,
)
from whalefall.api.anthropic.stream import MessageStream
from whalefall.api.body import decode_body
from whalefall.api.endpoint import Call
from whalefall.api.options import WireOptions
from whalefall.api.sse import EventEncoder, GenerationResponse, ResponseHead
from whalefall.serving.platform import Platform


@dataclass(frozen=True, slots=True)
class Messages:
    """POST /anthropic/v1/messages."""

    platform: Platform
    options: WireOptions

    async def __call__(self, call: Call) -> ASGIApp:
        wire = await decode_body(call.body, MessagesRequest, self.options)
        asked = messages_call(wire, self.platform.model_rules(call.base), self.options.era)
        generation = await self.platform.start_chat(call.caller, asked.request, call.base)
        head = ResponseHead.of(generation)
        encoder: EventEncoder = MessageStream(head) if asked.is_stream else MessageCollector(head)
        return GenerationResponse(generation, encoder, self.options)


@dataclass(frozen=True, slots=True)
class CountTokens:
    """POST /anthropic/v1/messages/count_tokens."""

    platform: Platform
    options: WireOptions

    async def __call__(self, call: Call) -> ASGIApp:
        wire = await decode_body(call.body, CountTokensRequest, self.options)
        request = count_request(wire, self.platform.model_rules(call.base), self.options.era)
        count = await self.platform.count_prompt_tokens(call.caller, request, call.base)
        return json_response(InputTokens(count))


@dataclass(frozen=True, slots=True)
class ListModels:
    """GET /anthropic/v1/models."""

    platform: Platform

    async def __call__(self, call: Call) -> ASGIApp:
        names = filter(call.caller.rules.admits_model, self.platform.models(call.base))
        cards = tuple(ModelCard(name, name) for name in names)
        first = cards[0].id if cards else None
        last = cards[-1].id if cards else None
        return json_response(ModelPage(cards, has_more=False, first_id=first, last_id=last))
