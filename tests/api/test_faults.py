"""A platform that misbehaves does not take the wire down, nor tell its secrets."""

from __future__ import annotations

import pytest

from tests.support.scripted_serving import ScriptedPlatform, Step
from tests.support.wire import call, chat_body, message_of, wire_app
from whalefall.chat.messages import ContentDelta, KeepAlive


@pytest.mark.parametrize("stream", [True, False])
async def test_bug_before_the_answer_is_a_500_without_its_text(*, stream: bool) -> None:
    app = wire_app(ScriptedPlatform(refusal=RuntimeError("secret detail")))
    response = await call(app, "/chat/completions", chat_body(stream=stream))
    assert response.status_code == 500
    assert response.json()["error"] == {
        "message": "Internal Server Error",
        "type": "server_error",
        "param": None,
        "code": "server_error",
    }
    assert len(response.headers["x-ds-trace-id"]) == 32


@pytest.mark.parametrize("script", [(), (ContentDelta("x"),), (KeepAlive(),)])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", ["/chat/completions", "/beta/completions"])
async def test_generation_without_an_end_is_an_error(
    path: str, script: tuple[Step, ...], *, stream: bool
) -> None:
    platform = ScriptedPlatform(script)
    response = await call(wire_app(platform), path, chat_body(stream=stream, prompt="x"))
    has_started = bool(script) and (stream or isinstance(script[0], KeepAlive))
    assert response.status_code == (200 if has_started else 500)
    assert '"message":"Internal Server Error"' in response.text
    assert "[DONE]" not in response.text
    assert platform.generations[0].is_closed


async def test_unparsable_message_is_never_a_platform_call() -> None:
    platform = ScriptedPlatform()
    response = await call(wire_app(platform), "/chat/completions", b"[" * 100_000)
    assert "recursion limit exceeded" in message_of(response)
    assert not platform.requests
