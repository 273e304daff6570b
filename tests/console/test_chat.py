"""The chat page's conversations: streamed, stored, stopped, asked again, erased."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from typing_extensions import override

from tests.support.browser import Browser
from tests.support.listening import listening
from tests.support.scripted_serving import Pause, ScriptedGeneration, ScriptedPlatform, Step
from whalefall.accounts.api_keys import Caller
from whalefall.base.errors import InsufficientBalanceError
from whalefall.chat.messages import (
    ChatRequest,
    ContentDelta,
    Finished,
    FinishReason,
    ReasoningDelta,
    Usage,
)
from whalefall.console.application import console_routes
from whalefall.console.context import ConsoleContext
from whalefall.serving.platform import Base

USAGE = Usage(10, 5, 0)
ANSWER: list[Step] = [
    ReasoningDelta("They want "),
    ReasoningDelta("a table."),
    ContentDelta("# Hello\n\nSome **bold"),
    Pause(0.15),
    ContentDelta("** words <script>alert(1)</script>\n\n| a | b |\n|---|---|\n| 1 | 2 |"),
    Finished(FinishReason.STOP, USAGE),
]


class ChatPlatform(ScriptedPlatform):
    """Lets any caller start, and remembers who did."""

    callers: list[Caller]

    @override
    async def start_chat(
        self, caller: Caller, request: ChatRequest, base: Base
    ) -> ScriptedGeneration:
        self.callers.append(caller)
        return self._start(request, base)


@pytest.fixture
def platform() -> ScriptedPlatform:
    made = ChatPlatform(script=ANSWER)
    made.callers = []
    return made


async def asked(browser: Browser, **fields: object) -> list[dict[str, Any]]:
    body = {"model": "deepseek-chat", "text": "Hello?", **fields}
    response = await browser.client.post(
        "/console/api/chat/messages", json=body, headers={"x-csrf-token": await browser.csrf()}
    )
    assert response.headers["content-type"] == "application/x-ndjson", response.text
    return [json.loads(line) for line in response.text.splitlines()]


async def test_an_answer_is_streamed_as_safe_html_and_stored(
    browser: Browser, platform: ChatPlatform
) -> None:
    user = browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    lines = await asked(browser, thinking=True, temperature=0.5)
    assert [lines[0]["type"], lines[-1]["type"]] == ["started", "finished"]
    thinking = "".join(line["text"] for line in lines if line["type"] == "thinking")
    assert thinking == "They want a table."
    blocks: list[str] = []
    for line in lines:
        if line["type"] == "blocks":
            blocks[line["from"] :] = line["html"]
    assert blocks[0] == "<h1>Hello</h1>\n"
    assert "<strong>bold</strong> words &lt;script&gt;" in blocks[1]
    assert "<table>" in blocks[2]
    page = await browser.open(f"/chat/{lines[0]['conversation_id']}")
    assert "<strong>bold</strong> words &lt;script&gt;" in page
    assert "They want a table." in page
    request = platform.requests[0]
    assert isinstance(request, ChatRequest)
    assert (request.thinking, request.temperature) == (True, 0.5)
    assert platform.callers[0].user_id == user.id
    assert "Console chat" not in await browser.open("/api_keys")


async def test_a_conversation_goes_on_and_an_answer_can_be_had_again(
    browser: Browser, platform: ChatPlatform
) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    talk = (await asked(browser))[0]["conversation_id"]
    await asked(browser, conversation_id=talk, text="And more?")
    await asked(browser, conversation_id=talk, text="", is_retry=True)
    texts = []
    for request in platform.requests:
        assert isinstance(request, ChatRequest)
        texts.append([message.content[:9] for message in request.messages])
    assert texts[1] == ["Hello?", "# Hello\n\n", "And more?"]
    assert texts[2] == texts[1]
    stored = (await browser.client.get(f"/console/api/chat/{talk}")).json()["data"]["biz_data"]
    assert [said["is_from_model"] for said in stored["messages"]] == [False, True, False, True]
    assert len({caller.api_key_id for caller in platform.callers}) == 1


async def test_leaving_stops_the_answer_and_keeps_what_there_was(
    browser: Browser, platform: ChatPlatform
) -> None:
    platform.script = [ContentDelta("So far "), Pause(0.3), ContentDelta("never seen")]
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    headers = {"x-csrf-token": await browser.csrf()}
    body = {"model": "deepseek-chat", "text": "Hello?"}
    async with browser.client.stream(
        "POST", "/console/api/chat/messages", json=body, headers=headers
    ) as response:
        async for line in response.aiter_lines():
            if json.loads(line)["type"] == "blocks":
                break
    await asyncio.wait_for(platform.generations[0].closed.wait(), 10)
    talks = (await browser.client.get("/console/api/chat")).json()["data"]["biz_data"]
    talk = talks["conversations"][0]["id"]
    messages: list[dict[str, Any]] = []
    for _ in range(100):
        stored = (await browser.client.get(f"/console/api/chat/{talk}")).json()
        messages = stored["data"]["biz_data"]["messages"]
        if len(messages) == 2:
            break
        await asyncio.sleep(0.05)
    assert (messages[1]["text"][:7], messages[1]["finish_reason"]) == ("So far ", "stopped")


async def test_stopping_ends_the_stream_with_what_it_cost(
    browser: Browser, platform: ChatPlatform
) -> None:
    platform.script = [ContentDelta("So far "), Pause(0.3), *[ContentDelta("more ")] * 500]
    browser.make_user("ben@example.org")
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    headers = {"x-csrf-token": await browser.csrf()}
    body = {"model": "deepseek-chat", "text": "Hello?"}
    lines: list[dict[str, Any]] = []
    path = ""
    async with browser.client.stream(
        "POST", "/console/api/chat/messages", json=body, headers=headers
    ) as response:
        async for line in response.aiter_lines():
            lines.append(json.loads(line))
            if lines[-1]["type"] == "blocks" and len(lines) == 2:
                path = f"/console/api/chat/{lines[0]['conversation_id']}/stop"
                stopped = await browser.client.post(path, json={}, headers=headers)
                assert stopped.status_code == 200
    assert (lines[-1]["type"], lines[-1]["finish_reason"]) == ("finished", "stopped")
    assert lines[-1]["cost"] == "¥0.00"
    again = await browser.client.post(path, json={}, headers=headers)
    assert again.status_code == 404
    await browser.sign_in("ben@example.org")
    headers = {"x-csrf-token": await browser.csrf()}
    assert (await browser.client.post(path, json={}, headers=headers)).status_code == 404


async def test_a_conversation_is_given_another_title(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    browser.make_user("ben@example.org")
    await browser.sign_in("ann@example.org")
    talk = (await asked(browser))[0]["conversation_id"]
    await browser.open(f"/chat/{talk}")
    assert "<h1>Whales &lt;b&gt;</h1>" in await browser.submit(
        f"/chat/{talk}/rename", title="  Whales\n<b> "
    )
    await browser.submit(f"/chat/{talk}/rename", title="  ")
    assert browser.status == 400
    await browser.submit(f"/chat/{talk}/rename", title="x" * 200)
    assert f"<h1>{'x' * 59}…</h1>" in browser.html
    await browser.sign_in("ben@example.org")
    await browser.open("/chat")
    await browser.submit(f"/chat/{talk}/rename", title="Mine")
    assert browser.status == 404


async def test_the_embedded_model_is_said_to_be_a_demonstration(
    browser: Browser, context: ConsoleContext
) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    assert "demonstration" not in await browser.open("/chat")
    routes = console_routes(replace(context, is_demonstration=True))
    async with listening(Starlette(routes=routes)) as url:
        page = await browser.client.get(f"{url}/chat")
        assert "demonstration" in page.text


async def test_an_empty_balance_is_told_and_a_failure_is_too(
    browser: Browser, platform: ChatPlatform
) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    platform.refusal = InsufficientBalanceError()
    headers = {"x-csrf-token": await browser.csrf(), "accept-language": "zh-CN"}
    body = {"model": "deepseek-chat", "text": "Hello?"}
    refused = await browser.client.post("/console/api/chat/messages", json=body, headers=headers)
    assert (refused.status_code, refused.json()["data"]["biz_msg"]) == (402, "余额不足")
    for odd in ({"model": "gpt-4"}, {"text": "  "}, {"temperature": 3}, {"temperature": "NaN"}):
        answer = await browser.client.post(
            "/console/api/chat/messages", json={**body, **odd}, headers=headers
        )
        assert answer.status_code == 400, odd


async def test_conversations_are_found_erased_and_nobody_elses(
    browser: Browser,
) -> None:
    browser.make_user("ann@example.org")
    browser.make_user("ben@example.org")
    await browser.sign_in("ann@example.org")
    talk = (await asked(browser, text="100% of whales"))[0]["conversation_id"]
    queries = {"WHALES": True, "bold": True, "0% of": True, "1_0": False, "%w": False}
    for query, is_found in queries.items():
        listed = await browser.client.get("/console/api/chat", params={"q": query})
        found = [each["id"] for each in listed.json()["data"]["biz_data"]["conversations"]]
        assert (talk in found) == is_found, query
    await browser.sign_in("ben@example.org")
    await browser.open(f"/chat/{talk}")
    assert browser.status == 404
    await browser.open("/chat")
    await browser.submit(f"/chat/{talk}/delete")
    assert browser.status == 404
    await browser.sign_in("ann@example.org")
    await browser.open(f"/chat/{talk}")
    await browser.submit(f"/chat/{talk}/delete")
    assert "has been deleted" in browser.html
    await browser.open(f"/chat/{talk}")
    assert browser.status == 404
