"""Every route of the whole application, API and console: closed without credentials unless it is on
the list of those that are meant to be open."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.routing import Route

from tests.support.fake_clock import FakeClock
from tests.support.listening import listening
from tests.support.scripted_serving import ScriptedPlatform
from whalefall.app import build_application
from whalefall.console.context import ConsoleContext
from whalefall.serving.activity import AnswerTally
from whalefall.settings import Settings

OPEN = {
    "/", "/appeal", "/appearance", "/docs", "/help", "/help/{topic}", "/news", "/openapi.json",
    "/payments/alipay/notify", "/payments/stripe/notify", "/payments/wechatpay/notify",
    "/pricing", "/reset_password", "/reset_password/code", "/sign_in", "/sign_up",
    "/sign_up/code", "/static/{name}", "/status",
}  # fmt: skip
"""With what is below /console/api of the same name. Notices of payments are signed, and
nobody sends any unless a provider is set up."""


@pytest.fixture
async def application(
    context: ConsoleContext, platform: ScriptedPlatform, clock: FakeClock
) -> AsyncIterator[tuple[list[Route], httpx.AsyncClient]]:
    app = build_application(platform, Settings(), context, AnswerTally(clock))
    routes = [route for route in app.routes if isinstance(route, Route)]
    assert len(routes) == len(app.routes)
    async with listening(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield routes, client


async def test_every_route_wants_credentials_unless_it_is_on_the_list(
    application: tuple[list[Route], httpx.AsyncClient],
) -> None:
    routes, client = application
    assert len(routes) > 150
    for route in routes:
        if route.path.removeprefix("/console/api") in OPEN:
            continue
        path = route.path.replace("{", "").replace("}", "")
        for method in ("GET", "POST"):
            answer = await client.request(
                method, path, content=b"{}", headers={"content-type": "application/json"}
            )
            if answer.status_code == 303:
                assert answer.headers["location"].startswith("/sign_in"), path
            else:
                assert answer.status_code in (401, 405), (method, path, answer.status_code)


async def test_what_is_open_says_nothing_about_anybody(
    application: tuple[list[Route], httpx.AsyncClient],
) -> None:
    _, client = application
    for path in sorted(OPEN):
        answer = await client.get(path.replace("{topic}", "faq").replace("{name}", "app.css"))
        assert answer.status_code in (200, 303, 405), path
        assert "root@" not in answer.text
    for missing in ("/metrics", "/health", "/debug", "/.env", "/.git/config", "/admin"):
        assert (await client.get(missing)).status_code == 404, missing


@pytest.mark.parametrize(
    "token",
    [
        "eyJhbGciOiJub25lIn0.eyJlbWFpbCI6InJvb3RAZXhhbXBsZS5vcmciLCJyb2xlIjoiYWRtaW4ifQ.",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJyb290In0.AAAA",
    ],
)
async def test_identity_tokens_of_others_open_nothing(
    application: tuple[list[Route], httpx.AsyncClient], token: str
) -> None:
    """There is no sign-in through third parties: no route takes their tokens, signed or not."""
    routes, client = application
    words = ("oidc", "oauth", "callback", "saml", "sso")
    assert [route.path for route in routes if any(word in route.path for word in words)] == []
    bearer = {"authorization": f"Bearer {token}"}
    for path in ("/console/api/usage", "/console/api/operator/users", "/models", "/user/balance"):
        assert (await client.get(path, headers=bearer)).status_code == 401, path
