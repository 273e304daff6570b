"""Event streams against golden files, and the discipline of blocks for any order of events."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.anthropic.scenarios import PATH, STARTED, STREAMS, body, finished
from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, wire_app
from whalefall.api.anthropic.stream import MessageStream
from whalefall.api.sse import ResponseHead
from whalefall.chat.messages import (
    ContentDelta,
    Event,
    KeepAlive,
    ReasoningDelta,
    ToolCallArguments,
    ToolCallStart,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "anthropic"
HEAD = ResponseHead("bac6eb88-1766-49c2-bf23-9eab31024ea6", 1740636518, "deepseek-chat", "fp")


def masked(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)


def events_of(stream: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and payload of each event; comments are passed over."""
    blocks = [block for block in stream.split("\n\n") if block and not block.startswith(":")]
    pairs = [re.fullmatch(r"event: (\w+)\ndata: (.*)", block) for block in blocks]
    assert all(pairs), blocks
    return [(pair[1], json.loads(pair[2])) for pair in pairs if pair is not None]


@pytest.mark.parametrize("name", STREAMS)
async def test_stream_equals_its_golden_file(name: str) -> None:
    app = wire_app(ScriptedPlatform(STREAMS[name]))
    response = await call(app, PATH, body(stream=True))
    assert response.headers["content-type"] == "text/event-stream"
    expected = (GOLDEN / f"{name}.sse").read_bytes().decode()
    assert masked(response.content.decode()) == expected


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.sse")} == set(STREAMS)


TEXT = st.text(max_size=5)
CALLS = st.builds(ToolCallStart, st.just(0), st.just("call_00_x"), st.just("f"))
SCRIPTS = st.lists(
    st.one_of(
        st.builds(KeepAlive),
        st.builds(ReasoningDelta, TEXT),
        st.builds(ContentDelta, TEXT),
        st.lists(st.builds(ToolCallArguments, st.just(0), TEXT), max_size=3).flatmap(
            lambda parts: CALLS.map(lambda start: [start, *parts])
        ),
    ),
    max_size=8,
)


def flat(script: list[Event | list[Event]]) -> list[Event]:
    return [event for part in script for event in (part if isinstance(part, list) else [part])]


@given(SCRIPTS, st.booleans())
def test_blocks_open_and_close_in_turn_and_lose_no_text(
    script: list[Event | list[Event]], has_started: bool
) -> None:
    stream = MessageStream(HEAD)
    events = [*([STARTED] if has_started else []), *flat(script), finished()]
    written = events_of(b"".join(map(stream.push, events)).decode())
    assert all(name == payload["type"] for name, payload in written)
    names = [name for name, _ in written]
    assert names[0] == "message_start"
    assert names[-2:] == ["message_delta", "message_stop"]
    assert_blocks(written[1:-2])
    for kind, field in (("thinking_delta", "thinking"), ("text_delta", "text")):
        source = ReasoningDelta if kind == "thinking_delta" else ContentDelta
        told = "".join(
            payload["delta"][field]
            for _, payload in written[1:-2]
            if payload.get("delta", {}).get("type") == kind
        )
        assert told == "".join(event.text for event in events if isinstance(event, source))


def assert_blocks(written: list[tuple[str, dict[str, Any]]]) -> None:
    open_index: int | None = None
    next_index = 0
    for name, payload in written:
        if name == "content_block_start":
            assert open_index is None
            assert payload["index"] == next_index
            open_index, next_index = next_index, next_index + 1
        else:
            assert payload["index"] == open_index
        if name == "content_block_stop":
            open_index = None
    assert open_index is None
