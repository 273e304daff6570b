"""Event streams against golden files, and the order of events for any generation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.responses.scenarios import PATH, STREAMS, body, finished
from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, wire_app
from whalefall.api.responses.output import beginning
from whalefall.api.responses.protocol import ResponsesRequest
from whalefall.api.responses.stream import ResponseCollector, ResponseStream
from whalefall.api.sse import ResponseHead
from whalefall.chat.messages import (
    ContentDelta,
    Event,
    FinishReason,
    KeepAlive,
    ReasoningDelta,
    ToolCallArguments,
    ToolCallStart,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "responses"
START = beginning(
    ResponseHead("bac6eb88-1766-49c2-bf23-9eab31024ea6", 1740636518, "deepseek-chat", "fp"),
    ResponsesRequest("deepseek-chat", "Hi"),
)


def masked(text: str) -> str:
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    return re.sub(r'"created_at":\d+', '"created_at":0', text)


def events_of(stream: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and payload of each event; comments are passed over."""
    blocks = [block for block in stream.split("\n\n") if block and not block.startswith(":")]
    pairs = [re.fullmatch(r"event: ([\w.]+)\ndata: (.*)", block) for block in blocks]
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
PARTS = st.one_of(
    st.builds(lambda: [KeepAlive()]),
    st.builds(lambda text: [ReasoningDelta(text)], TEXT),
    st.builds(lambda text: [ContentDelta(text)], TEXT),
    st.builds(
        lambda texts: [
            ToolCallStart(0, "call_00_x", "f"),
            *(ToolCallArguments(0, text) for text in texts),
        ],
        st.lists(TEXT, max_size=3),
    ),
)
REASONS = st.sampled_from([reason for reason in FinishReason if reason is not FinishReason.ABORT])


@given(st.lists(PARTS, max_size=8), REASONS)
def test_stream_tells_step_by_step_what_the_single_body_tells_at_once(
    parts: list[list[Event]], reason: FinishReason
) -> None:
    events = [*(event for part in parts for event in part), finished(reason)]
    stream, collector = ResponseStream(START), ResponseCollector(START)
    written = events_of(b"".join(map(stream.push, events)).decode())
    whole = json.loads(b"".join(map(collector.push, events)))
    assert [payload["sequence_number"] for _, payload in written] == list(range(len(written)))
    assert all(name == payload["type"] for name, payload in written)
    assert [name for name, _ in written[:2]] == ["response.created", "response.in_progress"]
    assert written[-1][0] == f"response.{whole['status']}"
    assert written[-1][1]["response"] == whole
    done = [payload for name, payload in written if name == "response.output_item.done"]
    assert [payload["item"] for payload in done] == whole["output"]
    assert [payload["output_index"] for payload in done] == list(range(len(done)))
    assert_items_do_not_overlap(written)


def assert_items_do_not_overlap(written: list[tuple[str, dict[str, Any]]]) -> None:
    """Between the first and the last event of an item, all events are that item's."""
    open_index: int | None = None
    told = ""
    for name, payload in written[2:-1]:
        if name == "response.output_item.added":
            assert open_index is None
            open_index, told = payload["output_index"], ""
        assert payload["output_index"] == open_index
        if name.endswith(".delta"):
            told += payload["delta"]
        if name.endswith(("text.done", "arguments.done")):
            assert payload.get("text", payload.get("arguments")) == told
        if name == "response.output_item.done":
            open_index = None
    assert open_index is None
