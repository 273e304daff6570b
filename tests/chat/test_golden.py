"""One rich request per format against its golden prompt. Models are trained on these very bytes
and prefix caches outlive releases, so a changed line here is a decision, never an accident."""

from __future__ import annotations

from pathlib import Path

import pytest

from whalefall.chat.formats.registry import FORMAT_NAMES, format_by_name
from whalefall.chat.messages import (
    ChatRequest,
    Message,
    ResponseFormat,
    ResponseFormatKind,
    Role,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
)
from whalefall.chat.tokenizer import Tokenizer

_GOLDEN = Path(__file__).parent.parent / "golden" / "chat"
_WEATHER = Tool(
    "get_weather",
    "Tells the weather of a city.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
)
REQUEST = ChatRequest(
    model="deepseek-reasoner",
    messages=(
        Message(Role.SYSTEM, "You are a helpful assistant."),
        Message(Role.USER, "Hello"),
        Message(Role.ASSISTANT, "Hello! How can I help?", reasoning_content="A greeting."),
        Message(Role.USER, "How is the weather in 杭州 and Ulm?"),
        Message(
            Role.ASSISTANT,
            "I look it up.",
            reasoning_content="Two cities, two calls.",
            tool_calls=(
                ToolCall("call_00_a", "get_weather", '{"city": "杭州", "days": 2}'),
                ToolCall("call_01_b", "get_weather", '{"city": "Ulm"}'),
            ),
        ),
        Message(Role.TOOL, "Snow", tool_call_id="call_01_b"),
        Message(Role.TOOL, "24℃", tool_call_id="call_00_a"),
    ),
    thinking=True,
    tools=(_WEATHER, Tool("now")),
    tool_choice=ToolChoice(ToolChoiceMode.REQUIRED),
    response_format=ResponseFormat(ResponseFormatKind.JSON_SCHEMA, {"type": "object"}),
)


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_rich_request_renders_to_its_golden_prompt(tokenizer: Tokenizer, name: str) -> None:
    ids = format_by_name(name, tokenizer).render(REQUEST)
    golden = (_GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert tokenizer.decode(ids) == golden
    assert ids == tokenizer.encode(golden, allow_special=True)
