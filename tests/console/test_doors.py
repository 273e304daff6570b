"""Every route, and who may use it: standing, CSRF, other sites, headers, sizes."""

from __future__ import annotations

import httpx
import pytest

from tests.support.browser import Browser
from whalefall.accounts.audit import list_actions
from whalefall.console.application import all_actions, all_downloads, all_views
from whalefall.console.routing import Action, Download, View
from whalefall.console.session import Standing

OPEN_TO_EVERYONE = {
    "/sign_in", "/sign_up", "/sign_up/code", "/reset_password", "/reset_password/code",
    "/appearance", "/pricing", "/appeal", "/status", "/news",
}  # fmt: skip
"""The explicit list: everything else needs a login."""


def all_routes() -> list[View | Action | Download]:
    return [*all_views(), *all_actions(), *all_downloads()]


def path_of(template: str) -> str:
    return template.replace("{", "").replace("}", "")


def test_only_the_listed_routes_are_open_to_everyone() -> None:
    open_paths = {route.path for route in all_routes() if route.standing is Standing.VISITOR}
    assert open_paths == OPEN_TO_EVERYONE


def test_everything_of_the_operator_needs_an_operator() -> None:
    for route in all_routes():
        is_operators = route.standing is Standing.OPERATOR
        assert is_operators == route.path.startswith("/operator/"), route.path


async def test_a_visitor_gets_nothing_else(browser: Browser) -> None:
    for view in all_routes():
        if isinstance(view, Action):
            continue
        if view.path in OPEN_TO_EVERYONE:
            continue
        page = await browser.client.get(path_of(view.path))
        assert (page.status_code, page.headers["location"].split("?")[0]) == (303, "/sign_in")
        call = await browser.client.get("/console/api" + path_of(view.path))
        assert (call.status_code, call.json()["code"]) == (401, 40003)
    for action in all_actions():
        if action.path not in OPEN_TO_EVERYONE:
            call = await browser.client.post("/console/api" + path_of(action.path), json={})
            assert call.status_code == 401, action.path


async def test_a_user_is_no_operator(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    csrf = await browser.csrf()
    for route in all_routes():
        if route.standing is not Standing.OPERATOR:
            continue
        path = path_of(route.path)
        if not isinstance(route, Action):
            assert (await browser.client.get(path)).status_code == 404
            assert (await browser.client.get("/console/api" + path)).status_code == 403
        else:
            posted = await browser.client.post(path, data={"csrf": csrf})
            assert posted.status_code == 404
            called = await browser.client.post(
                "/console/api" + path, json={}, headers={"x-csrf-token": csrf}
            )
            assert called.status_code == 403
    assert {entry.action for entry in browser.database.run(list_actions)} == {"login.created"}


async def test_every_form_needs_the_token_of_its_own_browser(
    browser: Browser, console_url: str
) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    async with httpx.AsyncClient(base_url=console_url, timeout=60) as stranger:
        page = (await stranger.get("/sign_in")).text
        foreign = page.split('name="csrf" value="')[1][:64]
    for action in all_actions():
        if action.is_call_only:
            continue
        if action.standing is Standing.OPERATOR:
            continue
        for data in ({"email": "x"}, {"csrf": "0" * 64}, {"csrf": foreign}):
            response = await browser.client.post(path_of(action.path), data=data)
            assert response.status_code in (403, 404), (action.path, data)
    assert "Monthly usage" in await browser.open("/usage")


async def test_json_calls_with_a_cookie_need_the_token_too(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    refused = await browser.client.post("/console/api/api_keys", json={"name": "x"})
    assert refused.status_code == 403
    as_form = await browser.client.post(
        "/console/api/api_keys",
        content=b'{"name": "x"}',
        headers={"content-type": "text/plain", "x-csrf-token": await browser.csrf()},
    )
    assert as_form.status_code == 415


async def test_forms_from_another_site_are_refused(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    await browser.open("/api_keys")
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        response = await browser.client.post(
            "/api_keys",
            data={"csrf": await browser.csrf(), "name": "x"},
            headers={"origin": origin},
        )
        assert response.status_code == 403, origin
    own = str(browser.client.base_url).rstrip("/")
    response = await browser.client.post(
        "/api_keys", data={"csrf": await browser.csrf(), "name": "x"}, headers={"origin": own}
    )
    assert response.status_code == 200


async def test_pages_forbid_foreign_and_inline_content(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    for view in all_views():
        if "{" in view.path:
            continue
        response = await browser.client.get(view.path)
        assert response.status_code == 200, view.path
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["cache-control"] == "no-store"
        html = response.text.lower()
        assert " style=" not in html, view.path
        assert " onclick=" not in html, view.path
        assert "<script>" not in html, view.path
        assert 'src="http' not in html, view.path


async def test_a_body_beyond_the_limit_is_refused(browser: Browser) -> None:
    await browser.open("/sign_in")
    response = await browser.client.post(
        "/sign_in", data={"csrf": await browser.csrf(), "email": "a" * 600_000}
    )
    assert response.status_code == 413
    many = {f"field{index}": "1" for index in range(200)}
    assert (await browser.client.post("/sign_in", data=many)).status_code == 400


@pytest.mark.parametrize(
    "authorization",
    ["Bearer ' OR 1=1 --", "Bearer \u00ff\u00fe", "Bearer " + "x" * 5000, "Bearer", "Basic YTpi"],
)
async def test_odd_bearer_tokens_are_nobody(browser: Browser, authorization: str) -> None:
    response = await browser.client.get(
        "/console/api/usage", headers={b"authorization": authorization.encode("latin-1")}
    )
    assert (response.status_code, response.json()["code"]) == (401, 40003)


async def test_fields_nobody_asked_for_change_nothing(browser: Browser) -> None:
    """Mass assignment: a role or a balance cannot be had by naming it."""
    await browser.open("/sign_up")
    await browser.submit("/sign_up/code", email="eve@example.org")
    await browser.submit(
        "/sign_up",
        email="eve@example.org",
        code=browser.code("eve@example.org"),
        password="deep water, 4000 m",
        role="admin",
        is_admin="true",
        user_id="user_1",
        balance="1000",
    )
    assert "Operator" not in browser.html
    assert (await browser.client.get("/operator/users")).status_code == 404
