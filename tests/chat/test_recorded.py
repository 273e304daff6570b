"""The recorded exchanges of 2025-02 must come out to the token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whalefall.chat.detokenizer import Detokenizer
from whalefall.chat.fim import CompletionLogprobsWriter, render_completion
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.messages import ChatRequest, CompletionRequest, Message, Role, TextLogprobs
from whalefall.chat.tokenizer import Tokenizer

_RECORDED = Path(__file__).parent.parent / "golden" / "recorded"


def _load(name: str) -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads((_RECORDED / name).read_text(encoding="utf-8"))
    return recorded


@pytest.fixture
def chat_request() -> ChatRequest:
    body = _load("chat_request.json")
    messages = tuple(Message(Role(m["role"]), m["content"]) for m in body["messages"])
    return ChatRequest(model=body["model"], messages=messages)


@pytest.mark.parametrize(("name", "num_tokens"), [("v3", 36), ("v3.1", 38), ("v3.2", 38)])
def test_chat_request_costs_the_recorded_prompt_tokens(
    tokenizer: Tokenizer, chat_request: ChatRequest, name: str, num_tokens: int
) -> None:
    assert len(format_by_name(name, tokenizer).render(chat_request)) == num_tokens


def test_v3_chat_request_renders_to_known_text(
    tokenizer: Tokenizer, chat_request: ChatRequest
) -> None:
    text = tokenizer.decode(format_by_name("v3", tokenizer).render(chat_request))
    assert text == (
        "<｜begin▁of▁sentence｜>You are a helpful assistant<｜User｜>Hi<｜Assistant｜>"
        "Hello! How can I assist you today? 😊<｜end▁of▁sentence｜>"
        "<｜User｜>I love you babe, can you give me a kiss?<｜Assistant｜>"
    )


def test_chat_answer_is_its_recorded_number_of_tokens(tokenizer: Tokenizer) -> None:
    response = _load("chat_response.json")
    answer = response["choices"][0]["message"]["content"]
    assert len(tokenizer.encode(answer)) == response["usage"]["completion_tokens"] == 35


def test_completion_prompt_has_no_marks_without_suffix(tokenizer: Tokenizer) -> None:
    request = CompletionRequest(model="m", prompt=_load("fim_request.json")["prompt"])
    ids = render_completion(tokenizer, request)
    assert len(ids) == _load("fim_response.json")["usage"]["prompt_tokens"] == 7
    assert [i for i in ids if tokenizer.is_special(i)] == [0]


def test_completion_text_splits_and_streams_as_recorded(tokenizer: Tokenizer) -> None:
    choice = _load("fim_response.json")["choices"][0]
    ids = tokenizer.encode(choice["text"])
    assert [tokenizer.token_text(i) for i in ids] == choice["logprobs"]["tokens"]
    assert len(ids) == 375
    detokenizer = Detokenizer(tokenizer)
    pieces = [detokenizer.push([i]) for i in ids]
    assert "".join(pieces) + detokenizer.finish() == choice["text"]


def test_completion_logprobs_have_the_recorded_offsets() -> None:
    recorded = _load("fim_response.json")["choices"][0]["logprobs"]
    pairs = zip(recorded["tokens"], recorded["token_logprobs"], strict=True)
    entries = [TextLogprobs(token, logprob, None) for token, logprob in pairs]
    writer = CompletionLogprobsWriter(_load("fim_request.json")["prompt"], num_top=0)
    first, rest = writer.piece(entries[:100]), writer.piece(entries[100:])
    assert first.text_offset + rest.text_offset == recorded["text_offset"]
    assert first.tokens + rest.tokens == recorded["tokens"]
    assert first.token_logprobs + rest.token_logprobs == recorded["token_logprobs"]
    assert first.top_logprobs is recorded["top_logprobs"] is None
    assert first.text_offset[0] == 18
