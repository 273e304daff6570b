"""Whole answers against golden files, ids and times masked; and against the recorded exchanges of
2025-02, byte for byte."""

from __future__ import annotations

import json
import re

import pytest

from tests.api.scenarios import (
    GOLDEN,
    SCENARIOS,
    Scenario,
    chat_recorded,
    fim_tokens,
    recorded,
)
from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, wire_app

RECORDED = {
    "chat": Scenario("/chat/completions", recorded("chat_request.json"), chat_recorded()),
    "fim": Scenario("/beta/completions", recorded("fim_request.json"), fim_tokens()),
}


async def answer(scenario: Scenario) -> bytes:
    app = wire_app(ScriptedPlatform(scenario.script))
    response = await call(app, scenario.path, scenario.body)
    assert response.status_code == 200, response.text
    return response.content


def masked(content: bytes) -> bytes:
    """Response ids, tool-call ids and creation times become constants; nothing else moves."""
    content = re.sub(rb'"id":"[0-9a-f-]{36}"', b'"id":"ID"', content)
    content = re.sub(rb'"id":"(call_\d\d_)\w{24}"', rb'"id":"\1X"', content)
    return re.sub(rb'"created":\d+', b'"created":0', content)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_answer_equals_its_golden_file(name: str) -> None:
    scenario = SCENARIOS[name]
    path = GOLDEN / "wire" / f"{name}.{'sse' if scenario.is_stream else 'json'}"
    assert masked(await answer(scenario)).decode() == path.read_bytes().decode()


def test_no_golden_file_is_left_over() -> None:
    names = {path.stem for path in (GOLDEN / "wire").glob("*.*") if path.suffix != ".md"}
    assert names == set(SCENARIOS)


@pytest.mark.parametrize("name", RECORDED)
async def test_recorded_request_gets_the_recorded_answer(name: str) -> None:
    expected = recorded(f"{name}_response.json")
    found = json.loads(await answer(RECORDED[name]))
    found.update(id=expected["id"], created=expected["created"])
    assert json.dumps(found) == json.dumps(expected), "values and the order of keys"


async def test_recorded_chat_is_equal_byte_for_byte() -> None:
    compact = json.dumps(
        recorded("chat_response.json"), separators=(",", ":"), ensure_ascii=False
    ).encode()
    assert masked(await answer(RECORDED["chat"])) == masked(compact)


@pytest.mark.parametrize(
    ("path", "name"), [("/models", "models_response"), ("/user/balance", "balance_response")]
)
async def test_recorded_lists_are_equal_byte_for_byte(path: str, name: str) -> None:
    response = await call(wire_app(ScriptedPlatform()), path)
    compact = json.dumps(recorded(f"{name}.json"), separators=(",", ":"))
    assert response.content == compact.encode()
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", [name for name, one in SCENARIOS.items() if one.is_stream])
async def test_each_event_is_one_compact_line_and_the_id_never_changes(name: str) -> None:
    content = await answer(SCENARIOS[name])
    events = content.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    heads = set()
    for event in events[:-2]:
        if event == ": keep-alive":
            continue
        assert event.startswith("data: ")
        assert "\n" not in event
        chunk = json.loads(event.removeprefix("data: "))
        compact = json.dumps(chunk, separators=(",", ":"), ensure_ascii=False)
        assert event == f"data: {compact}"
        heads.add((chunk["id"], chunk["created"], chunk["model"], chunk["object"]))
    assert len(heads) == 1
