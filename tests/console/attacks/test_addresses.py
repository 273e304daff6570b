"""Where a call comes from: what the connection says, unless a trusted proxy says better."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from sqlalchemy import Connection
from starlette.applications import Starlette

from tests.support.fake_clock import FakeClock
from tests.support.keyed_platform import KeyedPlatform
from tests.support.scripted_serving import ScriptedPlatform
from whalefall.accounts.api_keys import create_api_key
from whalefall.accounts.key_rules import KeyRules
from whalefall.accounts.users import create_user
from whalefall.api.options import WireOptions
from whalefall.api.routes import api_routes
from whalefall.base.db import Database
from whalefall.cli.serve import server_config
from whalefall.settings import Settings

FORGED = (
    {"x-forwarded-for": "203.0.113.7"},
    {"x-forwarded-for": "203.0.113.7, 203.0.113.7"},
    {"x-real-ip": "203.0.113.7"},
    {"forwarded": "for=203.0.113.7"},
    {"x-client-ip": "203.0.113.7", "cf-connecting-ip": "203.0.113.7"},
)


@contextlib.asynccontextmanager
async def serving(platform: ScriptedPlatform, proxies: tuple[str, ...]) -> AsyncIterator[str]:
    """As `whalefall serve` configures its server."""
    app = Starlette(routes=api_routes(platform, WireOptions()))
    config = server_config(Settings(trusted_proxies=proxies), app)
    config.lifespan = "off"
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


def key_for(conn: Connection, network: str, clock: FakeClock) -> str:
    user = create_user(conn, email="ann@example.org", now=clock.now())
    rules = KeyRules(networks=(network,))
    return create_api_key(conn, user_id=user.id, name="k", now=clock.now(), rules=rules)[1]


async def status(url: str, secret: str, headers: dict[str, str]) -> int:
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.get(
            "/models", headers={"authorization": f"Bearer {secret}", **headers}
        )
        return answer.status_code


async def test_a_forged_header_changes_nothing(database: Database, clock: FakeClock) -> None:
    """The attacker sits on an address that is not on the key's list, and says it is another."""
    secret = database.run(key_for, "203.0.113.7", clock)
    async with serving(KeyedPlatform(database, clock), ()) as url:
        assert await status(url, secret, {}) == 403
        for headers in FORGED:
            assert await status(url, secret, headers) == 403, headers


async def test_behind_a_trusted_proxy_the_last_untrusted_address_counts(
    database: Database, clock: FakeClock
) -> None:
    secret = database.run(key_for, "203.0.113.7", clock)
    async with serving(KeyedPlatform(database, clock), ("127.0.0.1", "10.0.0.0/8")) as url:
        cases = {
            "203.0.113.7": 200,
            "203.0.113.7, 10.1.2.3": 200,
            "198.51.100.9, 203.0.113.7": 200,
            "203.0.113.7, 198.51.100.9": 403,
            "203.0.113.7, 198.51.100.9, 10.1.2.3": 403,
            "nonsense": 403,
            "203.0.113.7, <script>": 403,
        }
        for chain, expected in cases.items():
            assert await status(url, secret, {"x-forwarded-for": chain}) == expected, chain


async def test_an_untrusted_proxy_is_only_a_client(database: Database, clock: FakeClock) -> None:
    secret = database.run(key_for, "203.0.113.7", clock)
    async with serving(KeyedPlatform(database, clock), ("10.0.0.1",)) as url:
        assert await status(url, secret, {"x-forwarded-for": "203.0.113.7"}) == 403


async def test_a_key_without_a_list_works_from_anywhere(
    database: Database, clock: FakeClock
) -> None:
    user = database.run(create_user, email="ann@example.org", now=clock.now())
    _, secret = database.run(create_api_key, user_id=user.id, name="k", now=clock.now())
    async with serving(KeyedPlatform(database, clock), ()) as url:
        assert await status(url, secret, {}) == 200


@pytest.mark.parametrize("network", ["127.0.0.1", "127.0.0.0/8"])
async def test_the_right_place_is_let_in(
    database: Database, clock: FakeClock, network: str
) -> None:
    secret = database.run(key_for, network, clock)
    async with serving(KeyedPlatform(database, clock), ()) as url:
        assert await status(url, secret, {}) == 200
