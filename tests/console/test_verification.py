"""Verification as people meet it: forms of a browser, calls of a program, the operator's queue."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from starlette.applications import Starlette

from tests.support.browser import Browser
from tests.support.identities import (
    PDF,
    VAULT,
    claim_of,
    credit_code,
    resident_number,
    verified,
)
from tests.support.listening import listening
from whalefall.accounts import identity_numbers, verification, verification_documents
from whalefall.accounts.audit import list_actions
from whalefall.accounts.identity_checks import Decision, Verdict
from whalefall.accounts.profiles import Profile, set_profile
from whalefall.accounts.users import User
from whalefall.accounts.verification import (
    Claim,
    Verification,
    VerificationKind,
    VerificationState,
    submit_claim,
    verifications_of,
    verified_identity,
)
from whalefall.console.application import console_routes
from whalefall.console.context import ConsoleContext
from whalefall.console.language import Language, load_catalogs

NUMBER = resident_number(500)
CODE = credit_code(500)
PERSON = {"name": "Ann Example", "id_number": NUMBER, "is_declared": "true"}
COMPANY = {
    "name": "Example Whale Ltd",
    "id_number": CODE,
    "legal_representative": "Lee Example",
    "is_declared": "true",
}


async def signed_in(browser: Browser, email: str = "ann@example.org") -> User:
    user = browser.make_user(email)
    browser.enter(user)
    await browser.open("/verification")
    return user


async def as_operator(browser: Browser) -> None:
    browser.enter(browser.make_admin("root@example.org"))
    await browser.open("/operator/verifications")


async def upload(browser: Browser, content: bytes = PDF, **fields: str) -> httpx.Response:
    """The company's form, with its file."""
    data = {"csrf": await browser.csrf(), **COMPANY, **fields}
    files = {"document": ("../../licence.exe", content, "text/html")}
    response = await browser.client.post(
        "/verification/enterprise", data=data, files=files, follow_redirects=True
    )
    browser.html, browser.status = response.text, response.status_code
    return response


def claims(browser: Browser, user: User) -> list[Verification]:
    return browser.database.run(verifications_of, user.id)


async def test_a_person_is_verified_by_an_operator(browser: Browser) -> None:
    user = await signed_in(browser)
    assert "not verified" in browser.html
    await browser.submit("/verification/personal", **PERSON)
    assert "Your details have been received" in browser.html
    assert "Being checked" in browser.html
    assert NUMBER not in browser.html
    await as_operator(browser)
    html = await browser.open("/operator/verifications")
    assert "Ann Example" in html
    (claim,) = claims(browser, user)
    page = f"/operator/verifications/{claim.id}"
    assert NUMBER not in await browser.open(page)
    assert NUMBER in await browser.submit(f"{page}/number")
    assert NUMBER not in await browser.open(page), "shown once per click"
    await browser.submit(f"{page}/approve")
    assert "has been approved" in browser.html
    letter = browser.mails("ann@example.org")[0]
    assert "Ann Example" in letter.text
    assert NUMBER not in letter.text
    browser.enter(user)
    html = await browser.open("/verification")
    assert "9" + "*" * 16 + NUMBER[-1] in html
    assert NUMBER not in html
    assert "Verify as a person" not in html
    assert "Change to an enterprise" in html
    assert "Ann Example" in await browser.open("/profile")
    actions = [(entry.action, entry.subject) for entry in browser.database.run(list_actions)]
    for action in ("submitted", "number_shown", "approved"):
        assert (f"verification.{action}", user.id) in actions


async def test_a_company_shows_its_licence_to_operators_only(browser: Browser) -> None:
    user = await signed_in(browser)
    await upload(browser)
    assert "Your details have been received" in browser.html, browser.html
    (claim,) = claims(browser, user)
    path = f"/operator/verifications/{claim.id}/document"
    assert (await browser.client.get(path)).status_code == 404
    await as_operator(browser)
    response = await browser.client.get(path)
    assert response.content == PDF
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    name = f"{claim.id}.pdf"
    assert response.headers["content-disposition"] == f'attachment; filename="{name}"'
    done = [entry.action for entry in browser.database.run(list_actions)]
    assert any("document_opened" in action for action in done)
    await browser.open(f"/operator/verifications/{claim.id}")
    await browser.submit(f"/operator/verifications/{claim.id}/reject", reason="")
    assert "Give a reason" in browser.html
    await browser.submit(f"/operator/verifications/{claim.id}/reject", reason="cut <off>")
    assert "has been rejected" in browser.html
    assert "cut <off>" in browser.mails("ann@example.org")[0].text
    assert (await browser.client.get(path)).status_code == 404
    browser.enter(user)
    assert "cut &lt;off&gt;" in await browser.open("/verification")
    await upload(browser)
    assert "Your details have been received" in browser.html


async def test_a_person_becomes_a_company_and_never_anything_else(browser: Browser) -> None:
    user = await signed_in(browser)
    verified(browser.database, user)
    browser.clock.advance(60)
    await browser.open("/verification")
    await upload(browser)
    assert "Being checked" in browser.html
    before = browser.database.run(verified_identity, user.id)
    assert before is not None
    assert before.kind is VerificationKind.PERSONAL
    claim = claims(browser, user)[0]
    await as_operator(browser)
    await browser.open(f"/operator/verifications/{claim.id}")
    await browser.submit(f"/operator/verifications/{claim.id}/approve")
    browser.enter(user)
    html = await browser.open("/verification")
    assert "Example Whale Ltd" in html
    assert "cannot be changed" in html
    assert "/verification/enterprise" not in html
    await browser.submit("/verification/personal", **PERSON)
    assert (browser.status, "cannot be changed" in browser.html) == (400, True)


async def test_wrong_numbers_lock_the_function_for_a_while(browser: Browser) -> None:
    user = await signed_in(browser)
    wrong = {**PERSON, "id_number": NUMBER[:-1] + ("1" if NUMBER[-1] != "1" else "2")}
    for _ in range(4):
        await browser.submit("/verification/personal", **wrong)
        assert (browser.status, "not a valid resident ID" in browser.html) == (400, True)
        assert 'value="Ann Example"' in browser.html
        assert wrong["id_number"] not in browser.html
    until = (browser.clock.now() + timedelta(hours=24)).strftime("%Y-%m-%d %H:%M")
    await browser.submit("/verification/personal", **wrong)
    assert f"locked until {until} UTC" in browser.html
    await browser.open("/usage")
    await browser.post("/verification/personal", **PERSON)
    assert claims(browser, user) == [], "right numbers wait, too"
    assert f"locked until {until} UTC" in await browser.open("/verification")
    assert "Verify as a person" not in browser.html
    browser.clock.advance(24 * 3600 + 1)
    await browser.open("/verification")
    await browser.submit("/verification/personal", **PERSON)
    assert len(claims(browser, user)) == 1


async def test_a_number_of_another_account_is_refused_and_counted(browser: Browser) -> None:
    other = browser.make_user("bob@example.org")
    browser.database.run(submit_claim, VAULT, claim_of(other, number=NUMBER), browser.clock.now())
    user = await signed_in(browser)
    for attempt in range(5):
        await browser.submit("/verification/personal", **PERSON)
        expected = "bound to another account" if attempt < 4 else "locked until"
        assert (browser.status, expected in browser.html) == (400, True)
        assert "bob" not in browser.html
    assert claims(browser, user) == []


async def test_odd_forms_are_refused_without_being_counted(browser: Browser) -> None:
    user = await signed_in(browser)
    for _ in range(3):
        for odd in ({"is_declared": ""}, {"name": ""}, {"name": "x" * 101}, {"name": "\x07 bell"}):
            await browser.submit("/verification/personal", **{**PERSON, **odd})
            assert browser.status == 400
    for content in (b"", b"<html>", PDF[:-6] + b"0" * (4 << 20) + b"%%EOF"):
        await upload(browser, content)
        assert (browser.status, "Attach a PDF" in browser.html) == (400, True)
    assert "locked" not in browser.html
    assert claims(browser, user) == []


async def test_uploads_are_bounded_and_have_to_be_forms(browser: Browser) -> None:
    await signed_in(browser)
    assert (await upload(browser, b"%PDF-" + b"0" * (5 << 20))).status_code == 413
    many = {f"field{index}": "1" for index in range(200)}
    assert (await upload(browser, PDF, **many)).status_code == 400
    for body in (b"", b"--x", b"--x\r\n\r\n\r\nno name\r\n--x--", b"\xff" * 100):
        response = await browser.client.post(
            "/verification/enterprise",
            content=body,
            headers={"content-type": "multipart/form-data; boundary=x"},
        )
        assert response.status_code in (400, 403)
    response = await browser.client.post("/verification/personal", files={"name": ("x", b"x")})
    assert response.status_code == 415, "a form without files takes none"


async def test_uploads_need_the_token_of_the_form(browser: Browser) -> None:
    user = await signed_in(browser)
    data = {**COMPANY, "csrf": "0" * 64}
    files = {"document": ("a.pdf", PDF)}
    response = await browser.client.post("/verification/enterprise", data=data, files=files)
    assert response.status_code == 403
    assert claims(browser, user) == []


async def test_the_same_as_json_calls(browser: Browser) -> None:
    user = await signed_in(browser)
    document = base64.b64encode(PDF).decode()
    fields = {**COMPANY, "is_declared": True, "document": document}
    made = await browser.call("/verification/enterprise", **fields)
    assert (made["state"], made["kind"]) == ("waiting", "enterprise")
    assert CODE not in str(made)
    looked = await browser.client.get("/console/api/verification")
    assert looked.json()["data"]["biz_data"]["waiting"]["id"] == made["id"]
    assert CODE not in looked.text
    assert claims(browser, user)[0].name == "Example Whale Ltd"
    await as_operator(browser)
    shown = await browser.call(f"/operator/verifications/{made['id']}/number")
    assert shown == {"number": CODE}
    assert CODE not in (await browser.client.get("/console/api/operator/verifications")).text
    await browser.call(f"/operator/verifications/{made['id']}/approve")
    identity = browser.database.run(verified_identity, user.id)
    assert identity is not None


async def test_fields_nobody_asked_for_verify_nobody(browser: Browser) -> None:
    user = await signed_in(browser)
    bob = browser.make_user("bob@example.org")
    extra = {
        "state": "approved",
        "decided_at": "2026-01-01T00:00:00Z",
        "kind": "enterprise",
        "user_id": bob.id,
        "verification_id": "verification_1",
        "legal_representative": "Eve",
    }
    await browser.submit("/verification/personal", **PERSON, **extra)
    (claim,) = claims(browser, user)
    assert (claim.state, claim.kind) == (VerificationState.WAITING, VerificationKind.PERSONAL)
    assert claim.legal_representative == ""
    assert claims(browser, bob) == []
    assert browser.database.run(verified_identity, user.id) is None


async def test_nobody_else_reaches_a_claim(browser: Browser) -> None:
    other = browser.make_user("bob@example.org")
    claim = claim_of(other, VerificationKind.ENTERPRISE, "Bob's Whales Ltd", CODE)
    made = browser.database.run(submit_claim, VAULT, claim, browser.clock.now())
    await signed_in(browser)
    base = f"/operator/verifications/{made.id}"
    for path in (base, f"{base}/document", f"/verification/{made.id}"):
        for url in (path, f"/console/api{path}"):
            response = await browser.client.get(url)
            assert response.status_code in (403, 404)
            assert b"Whales" not in response.content
    for action in ("approve", "reject", "number"):
        posted = await browser.post(f"{base}/{action}", reason="mine now")
        assert posted.status_code == 404
    html = await browser.open(f"/verification?user_id={other.id}&verification_id={made.id}")
    assert "Whales" not in html
    state = claims(browser, other)[0].state
    assert state is VerificationState.WAITING


async def test_names_are_text_wherever_they_are_shown(browser: Browser) -> None:
    user = await signed_in(browser)
    name = '<script>alert("x")</script>"\'>'
    await upload(browser, name=name, legal_representative="<img src=x onerror=alert(1)>")
    claim = claims(browser, user)[0]
    assert claim.name == name
    pages = [browser.html]
    await as_operator(browser)
    base = f"/operator/verifications/{claim.id}"
    pages += [await browser.open("/operator/verifications"), await browser.open(base)]
    await browser.submit(f"{base}/approve")
    pages.append(await browser.open(f"/operator/users/{user.id}"))
    browser.enter(user)
    pages += [await browser.open("/verification"), await browser.open("/profile")]
    for html in pages:
        assert "alert(" not in html or "&lt;" in html
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert name not in html


async def test_numbers_stand_in_no_log_letter_audit_or_error(
    browser: Browser, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    user = await signed_in(browser)
    await browser.submit("/verification/personal", **PERSON)
    bob = await signed_in(browser, "bob@example.org")
    seen = [await browser.submit("/verification/personal", **PERSON)]
    seen.append((await upload(browser, id_number=NUMBER)).text)
    response = await browser.client.post(
        "/console/api/verification/personal",
        json={"name": NUMBER, "id_number": int(NUMBER[:17]), "is_declared": NUMBER},
        headers={"x-csrf-token": await browser.csrf()},
    )
    seen.append(response.text)
    await as_operator(browser)
    claim = claims(browser, user)[0]
    await browser.open(f"/operator/verifications/{claim.id}")
    await browser.submit(f"/operator/verifications/{claim.id}/number")
    await browser.submit(f"/operator/verifications/{claim.id}/approve")
    seen += [await browser.open("/operator/audit"), await browser.open(f"/operator/users/{bob.id}")]
    seen += [await browser.open("/operator/outbox"), str(browser.database.run(list_actions))]
    seen += [caplog.text, *capfd.readouterr()]
    for text in seen:
        assert NUMBER not in text
        assert NUMBER[:17] not in text


async def test_letters_are_in_the_language_of_the_person(browser: Browser) -> None:
    user = await signed_in(browser)
    browser.database.run(set_profile, Profile(user.id, language="zh-CN"))
    await browser.submit("/verification/personal", **PERSON)
    await as_operator(browser)
    claim = claims(browser, user)[0]
    await browser.open(f"/operator/verifications/{claim.id}")
    await browser.submit(f"/operator/verifications/{claim.id}/approve")
    assert "已通过实名认证" in browser.mails("ann@example.org")[0].subject


class Checker:
    """Answers as it is told, or fails."""

    name = "register"

    def __init__(self, verdict: Verdict | None) -> None:
        self.verdict = verdict
        self.asked: list[Claim] = []

    async def check(self, claim: Claim) -> Verdict:
        self.asked.append(claim)
        if self.verdict is None:
            raise ConnectionError("the register is closed")
        return self.verdict


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict(Decision.APPROVE), VerificationState.APPROVED),
        (Verdict(Decision.REJECT, "name and number differ"), VerificationState.REJECTED),
        (Verdict(Decision.ASK_OPERATOR), VerificationState.WAITING),
        (None, VerificationState.WAITING),
    ],
)
async def test_a_checker_decides_or_leaves_it_to_an_operator(
    context: ConsoleContext, verdict: Verdict | None, state: VerificationState, browser: Browser
) -> None:
    checker = Checker(verdict)
    routes = console_routes(replace(context, identity_checker=checker))
    async with (
        listening(Starlette(routes=routes)) as url,
        httpx.AsyncClient(base_url=url, headers={"accept-language": "en"}) as client,
    ):
        mine = replace(browser, client=client)
        user = await signed_in(mine)
        await mine.submit("/verification/personal", **PERSON)
        (claim,) = claims(mine, user)
        assert claim.state is state
        assert [each.number for each in checker.asked] == [NUMBER]
        if state is not VerificationState.WAITING:
            assert claim.decided_by == "register"
            assert len(mine.mails("ann@example.org")) == 1
        if state is VerificationState.REJECTED:
            for _ in range(4):
                await mine.open("/verification")
                await mine.submit("/verification/personal", **PERSON)
            assert "locked until" in await mine.open("/verification")


async def test_deleting_an_account_frees_its_number(browser: Browser) -> None:
    user = await signed_in(browser)
    verified(browser.database, user)
    await upload(browser)
    await browser.open("/profile/delete")
    await browser.submit("/profile/delete", email="ann@example.org", password="deep water, 4000 m")
    assert claims(browser, user) == []
    await signed_in(browser, "bob@example.org")
    await upload(browser)
    assert "Your details have been received" in browser.html


def test_every_refusal_is_translated() -> None:
    chinese = load_catalogs()[Language.CHINESE]
    texts = {
        text
        for module in (verification, verification_documents, identity_numbers)
        for name, text in vars(module).items()
        if name.isupper() and isinstance(text, str) and " " in text
    }
    assert len(texts) > 10
    assert sorted(text for text in texts if text not in chinese) == []
