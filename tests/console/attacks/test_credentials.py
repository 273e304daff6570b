"""API keys in hostile hands: odd bytes, dead keys, and where a secret could leak to."""

from __future__ import annotations

import asyncio
import io
import logging
import zipfile
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Connection, text
from starlette.types import ASGIApp

from tests.support.browser import Browser
from tests.support.fake_clock import FakeClock
from tests.support.keyed_platform import KeyedPlatform
from tests.support.listening import listening
from tests.support.wire import wire_app
from whalefall.accounts.api_keys import create_api_key, revoke_api_key
from whalefall.accounts.users import User, create_user, reinstate_user, suspend_user
from whalefall.base.db import Database
from whalefall.base.tables import metadata

ENDPOINTS = (
    ("GET", "/models"),
    ("GET", "/user/balance"),
    ("POST", "/chat/completions"),
    ("POST", "/beta/completions"),
    ("POST", "/anthropic/v1/messages"),
    ("POST", "/responses"),
)
HOSTILE = (
    b"Bearer sk-' OR '1'='1' --",
    b"Bearer sk-\x00" + b"0" * 31,
    b"Bearer sk-0\nX-Evil: yes",
    b"Bearer \xff\xfe\xfd",
    b"Bearer " + "密钥".encode(),
    b"Bearer sk-" + b"a" * 1_000_000,
    b"Bearer sk-%s%n{0}{{7*7}}${jndi:ldap://x}",
    b"Bearer ../../etc/passwd",
    b"Bearer",
    b"Bearer ",
    b"Basic " + b"sk-" + b"0" * 32,
    b"",
)


async def answer(
    app: ASGIApp, method: str, path: str, headers: list[tuple[bytes, bytes]]
) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://wire") as client:
        sent = [*headers, (b"content-type", b"application/json")]
        return await client.request(method, path, headers=sent, content=b"{}")


def make_user(database: Database, clock: FakeClock) -> User:
    return database.run(create_user, email="ann@example.org", now=clock.now())


def make_key(database: Database, clock: FakeClock, user: User) -> tuple[str, str]:
    key, secret = database.run(create_api_key, user_id=user.id, name="k", now=clock.now())
    return key.id, secret


async def test_hostile_credentials_are_a_plain_401_everywhere(
    database: Database, clock: FakeClock
) -> None:
    make_key(database, clock, make_user(database, clock))
    app = wire_app(KeyedPlatform(database, clock))
    for method, path in ENDPOINTS:
        for value in HOSTILE:
            for name in (b"authorization", b"x-api-key"):
                response = await answer(app, method, path, [(name, value)])
                case = (method, path, name, value[:40])
                assert response.status_code == 401, case
                assert len(response.content) < 400, case
                assert "jndi" not in response.text, case
                assert "OR '1'" not in response.text, case
                assert "x-evil" not in response.headers, case


async def test_unknown_revoked_expired_and_suspended_read_all_the_same(
    database: Database, clock: FakeClock
) -> None:
    user = make_user(database, clock)
    other = database.run(create_user, email="ben@example.org", now=clock.now())
    revoked_id, revoked = make_key(database, clock, user)
    database.run(revoke_api_key, revoked_id, clock.now())
    soon = clock.now() + timedelta(seconds=1)
    _, expired = database.run(
        create_api_key, user_id=user.id, name="e", now=clock.now(), expires_at=soon
    )
    _, suspended = make_key(database, clock, other)
    database.run(suspend_user, other.id, clock.now())
    clock.advance(2)
    app = wire_app(KeyedPlatform(database, clock))
    for method, path in ENDPOINTS:
        bodies = set()
        for secret in ("sk-" + "0" * 32, revoked, expired, suspended):
            header = (b"authorization", f"Bearer {secret}".encode())
            response = await answer(app, method, path, [header])
            assert response.status_code == 401
            bodies.add(response.text.replace(secret[-4:], "...."))
        assert len(bodies) == 1, path


async def test_a_million_bytes_of_header_close_the_connection(
    database: Database, clock: FakeClock
) -> None:
    async with listening(wire_app(KeyedPlatform(database, clock))) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
        writer.write(b"GET /models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ")
        for _ in range(16):
            writer.write(b"a" * 65_536)
        writer.write(b"\r\nConnection: close\r\n\r\n")
        head = await asyncio.wait_for(reader.read(400), 20)
        assert head.split()[1] in (b"401", b"400", b"431")
        writer.close()


async def test_a_key_dies_in_every_worker_with_the_commit_that_revokes_it(
    database: Database, database_url: str, clock: FakeClock
) -> None:
    """Workers keep nothing of a key: each looks it up anew. So the stated time is none at all."""
    user = make_user(database, clock)
    with Database.open(database_url) as second, Database.open(database_url) as third:
        workers = [wire_app(KeyedPlatform(each, clock)) for each in (database, second, third)]

        async def statuses(secret: str) -> list[int]:
            header = (b"authorization", f"Bearer {secret}".encode())
            found = [await answer(each, "GET", "/models", [header]) for each in workers]
            return [response.status_code for response in found]

        key_id, secret = make_key(database, clock, user)
        assert await statuses(secret) == [200] * 3
        third.run(revoke_api_key, key_id, clock.now())
        assert await statuses(secret) == [401] * 3
        _, secret = make_key(second, clock, user)
        assert await statuses(secret) == [200] * 3
        second.run(suspend_user, user.id, clock.now())
        assert await statuses(secret) == [401] * 3
        database.run(reinstate_user, user.id)
        assert await statuses(secret) == [200] * 3


async def test_no_more_of_a_secret_than_its_stub_is_anywhere(
    browser: Browser,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    user = browser.make_user("ann@example.org")
    browser.make_admin("root@example.org")
    await browser.sign_in("ann@example.org")
    made = await browser.call("/api_keys", name="laptop")
    secret = made["secret"]
    header = (b"authorization", f"Bearer {secret}".encode())
    wrong = (b"authorization", f"Bearer {secret[:-1]}x".encode())
    app = wire_app(KeyedPlatform(browser.database, browser.clock))
    seen = [await browser.open(path) for path in ("/api_keys", "/usage", "/profile")]
    for method, path in ENDPOINTS:
        for each in (header, wrong):
            response = await answer(app, method, path, [each])
            seen += [response.text, str(response.headers)]
    export = (await browser.client.get("/usage/export")).content
    with zipfile.ZipFile(io.BytesIO(export)) as archive:
        seen += [archive.read(name).decode() for name in archive.namelist()]
    await browser.call("/api_keys/revoke", api_key_id=made["api_key"]["id"])
    seen.append((await answer(app, "GET", "/models", [header])).text)
    await browser.sign_in("root@example.org")
    for path in ("/operator/audit", "/operator/outbox", f"/operator/users/{user.id}"):
        seen.append(await browser.open(path))
    seen.append(browser.database.run_read(everything))
    captured = capfd.readouterr()
    seen += [caplog.text, captured.out, captured.err]
    found = "\n".join(seen)
    assert made["api_key"]["masked"] in found
    pieces = [secret[start : start + 8] for start in range(3, len(secret) - 7)]
    assert [piece for piece in pieces if piece in found] == []


def everything(conn: Connection) -> str:
    """Every row of every table."""
    rows = [
        str(tuple(row))
        for table in metadata.tables
        for row in conn.execute(text(f'SELECT * FROM "{table}"'))
    ]
    assert len(rows) > 5
    return "\n".join(rows)
