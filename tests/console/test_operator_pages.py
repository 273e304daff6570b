"""What the operator reads and sets: engines with their load, charts, limits, the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.browser import Browser
from whalefall.accounts.account_limits import account_limits_of, all_account_limits
from whalefall.accounts.api_keys import NO_LIMITS, KeyLimits
from whalefall.accounts.audit import Actor, record_action
from whalefall.base.activity_log import LoadSample, record_activity
from whalefall.console.context import ConsoleContext
from whalefall.serving.backends import Backend
from whalefall.serving.generation import ServingLimits

BACKEND = Backend(
    model="whalefall-tiny",
    kind="embedded",
    names=("deepseek-chat", "deepseek-reasoner"),
    num_parameters=12_345_678,
    max_model_len=131_072,
    fingerprint="0123456789",
    is_ready=True,
    num_running=3,
    num_waiting=17,
    num_cache_blocks=4096,
    num_free_cache_blocks=1024,
    prompt_tokens=1000,
    cached_tokens=250,
    output_tokens=98_765,
)


class Enforcer:
    """Stands for the limiter: is told when limits were set."""

    def __init__(self) -> None:
        self.num_told = 0

    async def tell(self) -> None:
        self.num_told += 1


@pytest.fixture
def enforcer() -> Enforcer:
    return Enforcer()


@pytest.fixture
def context(context: ConsoleContext, enforcer: Enforcer) -> ConsoleContext:
    return replace(
        context,
        backends=lambda: (BACKEND,),
        serving_limits=ServingLimits(queue_length_max=321),
        limits_changed=enforcer.tell,
    )


async def operator(browser: Browser) -> Browser:
    browser.make_admin("root@example.org")
    await browser.sign_in("root@example.org")
    return browser


async def test_engines_are_shown_with_their_load(browser: Browser) -> None:
    await operator(browser)
    now = browser.clock.now()
    sample = LoadSample("whalefall-tiny", now, 60_000, 600, 300, 1500, 2, 5)
    browser.database.run(record_activity, {}, [sample], now)
    page = await browser.open("/operator/models")
    for shown in ("deepseek-chat, deepseek-reasoner", "12,345,678", "17", "75.0%", "25.0%", "321"):
        assert shown in page, shown
    called = await browser.client.get("/console/api/operator/models")
    data = called.json()["data"]["biz_data"]
    assert data["backends"][0]["num_waiting"] == 17
    assert data["speeds"][0]["values"][-1] == 25_000  # thousandths of a token per second
    assert data["waits"][0]["values"][-1] == 5


async def test_the_overview_charts_errors_speed_and_hit_rate(browser: Browser) -> None:
    await operator(browser)
    now = browser.clock.now()
    answers = {(now.date(), 200): 96, (now.date(), 402): 3, (now.date(), 500): 1}
    browser.database.run(record_activity, answers, [], now)
    browser.database.run(record_activity, {(now.date(), 402): 1}, [], now)
    page = await browser.open("/operator/overview")
    for title in ("Errors by status", "Tokens per second", "Cache hit rate", "Requests by model"):
        assert title in page
    called = await browser.client.get("/console/api/operator/overview")
    data = called.json()["data"]["biz_data"]
    assert (data["num_answers"], data["num_errors"]) == (101, 5)
    assert {each["name"]: sum(each["values"]) for each in data["errors"]} == {"402": 4, "500": 1}


async def test_limits_of_an_account_are_set_and_taken_away(
    browser: Browser, enforcer: Enforcer
) -> None:
    ann = browser.make_user("ann@example.org")
    await operator(browser)
    await browser.open(f"/operator/users/{ann.id}")
    path = f"/operator/users/{ann.id}/limits"
    assert "in force" in await browser.submit(path, requests_per_minute=30, concurrency=4)
    limits = KeyLimits(requests_per_minute=30, concurrency=4)
    assert browser.database.run(account_limits_of, ann.id) == limits
    assert enforcer.num_told == 1
    assert "requests_per_minute=30 concurrency=4" in browser.html
    odd: tuple[Mapping[str, object], ...] = (
        {"concurrency": 0},
        {"concurrency": -1},
        {"concurrency": "x"},
    )
    for fields in odd:
        await browser.submit(path, **fields)
        assert browser.status == 400, fields
    assert browser.database.run(all_account_limits) == {ann.id: limits}
    await browser.submit(path)
    assert browser.database.run(account_limits_of, ann.id) == NO_LIMITS


async def test_the_audit_log_is_searched_literally_and_in_pages(browser: Browser) -> None:
    await operator(browser)
    start = browser.clock.now() - timedelta(hours=1)
    for index in range(130):
        actor = Actor(None, f"a_{index % 2}@example.org", "127.0.0.1")
        at = start + timedelta(seconds=index)
        browser.database.run(record_action, actor, "ticket.opened", f"t{index}", at)

    async def found(**query: str | int | None) -> tuple[int, int | None]:
        called = await browser.client.get("/console/api/operator/audit", params=query)
        data = called.json()["data"]["biz_data"]
        return len(data["entries"]), data["next_before"]

    length, before = await found(action="ticket.")
    assert (length, (await found(action="ticket.", before=before))[0]) == (100, 30)
    assert (await found(actor="A_1@"))[0] == 65
    assert (await found(actor="a%1"))[0] == 0
    assert (await found(action="%"))[0] == 0
    assert (await found(subject="t7"))[0] == 1
    assert "Older" in await browser.open("/operator/audit?action=ticket.")


async def test_closing_a_ticket_is_audited_too(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    ticket = await browser.call("/tickets", kind="other", subject="Hello", text="A question.")
    await operator(browser)
    await browser.open(f"/operator/tickets/{ticket['id']}")
    await browser.submit(f"/operator/tickets/{ticket['id']}/close")
    assert "ticket.closed" in await browser.open(f"/operator/audit?subject={ticket['id']}")
