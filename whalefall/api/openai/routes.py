"""Handlers of the OpenAI dialect."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp

from whalefall.api.body import decode_body
from whalefall.api.endpoint import Call
from whalefall.api.openai.collect import ChatCollector
from whalefall.api.openai.convert import ChatCall, ChatContext, chat_call
from whalefall.api.openai.protocol import ChatCompletionRequest
from whalefall.api.openai.stream import ChatStream
from whalefall.api.options import WireOptions
from whalefall.api.sse import EventEncoder, GenerationResponse, ResponseHead
from whalefall.serving.platform import Platform


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """POST /chat/completions."""

    platform: Platform
    options: WireOptions

    async def __call__(self, call: Call) -> ASGIApp:
        wire = await decode_body(call.body, ChatCompletionRequest, self.options)
        context = ChatContext(call.base, self.platform.model_rules(call.base), self.options)
        chat = chat_call(wire, context)
        generation = await self.platform.start_chat(call.caller, chat.request, call.base)
        encoder = chat_encoder(chat, ResponseHead.of(generation))
        return GenerationResponse(generation, encoder, self.options)


def chat_encoder(chat: ChatCall, head: ResponseHead) -> EventEncoder:
    thinking = chat.request.thinking
    if chat.is_stream:
        return ChatStream(head, thinking=thinking, include_usage=chat.include_usage)
    with_logprobs = chat.request.logprobs is not None
    return ChatCollector(head, thinking=thinking, with_logprobs=with_logprobs)
