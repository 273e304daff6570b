"""Forged forms, planted and stolen cookies, and knocking until something gives."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle

import httpx
from starlette.applications import Starlette

from tests.console.attacks.test_identity import filled
from tests.support.browser import PASSWORD, Browser
from tests.support.fake_clock import FakeClock
from tests.support.listening import listening
from whalefall.accounts.audit import list_actions
from whalefall.accounts.throttles import may_try
from whalefall.console.application import all_actions, console_routes
from whalefall.console.context import ConsoleContext
from whalefall.console.pages.sign_in import PER_ADDRESS

FORGED_ORIGINS = ("https://evil.example", "null", "http://127.0.0.1.evil.example")


async def test_no_state_changes_without_the_token_of_the_page(browser: Browser) -> None:
    """As an operator, whose browser is worth most: every action, as a form and as a call."""
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    csrf = await browser.csrf()
    before = browser.database.run(list_actions)
    origins = cycle(FORGED_ORIGINS)
    for action in all_actions():
        path = filled(action.path, {})
        for token in ("", csrf[:-1]):
            if not action.is_call_only:
                posted = await browser.client.post(path, data={"csrf": token, "email": "x"})
                assert posted.status_code in (403, 404), (path, posted.status_code)
            called = await browser.client.post(
                f"/console/api{path}", json={}, headers={"x-csrf-token": token}
            )
            assert called.status_code == 403, path
        headers = {"x-csrf-token": csrf, "origin": next(origins)}
        called = await browser.client.post(f"/console/api{path}", json={}, headers=headers)
        assert called.status_code == 403, (path, headers)
    assert browser.database.run(list_actions) == before


async def test_reading_changes_nothing_so_a_link_can_do_no_harm(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    before = browser.database.run(list_actions)
    for action in all_actions():
        for path in (filled(action.path, {}), "/console/api" + filled(action.path, {})):
            await browser.client.get(path)
            answer = await browser.client.request("PUT", path)
            assert answer.status_code in (404, 405), path
    assert browser.database.run(list_actions) == before


async def test_cookies_are_kept_from_scripts_other_sites_and_plain_http(
    context: ConsoleContext, clock: FakeClock
) -> None:
    """Behind https, as a proxy passes it on."""
    behind = replace(context, base_url="https://whalefall.example.org")
    async with (
        listening(Starlette(routes=console_routes(behind))) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        browser = Browser(client, context.database, clock)
        browser.make_user("ann@example.org")
        page = await client.get("/sign_in")
        assert page.headers["strict-transport-security"].startswith("max-age=")
        visit = page.headers["set-cookie"]
        browser.html = page.text
        name, value = visit.split(";")[0].split("=", 1)
        response = await client.post(
            "/sign_in",
            data={
                "csrf": await browser.csrf(),
                "email": "ann@example.org",
                "password": PASSWORD,
            },
            headers={"cookie": f"{name}={value}", "origin": "https://whalefall.example.org"},
        )
        assert response.status_code == 303
        for cookie in [visit, *response.headers.get_list("set-cookie")]:
            assert cookie.startswith("__Host-"), cookie
            for flag in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
                assert flag.lower() in cookie.lower(), (flag, cookie)
            assert "domain=" not in cookie.lower()


async def test_a_planted_cookie_is_never_promoted(browser: Browser, console_url: str) -> None:
    """Session fixation: the attacker's visit or login token opens nothing of the victim's."""
    browser.make_user("ann@example.org")
    await browser.open("/sign_in")
    planted = browser.client.cookies["whalefall_visit"]
    await browser.sign_in("ann@example.org")
    token = browser.client.cookies["whalefall_login"]
    assert token != planted
    async with httpx.AsyncClient(base_url=console_url, timeout=60) as attacker:
        for name in ("whalefall_visit", "whalefall_login"):
            attacker.cookies.set(name, planted, "127.0.0.1")
        assert (await attacker.get("/console/api/usage")).status_code == 401


async def test_the_door_is_throttled_for_a_person(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.open("/sign_in")
    for _ in range(8):
        await browser.submit("/sign_in", email="ann@example.org", password="guess")
        assert browser.status == 400
    await browser.submit("/sign_in", email="ann@example.org", password=PASSWORD)
    assert browser.status == 429


async def test_a_place_that_guesses_for_many_people_has_to_wait(browser: Browser) -> None:
    """What wrong guesses at many people leave behind, without the time they take."""
    browser.make_user("ann@example.org")
    for _ in range(PER_ADDRESS.num_tries_max):
        assert browser.database.run(may_try, PER_ADDRESS, "127.0.0.1", browser.clock.now())
    await browser.sign_in("ann@example.org")
    assert browser.status == 429
    browser.clock.advance(16 * 60)
    await browser.sign_in("ann@example.org")
    assert browser.status == 200


async def test_codes_cannot_be_ordered_without_end(browser: Browser) -> None:
    await browser.open("/sign_up")
    statuses = []
    for _ in range(7):
        await browser.submit("/sign_up/code", email="victim@example.org")
        statuses.append(browser.status)
    assert statuses == [200] * 5 + [429] * 2
    assert len(browser.mails("victim@example.org")) == 5
