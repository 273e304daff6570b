"""What an operator does to accounts, and what stays out of reach."""

from __future__ import annotations

import re

from tests.support.browser import Browser
from whalefall.accounts.api_keys import authenticate, create_api_key
from whalefall.accounts.audit import list_actions
from whalefall.base.money import Currency
from whalefall.billing.ledger import balance
from whalefall.billing.verification import verify


async def test_a_grant_sent_twice_is_given_once(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    ann = browser.make_user("ann@example.org")
    await browser.sign_in("root@example.org")
    await browser.open(f"/operator/users/{ann.id}")
    found = re.search(r'name="idempotency_key" value="([0-9a-f]+g)"', browser.html)
    assert found is not None
    for _ in range(2):
        await browser.submit(
            f"/operator/users/{ann.id}/grant",
            amount="12.50",
            days=30,
            reason="hello",
            idempotency_key=found.group(1),
        )
        assert "has been granted" in browser.html
    await browser.submit(
        f"/operator/users/{ann.id}/top_up", amount="3", idempotency_key="receipt-0001"
    )
    now = browser.clock.now()
    wallet = browser.database.run(balance, ann.id, Currency.CNY, now)
    assert (wallet.granted_nanos, wallet.topped_up_nanos) == (12_500_000_000, 3_000_000_000)
    assert browser.database.run(verify).is_consistent
    for amount in ("0", "-5", "NaN", "1e30", "0.0000000001"):
        await browser.submit(
            f"/operator/users/{ann.id}/grant", amount=amount, idempotency_key="another-one"
        )
        assert browser.status == 400, amount
    assert browser.database.run(balance, ann.id, Currency.CNY, now) == wallet


async def test_suspending_stops_keys_and_logins_and_is_undone(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    ann = browser.make_user("ann@example.org")
    _, secret = browser.database.run(
        create_api_key, user_id=ann.id, name="hers", now=browser.clock.now()
    )
    await browser.sign_in("root@example.org")
    await browser.open(f"/operator/users/{ann.id}")
    await browser.submit(f"/operator/users/{ann.id}/suspend", reason="abuse")
    assert "has been suspended" in browser.html
    assert browser.database.run(authenticate, secret, browser.clock.now()) is None
    await browser.submit(f"/operator/users/{ann.id}/reinstate")
    assert browser.database.run(authenticate, secret, browser.clock.now()) is not None
    done = [entry.action for entry in browser.database.run(list_actions, subject=ann.id)]
    assert sorted(done) == ["user.reinstated", "user.suspended"]


async def test_operators_cannot_be_changed_by_operators(browser: Browser) -> None:
    admin = browser.make_admin("root@example.org")
    other = browser.make_admin("other@example.org")
    await browser.sign_in("root@example.org")
    await browser.open(f"/operator/users/{other.id}")
    for user in (admin, other):
        for action in ("suspend", "reset_second_factor", "sign_out", "reinstate"):
            await browser.submit(f"/operator/users/{user.id}/{action}")
            assert browser.status == 400, action
    assert "Monthly usage" in await browser.open("/usage")


async def test_search_takes_wildcards_literally_and_pages_are_bounded(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    for index in range(60):
        browser.make_user(f"user{index:02d}@example.org")
    browser.make_user("a%b_c@example.org")
    await browser.sign_in("root@example.org")

    async def found(query: str) -> list[str]:
        response = await browser.client.get("/console/api/operator/users", params={"q": query})
        return [user["email"] for user in response.json()["data"]["biz_data"]["users"]]

    assert await found("%") == ["a%b_c@example.org"]
    assert await found("_") == ["a%b_c@example.org"]
    assert await found("USER07@") == ["user07@example.org"]
    assert len(await found("")) == 50
    page = (await browser.client.get("/console/api/operator/users")).json()["data"]["biz_data"]
    rest = await browser.client.get(
        "/console/api/operator/users", params={"after": page["next_after"]}
    )
    assert len(rest.json()["data"]["biz_data"]["users"]) == 12


async def test_the_outbox_and_the_audit_log_are_readable(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    await browser.open("/sign_up")
    await browser.submit("/sign_up/code", email="eve@example.org")
    code = browser.code("eve@example.org")
    await browser.sign_in("root@example.org")
    assert code in await browser.open("/operator/outbox")
    assert "login.created" in await browser.open("/operator/audit")
    assert code not in browser.html
    assert "Requests by model" in await browser.open("/operator/overview")


async def test_an_appeal_becomes_a_ticket_that_is_answered_by_mail(browser: Browser) -> None:
    browser.make_admin("root@example.org")
    browser.make_user("ann@example.org")
    answers = []
    for email in ("ann@example.org", "nobody@example.org"):
        await browser.open("/appeal")
        html = await browser.submit("/appeal", email=email, text="That was not me.\n<b>")
        answers.append(html.replace(email, "…"))
    assert answers[0] == answers[1]
    await browser.sign_in("root@example.org")
    await browser.open("/operator/tickets")
    ticket = re.findall(r'/operator/tickets/(ticket_[0-9a-f]+)"', browser.html)[0]
    await browser.open(f"/operator/tickets/{ticket}")
    assert "&lt;b&gt;" in browser.html
    await browser.submit(f"/operator/tickets/{ticket}/reply", text="You are welcome back.")
    mails = browser.mails("ann@example.org") + browser.mails("nobody@example.org")
    assert [mail.text for mail in mails] == ["You are welcome back."]


async def test_nobody_reads_anothers_ticket(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    browser.make_user("ben@example.org")
    await browser.sign_in("ann@example.org")
    ticket = await browser.call("/tickets", kind="refund", subject="Refund", text="Please.")
    assert "Please." in await browser.open(f"/tickets/{ticket['id']}")
    await browser.submit(f"/tickets/{ticket['id']}/reply", text="Soon?")
    assert "Soon?" in browser.html
    await browser.sign_in("ben@example.org")
    await browser.open(f"/tickets/{ticket['id']}")
    assert browser.status == 404
    await browser.open("/tickets")
    for action in ("reply", "close"):
        await browser.submit(f"/tickets/{ticket['id']}/{action}", text="Mine now")
        assert browser.status == 404
