"""What the embedded model must do whatever it would rather say: masks, cache isolation, limits.

It is too small to call tools or write JSON well by itself, so here the grammars do the work."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionFunctionToolParam

from tests.support.server import Server

pytestmark = pytest.mark.slow

SCHEMA = {
    "type": "object",
    "properties": {
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
        "unit": {"enum": ["celsius", "kelvin"]},
        "exact": {"$ref": "#/$def/flag"},
    },
    "required": ["days", "unit", "exact"],
    "additionalProperties": False,
    "$def": {"flag": {"type": "boolean"}},
}


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    url = server.url + "/beta"
    with openai.OpenAI(base_url=url, api_key=server.first_key, max_retries=0) as client:
        yield client


def test_forced_strict_call_follows_its_schema(client: openai.OpenAI) -> None:
    tool: ChatCompletionFunctionToolParam = {
        "type": "function",
        "function": {"name": "forecast", "strict": True, "parameters": SCHEMA},
    }
    reply = client.chat.completions.create(
        model="deepseek-chat",
        messages=[{"role": "user", "content": "How is the weather?"}],
        tools=[tool],
        tool_choice={"type": "function", "function": {"name": "forecast"}},
        max_tokens=300,
    )
    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == ""
    calls = choice.message.tool_calls or []
    assert len(calls) == 1
    call = calls[0]
    assert call.type == "function"
    assert call.function.name == "forecast"
    arguments = json.loads(call.function.arguments)
    assert list(arguments) == ["days", "unit", "exact"]
    assert 1 <= arguments["days"] <= 7
    assert arguments["unit"] in ("celsius", "kelvin")
    assert isinstance(arguments["exact"], bool)


def test_json_mode_answers_with_an_object_even_when_hot(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="deepseek-chat",
        messages=[{"role": "user", "content": "Anything, as json."}],
        response_format={"type": "json_object"},
        temperature=2,
        seed=1,
        max_tokens=400,
    )
    choice = reply.choices[0]
    assert choice.finish_reason == "stop"
    assert isinstance(json.loads(choice.message.content or ""), dict)


def test_cached_prefixes_are_not_shared_across_user_ids(client: openai.OpenAI) -> None:
    def hit_tokens(user_id: str) -> int:
        reply = client.chat.completions.create(
            model="deepseek-chat",
            messages=[{"role": "user", "content": "one two three four " * 50}],
            max_tokens=1,
            extra_body={"user_id": user_id},
        )
        assert reply.usage is not None
        assert reply.usage.prompt_tokens_details is not None
        return reply.usage.prompt_tokens_details.cached_tokens or 0

    assert [hit_tokens(name) for name in ("ann", "bob")] == [0, 0]
    assert hit_tokens("ann") >= 128
