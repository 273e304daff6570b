"""The handler of POST /responses."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp

from whalefall.api.body import decode_body
from whalefall.api.endpoint import Call
from whalefall.api.options import WireOptions
from whalefall.api.responses.convert import ResponsesContext, response_request
from whalefall.api.responses.output import beginning
from whalefall.api.responses.protocol import ResponsesRequest
from whalefall.api.responses.stream import ResponseCollector, ResponseStream
from whalefall.api.sse import EventEncoder, GenerationResponse, ResponseHead
from whalefall.serving.platform import Platform


@dataclass(frozen=True, slots=True)
class Responses:
    platform: Platform
    options: WireOptions

    async def __call__(self, call: Call) -> ASGIApp:
        wire = await decode_body(call.body, ResponsesRequest, self.options)
        models = self.platform.model_rules(call.base)
        request = response_request(wire, ResponsesContext(call.base, models, self.options.era))
        generation = await self.platform.start_chat(call.caller, request, call.base)
        start = beginning(ResponseHead.of(generation), wire)
        encoder: EventEncoder = ResponseStream(start) if wire.stream else ResponseCollector(start)
        return GenerationResponse(generation, encoder, self.options)
