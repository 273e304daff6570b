"""When a chat request is answered with thinking, in both eras."""

from __future__ import annotations

import pytest

from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, chat_body, message_of, wire_app
from whalefall.api.options import Era, WireOptions
from whalefall.chat.messages import ChatRequest, ContentDelta, Finished, FinishReason, Usage
from whalefall.serving.platform import ModelRules

SCRIPT = (ContentDelta("x"), Finished(FinishReason.STOP, Usage(9, 1, 0)))
NAMES = ("deepseek-chat", "deepseek-reasoner", "deepseek-v4-flash")


async def thinking_of(era: Era, **fields: object) -> bool:
    platform = ScriptedPlatform(SCRIPT, names=NAMES)
    app = wire_app(platform, WireOptions(era=era))
    response = await call(app, "/chat/completions", chat_body(**fields))
    assert response.status_code == 200, response.text
    request = platform.requests[0]
    assert isinstance(request, ChatRequest)
    return request.thinking


@pytest.mark.parametrize(
    ("model", "earlier", "later"),
    [
        ("deepseek-chat", False, False),
        ("deepseek-reasoner", True, True),
        ("deepseek-v4-flash", False, True),
    ],
)
async def test_later_era_thinks_unless_told_otherwise(
    model: str, *, earlier: bool, later: bool
) -> None:
    assert await thinking_of(Era.V3_2, model=model) is earlier
    assert await thinking_of(Era.V4, model=model) is later


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "minimal"}, True),
        ({"reasoning_effort": "max"}, True),
        ({"reasoning_effort": None}, True),
        ({"reasoning_effort": "high", "thinking": {"type": "disabled"}}, False),
        ({"reasoning_effort": "none", "thinking": {"type": "enabled"}}, True),
    ],
)
async def test_effort_switches_thinking_in_the_later_era(
    fields: dict[str, object], *, expected: bool
) -> None:
    assert await thinking_of(Era.V4, model="deepseek-v4-flash", **fields) is expected


@pytest.mark.parametrize("path", ["/chat/completions", "/anthropic/v1/messages", "/responses"])
@pytest.mark.parametrize("fixed", [True, False])
async def test_what_the_platform_fixes_for_a_name_holds_in_every_dialect(
    path: str, *, fixed: bool
) -> None:
    rules = {"house": ModelRules(thinking=fixed)}
    platform = ScriptedPlatform(SCRIPT, names=("house",), fixed=rules)
    opposite = {"type": "disabled" if fixed else "enabled"}
    body = {
        "model": "house",
        "messages": [{"role": "user", "content": "Hi"}],
        "input": "Hi",
        "max_tokens": 10,
        "thinking": opposite,
        "reasoning": {"effort": "none" if fixed else "high"},
    }
    response = await call(wire_app(platform), path, body)
    assert response.status_code == 200, response.text
    request = platform.requests[0]
    assert isinstance(request, ChatRequest)
    assert request.thinking is fixed


@pytest.mark.parametrize("effort", ["high", "extreme", 3, {}])
async def test_effort_is_an_unknown_field_in_the_earlier_era(effort: object) -> None:
    assert await thinking_of(Era.V3_2, reasoning_effort=effort) is False


async def test_unknown_effort_is_told_with_all_variants() -> None:
    app = wire_app(ScriptedPlatform(SCRIPT), WireOptions(era=Era.V4))
    response = await call(app, "/chat/completions", chat_body(reasoning_effort="extreme"))
    assert response.status_code == 400
    assert message_of(response) == (
        "Failed to deserialize the JSON body into the target type: reasoning_effort: unknown "
        "variant `extreme`, expected one of `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, "
        "`max`"
    )
