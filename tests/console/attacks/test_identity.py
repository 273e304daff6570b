"""One user against another, and against those above: ids swept, roles named, steps left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
import pytest

from tests.console.attacks.test_credentials import everything
from tests.console.test_usage import prepared
from tests.support.browser import PASSWORD, Browser
from whalefall.accounts.logins import Device, create_login
from whalefall.accounts.users import Role, User, get_user
from whalefall.base.db import Database
from whalefall.console.application import all_actions, all_downloads, all_views
from whalefall.console.routing import Action, Download, View
from whalefall.console.session import Standing

OPEN = Standing.VISITOR
GUESSES = {
    "role": "admin",
    "is_admin": True,
    "user_id": "user_of_someone",
    "must_change_password": False,
    "needs_second_factor": False,
    "suspended_at": None,
    "currency": "USD",
    "balance": "1000000",
    "amount_nanos": 10**15,
    "monthly_nanos": 10**15,
    "email_verified": True,
    "console_key_id": "key_of_someone",
}


def all_routes() -> list[View | Action | Download]:
    return [*all_views(), *all_actions(), *all_downloads()]


def filled(template: str, ids: Mapping[str, str]) -> str:
    return template.format_map({**dict.fromkeys(_names(template), "x"), **ids})


def _names(template: str) -> list[str]:
    return [part.split("}")[0] for part in template.split("{")[1:]]


def takes_an_id(route: View | Action | Download) -> bool:
    fields = route.fields if isinstance(route, Action) else route.query
    return any(name.endswith("_id") for name in fields.__struct_fields__)


def sample_of(fields: type[msgspec.Struct], ids: Mapping[str, str]) -> dict[str, Any]:
    known = {"text": "Mine now", "title": "Mine now", **ids}
    return {name: known[name] for name in fields.__struct_fields__ if name in known}


async def ids_of_ann(browser: Browser) -> dict[str, str]:
    """Ann has one of everything that has an id."""
    _, key_id, _ = await prepared(browser)
    ticket = await browser.call("/tickets", kind="refund", subject="Refund", text="Please.")
    body = {"model": "deepseek-chat", "text": "A secret question"}
    headers = {"x-csrf-token": await browser.csrf()}
    await browser.client.post("/console/api/chat/messages", json=body, headers=headers)
    talks = (await browser.client.get("/console/api/chat")).json()["data"]["biz_data"]
    profile = (await browser.client.get("/console/api/profile")).json()["data"]["biz_data"]
    return {
        "api_key_id": key_id,
        "ticket_id": ticket["id"],
        "conversation_id": talks["conversations"][0]["id"] if talks["conversations"] else "none",
        "login_id": profile["current_login_id"],
    }


async def test_every_id_of_another_user_opens_and_changes_nothing(browser: Browser) -> None:
    ids = await ids_of_ann(browser)
    browser.make_user("ben@example.org")
    await browser.sign_in("ben@example.org")
    csrf = await browser.csrf()
    before = owned_by(browser.database, ids)
    swept = 0
    for route in all_routes():
        if route.standing is Standing.OPERATOR or not takes_an_id(route):
            continue
        swept += 1
        path = "/console/api" + filled(route.path, ids)
        if isinstance(route, Action):
            given = sample_of(route.fields, ids)
            answer = await browser.client.post(path, json=given, headers={"x-csrf-token": csrf})
            assert answer.status_code in (400, 404), (route.path, answer.text)
        else:
            answer = await browser.client.get(path, params=sample_of(route.query, ids))
            assert answer.status_code in (200, 404), route.path
        for secret in ("Please.", "A secret question", "laptop", "ann@example.org"):
            assert secret not in answer.text, (route.path, secret)
    assert swept >= 6
    assert owned_by(browser.database, ids) == before


def owned_by(database: Database, ids: Mapping[str, str]) -> list[str]:
    """Every stored row that speaks of one of these ids, but for who was last seen when."""
    lines = database.run_read(everything).splitlines()
    mine = [line for line in lines if any(each in line for each in ids.values())]
    return sorted(line for line in mine if ids["login_id"] not in line.split(",")[0])


async def test_no_call_takes_a_role_or_a_balance_from_its_caller(browser: Browser) -> None:
    """Mass assignment: every call of a user with every field that would be worth having."""
    user = browser.make_user("ann@example.org")
    admin = browser.make_admin("root@example.org")
    await browser.sign_in("ann@example.org")
    csrf = await browser.csrf()
    ends_the_login = ("/sign_out", "/sign_in")
    for action in all_actions():
        if action.standing is Standing.OPERATOR or action.path in ends_the_login:
            continue
        body = {**GUESSES, "user_id": admin.id}
        path = "/console/api" + filled(action.path, {})
        answer = await browser.client.post(path, json=body, headers={"x-csrf-token": csrf})
        assert answer.status_code < 500, (action.path, answer.text)
        found = browser.database.run_read(get_user, user.id)
        assert found == user, action.path
        assert browser.database.run_read(get_user, admin.id) == admin, action.path
    rows = browser.database.run_read(everything)
    assert "la_paid" not in rows
    assert "la_granted" not in rows


async def test_an_operator_has_no_power_over_another(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    other = browser.make_admin("other@example.org")
    await browser.sign_in("root@example.org")
    csrf = await browser.csrf()
    for name in ("suspend", "reset_second_factor", "sign_out", "reinstate"):
        answer = await browser.client.post(
            f"/console/api/operator/users/{other.id}/{name}",
            json={"reason": "x"},
            headers={"x-csrf-token": csrf},
        )
        assert answer.status_code == 400, name
    assert browser.database.run_read(get_user, other.id).role is Role.ADMIN


def half_signed_in(browser: Browser, user: User) -> str:
    return browser.database.run(
        create_login,
        user.id,
        Device("127.0.0.1", "half"),
        browser.clock.now(),
        needs_second_factor=True,
    )[1]


@pytest.mark.parametrize("kind", ["half signed in", "generated password"])
async def test_a_step_that_is_missing_cannot_be_walked_around(
    browser: Browser, console_url: str, kind: str
) -> None:
    if kind == "half signed in":
        token = half_signed_in(browser, browser.make_admin("root@example.org"))
        reached = Standing.HALF_SIGNED_IN
    else:
        browser.make_admin("root@example.org", has_own_password=False)
        body = {"email": "root@example.org", "password": PASSWORD}
        answer = await browser.client.post(
            "/console/api/sign_in", json=body, headers={"x-csrf-token": await browser.csrf()}
        )
        token = answer.json()["data"]["biz_data"]["token"]
        reached = Standing.WITH_GENERATED_PASSWORD
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=console_url, headers=headers, timeout=60) as client:
        for route in all_routes():
            if route.standing <= reached:
                continue
            path = "/console/api" + filled(route.path, {})
            if isinstance(route, Action):
                called = await client.post(path, json=dict(GUESSES))
            else:
                called = await client.get(path)
            assert called.status_code in (401, 403), route.path
            assert called.json()["data"] is None, route.path


async def test_the_second_step_cannot_be_guessed(browser: Browser, console_url: str) -> None:
    user = browser.make_user("ann@example.org")
    headers = {"authorization": f"Bearer {half_signed_in(browser, user)}"}
    async with httpx.AsyncClient(base_url=console_url, headers=headers, timeout=60) as client:
        statuses = [
            (await client.post("/console/api/second_factor", json={"code": f"{n:06d}"})).status_code
            for n in range(10)
        ]
        assert statuses == [400] * 8 + [429] * 2
        headers = {"authorization": f"Bearer {half_signed_in(browser, user)}"}
        fresh = await client.post(
            "/console/api/second_factor", json={"code": "000000"}, headers=headers
        )
        assert fresh.status_code == 429
