from __future__ import annotations

import json
from pathlib import Path

import pytest

from whalefall.chat.count import NotARequestError, count_tokens
from whalefall.chat.formats.base import ChatFormat
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.tokenizer import Tokenizer

_RECORDED = Path(__file__).parent.parent / "golden" / "recorded"


@pytest.fixture
def v32(tokenizer: Tokenizer) -> ChatFormat:
    return format_by_name("v3.2", tokenizer)


def test_text_is_counted_as_it_stands(v32: ChatFormat) -> None:
    count = count_tokens("Once upon a time, ", v32)
    assert (count.kind, count.num_tokens) == ("text", 6)
    assert "".join(count.pieces) == "Once upon a time, "


def test_recorded_requests_count_as_billed(tokenizer: Tokenizer, v32: ChatFormat) -> None:
    chat = (_RECORDED / "chat_request.json").read_text(encoding="utf-8")
    assert count_tokens(chat, format_by_name("v3", tokenizer)).num_tokens == 36
    assert count_tokens(chat, v32).num_tokens == 38
    fim = count_tokens((_RECORDED / "fim_request.json").read_text(encoding="utf-8"), v32)
    assert (fim.kind, fim.num_tokens) == ("completion", 7)


def test_whole_chat_request_is_rendered(v32: ChatFormat) -> None:
    body = {
        "model": "deepseek-reasoner",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": part} for part in "ab"]},
            {
                "role": "assistant", "content": None, "reasoning_content": "r",
                "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "42"},
        ],
        "tools": [{"function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
    }  # fmt: skip
    text = "".join(count_tokens(json.dumps(body), v32).pieces)
    assert "<｜User｜>ab<｜Assistant｜><think>r</think>" in text
    assert text.endswith("<result>42</result>\n</function_results>\n\n<think>")
    assert '{"name": "f", "parameters": {"type": "object"}}' in text
    assert "call the function f now" in text


@pytest.mark.parametrize(
    "source", ['{"a": 1}', "[1]", "{", "[" * 100_000, '"messages"', "\ud800", "1" * 5000]
)
def test_other_json_is_text(v32: ChatFormat, source: str) -> None:
    assert count_tokens(source, v32).kind == "text"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": "hi"},
        {"messages": ["hi"]},
        {"messages": [{"role": "boss", "content": "x"}]},
        {"messages": [{"role": ["user"], "content": "x"}]},
        {"messages": [{"role": "user", "content": 3}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]},
        {"messages": [{"role": "assistant", "tool_calls": {}}]},
        {"messages": [], "tools": [{}]},
        {"prompt": 1},
    ],
)
def test_malformed_requests_are_refused(v32: ChatFormat, body: dict[str, object]) -> None:
    with pytest.raises(NotARequestError):
        count_tokens(json.dumps(body), v32)
