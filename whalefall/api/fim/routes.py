"""Handler of the completions dialect: fill in the middle, or continue a plain text."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp

from whalefall.api.body import decode_body
from whalefall.api.endpoint import Call
from whalefall.api.fim.convert import CompletionCall, check_base, completion_call
from whalefall.api.fim.protocol import CompletionRequest
from whalefall.api.fim.stream import CompletionCollector, CompletionStream
from whalefall.api.options import WireOptions
from whalefall.api.sse import EventEncoder, GenerationResponse, ResponseHead
from whalefall.serving.platform import Platform


@dataclass(frozen=True, slots=True)
class Completions:
    """POST /beta/completions; on any other base the answer is where to find it."""

    platform: Platform
    options: WireOptions

    async def __call__(self, call: Call) -> ASGIApp:
        check_base(call.base)
        wire = await decode_body(call.body, CompletionRequest, self.options)
        completion = completion_call(wire, call.base, self.platform.model_rules(call.base))
        generation = await self.platform.start_completion(
            call.caller, completion.request, call.base
        )
        encoder = completion_encoder(completion, ResponseHead.of(generation))
        return GenerationResponse(generation, encoder, self.options)


def completion_encoder(completion: CompletionCall, head: ResponseHead) -> EventEncoder:
    if completion.is_stream:
        return CompletionStream(head, completion.request, include_usage=completion.include_usage)
    return CompletionCollector(head, completion.request)
