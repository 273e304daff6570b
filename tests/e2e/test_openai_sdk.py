"""The official OpenAI SDK against a real server with the embedded model, as a newcomer uses it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from decimal import Decimal

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.support.server import Server
from whalefall.base.clock import SystemClock
from whalefall.base.money import Currency, text_from_nanos
from whalefall.billing.price_book import PriceBook
from whalefall.billing.pricing import TokenCounts, cost_nanos

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key=server.first_key, max_retries=0) as client:
        yield client


def test_pasted_curl_line_streams_an_answer(server: Server) -> None:
    command = server.output[server.output.index("curl -N") :]
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=120, check=True
    )
    lines = [line for line in done.stdout.split("\n") if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: ") for line in lines)
    assert '"finish_reason":"stop"' in lines[-2]


def test_chat_answers_in_sentences(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="deepseek-chat", messages=[{"role": "user", "content": "Hello!"}], temperature=0
    )
    choice = reply.choices[0]
    assert choice.finish_reason == "stop"
    assert re.search(r"[A-Za-z]{2,}", choice.message.content or "")
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.system_fingerprint is not None
    assert reply.system_fingerprint.startswith("fp_")


def test_stream_carries_usage_on_the_finish_chunk(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="deepseek-chat",
            messages=[{"role": "user", "content": "Hello!"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert all(len(chunk.choices) == 1 for chunk in chunks)
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert len({chunk.id for chunk in chunks}) == len({chunk.created for chunk in chunks}) == 1


def test_second_turn_hits_the_cache_in_whole_units(client: openai.OpenAI) -> None:
    first_question = "Please remember these words: " + " ".join(f"word{i}" for i in range(120))
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": first_question}]
    first = client.chat.completions.create(
        model="deepseek-chat",
        messages=messages,
        max_tokens=20,
    )
    messages += [
        {"role": "assistant", "content": first.choices[0].message.content or ""},
        {"role": "user", "content": "Thank you."},
    ]
    second = client.chat.completions.create(
        model="deepseek-chat",
        messages=messages,
        max_tokens=20,
    )
    usage = second.usage
    assert usage is not None
    assert usage.model_extra is not None
    hit = usage.model_extra["prompt_cache_hit_tokens"]
    assert hit > 0
    assert hit % 64 == 0
    assert hit + usage.model_extra["prompt_cache_miss_tokens"] == usage.prompt_tokens
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == hit


def test_account_is_charged_for_exactly_the_tokens_used(server: Server) -> None:
    key = server.key("exact@example.org", "1.00")
    with openai.OpenAI(base_url=server.url, api_key=key, max_retries=0) as client:
        reply = client.chat.completions.create(
            model="deepseek-chat", messages=[{"role": "user", "content": "Hi"}], max_tokens=32
        )
    assert reply.usage is not None
    assert reply.usage.model_extra is not None
    counts = TokenCounts(
        hit=reply.usage.model_extra["prompt_cache_hit_tokens"],
        miss=reply.usage.model_extra["prompt_cache_miss_tokens"],
        output=reply.usage.completion_tokens,
    )
    price = PriceBook.load().price_at("deepseek-chat", Currency.CNY, SystemClock().now())
    report = server.command("ledger", "verify")
    assert report["ok"]
    left = 1_000_000_000 - cost_nanos(price, counts)
    with openai.OpenAI(base_url=server.url, api_key=key) as client:
        balance = client.get("/user/balance", cast_to=dict[str, object])
    infos = balance["balance_infos"]
    assert isinstance(infos, list)
    assert infos[0]["total_balance"] == text_from_nanos(left)
    assert Decimal(infos[0]["granted_balance"]) == Decimal(text_from_nanos(left))


def test_wrong_key_is_an_authentication_error(server: Server) -> None:
    stranger = openai.OpenAI(base_url=server.url, api_key="sk-" + "0" * 32, max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError) as refusal:
        stranger.models.list()
    assert refusal.value.status_code == 401
    assert "Authentication Fails, Your api key: ****0000 is invalid" in str(refusal.value)


def test_empty_balance_is_402(server: Server) -> None:
    key = server.key("empty@example.org", None)
    poor = openai.OpenAI(base_url=server.url, api_key=key, max_retries=0)
    with poor, pytest.raises(openai.APIStatusError) as refusal:
        poor.chat.completions.create(
            model="deepseek-chat", messages=[{"role": "user", "content": "Hi"}]
        )
    assert refusal.value.status_code == 402
    assert "Insufficient Balance" in str(refusal.value)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"temperature": 3}, "Invalid temperature value, the valid range of temperature is [0, 2]"),
        ({"top_p": 0}, "Invalid top_p value, the valid range of top_p is (0, 1.0]"),
        (
            {"max_tokens": 8193},
            "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        ),
        ({"model": "gpt-4"}, "Model Not Exist"),
        ({"response_format": {"type": "json_object"}}, "Prompt must contain the word 'json'"),
    ],
)
def test_bad_parameters_are_bad_requests(
    client: openai.OpenAI, parameters: dict[str, object], text: str
) -> None:
    arguments: dict[str, object] = {
        "model": "deepseek-chat",
        "messages": [{"role": "user", "content": "Hi"}],
    }
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(**(arguments | parameters))  # type: ignore[call-overload]
    assert text in str(refusal.value)


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["deepseek-chat", "deepseek-reasoner"]
