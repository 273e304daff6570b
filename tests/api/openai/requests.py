"""Shorthand for chat requests in tests: a body with one user message and whatever else is given."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from whalefall.api.openai.convert import ChatCall, ChatContext, chat_call
from whalefall.api.openai.protocol import ChatCompletionRequest
from whalefall.api.options import WireOptions
from whalefall.base.errors import InvalidRequestError
from whalefall.chat.messages import ChatRequest
from whalefall.serving.platform import Base, ModelRules

MODELS = {"deepseek-chat": ModelRules(), "deepseek-reasoner": ModelRules(thinking=True)}
USER = {"role": "user", "content": "Hi"}
REASONER = {"model": "deepseek-reasoner"}


def converted(**fields: object) -> ChatCall:
    """`base` and `options` are the circumstances, everything else is the body."""
    base = fields.pop("base", Base())
    options = fields.pop("options", WireOptions())
    assert isinstance(base, Base)
    assert isinstance(options, WireOptions)
    body = {"model": "deepseek-chat", "messages": [USER], **fields}
    wire = msgspec.convert(body, ChatCompletionRequest)
    return chat_call(wire, ChatContext(base, MODELS, options))


def request(**fields: object) -> ChatRequest:
    return converted(**fields).request


def refusal(**fields: object) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        converted(**fields)
    return caught.value.message


def tool(name: str = "f", **fields: object) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **fields}}


def asking(*ids: str, **fields: object) -> dict[str, Any]:
    calls = [
        {"id": one, "type": "function", "function": {"name": "f", "arguments": "{}"}} for one in ids
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls, **fields}


def answering(one: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": one, "content": "sunny"}
