"""The console as its visitors meet it: over a real socket, with a real database of either kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from tests.support.browser import Browser
from tests.support.fake_clock import FakeClock
from tests.support.identities import VAULT
from tests.support.listening import listening
from tests.support.scripted_serving import ScriptedPlatform
from whalefall.base.db import Database
from whalefall.billing.current_prices import CurrentPrices
from whalefall.billing.price_book import PriceBook
from whalefall.console.application import console_routes
from whalefall.console.context import ConsoleContext


@pytest.fixture
def platform() -> ScriptedPlatform:
    return ScriptedPlatform()


@pytest.fixture
def context(database: Database, clock: FakeClock, platform: ScriptedPlatform) -> ConsoleContext:
    return ConsoleContext(
        database=database,
        clock=clock,
        prices=CurrentPrices(PriceBook.load()),
        platform=platform,
        base_url="http://127.0.0.1",
        identity_vault=VAULT,
        count_tokens=lambda text: len(text.split()),
    )


@pytest.fixture
async def console_url(context: ConsoleContext) -> AsyncIterator[str]:
    async with listening(Starlette(routes=console_routes(context))) as url:
        yield url


@pytest.fixture
async def browser(console_url: str, database: Database, clock: FakeClock) -> AsyncIterator[Browser]:
    async with httpx.AsyncClient(
        base_url=console_url, headers={"accept-language": "en"}, timeout=60
    ) as client:
        yield Browser(client, database, clock)
