"""Where back ends are and how they are paid for stays inside: not even an operator is told."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from tests.support.browser import Browser
from tests.support.fake_clock import FakeClock
from tests.support.scripted_engine import ScriptedEngine
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.tokenizer import Tokenizer
from whalefall.console.application import all_views
from whalefall.console.context import ConsoleContext
from whalefall.serving.backends import Backend, backends
from whalefall.serving.models import Alias, ModelRegistry, ServedModel

CREDENTIAL = "hunter2-upstream-token"
ADDRESS = "10.1.2.3:30000"


class RemoteEngine(ScriptedEngine):
    """An engine elsewhere, with an address and a credential."""

    base_url = f"http://user:{CREDENTIAL}@{ADDRESS}"
    api_key = CREDENTIAL


@pytest.fixture
def context(context: ConsoleContext, clock: FakeClock) -> ConsoleContext:
    tokenizer = Tokenizer.bundled()
    model = ServedModel("far", RemoteEngine(), tokenizer, format_by_name("v3.2", tokenizer))
    registry = ModelRegistry((model,), (Alias("deepseek-chat", "far"),))
    return replace(context, backends=lambda: backends(registry, clock))


async def test_no_page_and_no_call_tells_an_address_or_a_credential(browser: Browser) -> None:
    admin = browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    assert "far" in await browser.open("/operator/models")
    for view in all_views():
        path = view.path.replace("{user_id}", admin.id)
        for prefix in ("", "/console/api"):
            answer = await browser.client.get(prefix + path)
            assert CREDENTIAL not in answer.text, path
            assert ADDRESS not in answer.text, path


def test_the_operators_view_has_no_place_for_them() -> None:
    names = {field.name for field in fields(Backend)}
    assert not names & {"url", "base_url", "address", "host", "api_key", "token", "credential"}
