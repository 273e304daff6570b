"""Coming in and going out, as a person and as someone who should not."""

from __future__ import annotations

import httpx
import pytest

from tests.support.browser import PASSWORD, Browser
from whalefall.accounts.users import suspend_user


async def test_a_visitor_is_sent_to_sign_in_and_back_to_the_page_wanted(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.open("/api_keys")
    assert 'value="/api_keys"' in browser.html
    await browser.submit("/sign_in", email="ann@example.org", password=PASSWORD, next="/api_keys")
    assert "Create a key" in browser.html


async def test_sign_up_with_a_mailed_code_signs_in(browser: Browser) -> None:
    user = await browser.sign_up("Ben@Example.org", currency="USD")
    assert (user.email, user.currency) == ("ben@example.org", "USD")
    assert "Monthly usage" in browser.html


async def test_a_wrong_code_makes_no_account_and_five_end_the_code(browser: Browser) -> None:
    await browser.open("/sign_up")
    await browser.submit("/sign_up/code", email="eve@example.org")
    code = browser.code("eve@example.org")
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(5):
        await browser.submit(
            "/sign_up", email="eve@example.org", code=wrong, password=PASSWORD, stage="code"
        )
        assert "wrong or has expired" in browser.html
    await browser.submit(
        "/sign_up", email="eve@example.org", code=code, password=PASSWORD, stage="code"
    )
    assert "wrong or has expired" in browser.html


async def test_known_and_unknown_addresses_get_the_same_answers(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    pages = []
    for email in ("ann@example.org", "zoe@example.org"):
        await browser.open("/sign_in")
        signed_in = await browser.submit("/sign_in", email=email, password="not the password")
        await browser.open("/sign_up")
        signed_up = await browser.submit("/sign_up/code", email=email)
        await browser.open("/reset_password")
        reset = await browser.submit("/reset_password/code", email=email)
        pages.append([page.replace(email, "…") for page in (signed_in, signed_up, reset)])
    assert pages[0] == pages[1]
    assert any("already" in mail.subject for mail in browser.mails("ann@example.org"))


async def test_guessing_is_slowed_down_and_waiting_helps(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    for _ in range(8):
        await browser.sign_in("ann@example.org", "not the password")
        assert browser.status == 400
    await browser.sign_in("ann@example.org")
    assert browser.status == 429
    assert "Too many attempts" in browser.html
    browser.clock.advance(16 * 60)
    await browser.sign_in("ann@example.org")
    assert "Monthly usage" in browser.html


async def test_a_suspended_user_is_told_so_only_with_the_right_password(browser: Browser) -> None:
    user = browser.make_user("ann@example.org")
    browser.database.run(suspend_user, user.id, browser.clock.now())
    assert "suspended." not in await browser.sign_in("ann@example.org", "not the password")
    assert "has been temporarily suspended" in await browser.sign_in("ann@example.org")
    browser.client.headers["accept-language"] = "zh-CN"
    assert "你的账号已被临时停用" in await browser.sign_in("ann@example.org")


async def test_suspension_ends_a_login_at_once(browser: Browser) -> None:
    user = browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    browser.database.run(suspend_user, user.id, browser.clock.now())
    assert "To your API keys" in await browser.open("/usage")


async def test_a_login_token_is_new_at_every_sign_in(browser: Browser) -> None:
    """Session fixation: what the browser held before signing in opens nothing afterwards."""
    browser.make_user("ann@example.org")
    browser.client.cookies.set("whalefall_login", "planted-by-a-stranger", "127.0.0.1")
    await browser.sign_in("ann@example.org")
    first = browser.client.cookies["whalefall_login"]
    assert first != "planted-by-a-stranger"
    await browser.sign_in("ann@example.org")
    second = browser.client.cookies["whalefall_login"]
    assert first != second
    answer = await browser.client.get(
        "/console/api/usage", headers={"authorization": f"Bearer {first}", "cookie": ""}
    )
    assert answer.status_code == 401


async def test_sign_out_ends_the_login_in_the_database(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    token = browser.client.cookies["whalefall_login"]
    assert "You are signed out" in await browser.submit("/sign_out")
    browser.client.cookies.set("whalefall_login", token, "127.0.0.1")
    assert "To your API keys" in await browser.open("/usage")


async def test_logins_expire_when_idle(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    browser.clock.advance(13 * 24 * 3600)
    assert "Monthly usage" in await browser.open("/usage")
    browser.clock.advance(13 * 24 * 3600)
    assert "Monthly usage" in await browser.open("/usage")
    browser.clock.advance(5 * 24 * 3600)
    assert "To your API keys" in await browser.open("/usage")


async def test_cookies_are_http_only_and_same_site(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.open("/sign_in")
    response = await browser.client.post(
        "/sign_in",
        data={"csrf": await browser.csrf(), "email": "ann@example.org", "password": PASSWORD},
    )
    cookie = response.headers["set-cookie"].lower()
    assert response.status_code == 303
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


async def test_the_next_page_is_always_one_of_ours(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1"):
        await browser.open("/sign_in")
        response = await browser.client.post(
            "/sign_in",
            data={
                "csrf": await browser.csrf(),
                "email": "ann@example.org",
                "password": PASSWORD,
                "next": target,
            },
        )
        assert response.headers["location"] == "/"


async def test_a_generated_password_must_be_changed_before_anything_else(browser: Browser) -> None:
    browser.make_admin("admin@example.org", has_own_password=False)
    await browser.sign_in("admin@example.org")
    assert "Choose a password of your own" in browser.html
    for path in ("/usage", "/api_keys", "/profile"):
        assert "Choose a password of your own" in await browser.open(path)
    call = await browser.client.get("/console/api/usage")
    assert call.status_code == 403
    await browser.submit("/change_password", password=PASSWORD, new_password=PASSWORD)
    assert "must differ" in browser.html
    await browser.submit("/change_password", password=PASSWORD, new_password="my own, at last")
    assert "Your password has been changed" in browser.html
    assert "Monthly usage" in await browser.open("/usage")


async def test_a_password_reset_ends_all_logins(browser: Browser) -> None:
    browser.make_user("ann@example.org")
    await browser.sign_in("ann@example.org")
    token = browser.client.cookies["whalefall_login"]
    browser.client.cookies.clear()
    await browser.open("/reset_password")
    await browser.submit("/reset_password/code", email="ann@example.org")
    code = browser.code("ann@example.org")
    await browser.submit(
        "/reset_password", email="ann@example.org", code=code, new_password="another 4000 m"
    )
    assert "has been changed" in browser.html
    answer = await browser.client.get(
        "/console/api/usage", headers={"authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 401
    assert "not right" in await browser.sign_in("ann@example.org")
    assert "Monthly usage" in await browser.sign_in("ann@example.org", "another 4000 m")


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa"])
async def test_weak_passwords_are_refused(browser: Browser, password: str) -> None:
    await browser.open("/sign_up")
    await browser.submit("/sign_up/code", email="eve@example.org")
    await browser.submit(
        "/sign_up",
        email="eve@example.org",
        code=browser.code("eve@example.org"),
        password=password,
        stage="code",
    )
    assert browser.status == 400
    assert password not in browser.html


async def test_programs_sign_in_for_a_bearer_token(browser: Browser, console_url: str) -> None:
    browser.make_user("ann@example.org")
    async with httpx.AsyncClient(base_url=console_url, timeout=60) as client:
        response = await client.post(
            "/console/api/sign_in", json={"email": "ann@example.org", "password": PASSWORD}
        )
        body = response.json()
        assert (body["code"], body["data"]["biz_code"]) == (0, 0)
        token = body["data"]["biz_data"]["token"]
        client.headers["authorization"] = f"Bearer {token}"
        made = await client.post("/console/api/api_keys", json={"name": "from a program"})
        assert made.json()["data"]["biz_data"]["secret"].startswith("sk-")
        refused = await client.post("/console/api/api_keys", json={"name": ""})
        assert refused.status_code == 400
        assert refused.json()["data"]["biz_code"] == 1
