"""The platform announces the prompt's figures when a generation starts. Dialects that tell them
only at the end write the same bytes with and without the announcement."""

from __future__ import annotations

import pytest

from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, chat_body, wire_app
from whalefall.chat.messages import (
    ContentDelta,
    Event,
    Finished,
    FinishReason,
    KeepAlive,
    Started,
    Usage,
)

ANSWER: tuple[Event, ...] = (ContentDelta("x"), Finished(FinishReason.STOP, Usage(9, 1, 0)))
FIM_BODY: dict[str, object] = {"model": "deepseek-chat", "prompt": "a", "echo": True}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"), [("/chat/completions", chat_body()), ("/beta/completions", FIM_BODY)]
)
async def test_announcement_of_the_start_is_passed_over(
    path: str, body: dict[str, object], *, stream: bool
) -> None:
    contents = []
    for beginning in ((KeepAlive(),), (KeepAlive(), Started(9, 0))):
        app = wire_app(ScriptedPlatform((*beginning, *ANSWER)))
        response = await call(app, path, {**body, "stream": stream})
        assert response.status_code == 200
        contents.append(response.content)
    assert contents[0] == contents[1]
