"""A whole platform in one process: real database, ledger and text; only the engine is scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.fake_clock import FakeClock
from tests.support.scripted_engine import Action, ScriptedEngine, one_by_one
from whalefall.accounts.api_keys import NO_LIMITS, Caller, KeyLimits, authenticate, create_api_key
from whalefall.accounts.users import create_user
from whalefall.base.db import Database, upgrade
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.billing.current_prices import CurrentPrices
from whalefall.billing.grants import GrantRequest, grant
from whalefall.billing.ledger import Balance, balance
from whalefall.billing.price_book import PriceBook
from whalefall.billing.price_versions import register_prices
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.messages import ChatRequest, Event, Message, Role
from whalefall.chat.tokenizer import Tokenizer
from whalefall.serving.authentication import Authenticator
from whalefall.serving.generation import ServingLimits
from whalefall.serving.housekeeping import Housekeeper
from whalefall.serving.journal import Journal
from whalefall.serving.local_platform import LocalPlatform
from whalefall.serving.metering import Meter
from whalefall.serving.models import Alias, ModelRegistry, ServedModel
from whalefall.serving.platform import Generation


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.bundled()


def says(text: str) -> list[Action]:
    """A script that decodes this text token by token."""
    return one_by_one(tokenizer().encode(text, allow_special=True))


def asks(text: str = "Hi", *, max_tokens: int | None = None, thinking: bool = False) -> ChatRequest:
    return ChatRequest(
        model="deepseek-reasoner" if thinking else "deepseek-chat",
        messages=(Message(Role.USER, text),),
        max_tokens=max_tokens,
        thinking=thinking,
    )


async def all_events(generation: Generation, seen: list[Event] | None = None) -> list[Event]:
    """Every event; those before an error stay in `seen`."""
    events = [] if seen is None else seen
    async for event in generation.events():
        events.append(event)
    return events


@dataclass
class Harness:
    platform: LocalPlatform
    database: Database
    engine: ScriptedEngine
    meter: Meter
    journal: Journal
    clock: FakeClock
    prices: CurrentPrices

    async def caller(
        self,
        amount_nanos: int,
        currency: Currency = Currency.CNY,
        limits: KeyLimits = NO_LIMITS,
    ) -> Caller:
        """A new user with one key and, unless zero, one grant."""
        now = self.clock.now()
        email = f"{new_id('someone')}@example.org"
        user = await self.database.write(create_user, email=email, now=now, currency=currency)
        if amount_nanos:
            await self.give(user.id, amount_nanos, currency)
        _, secret = await self.database.write(
            create_api_key, user_id=user.id, name="test", now=now, limits=limits
        )
        caller = await self.database.read(authenticate, secret, now)
        assert caller is not None
        return caller

    async def give(self, user_id: str, amount_nanos: int, currency: Currency) -> None:
        request = GrantRequest(
            user_id=user_id,
            currency=currency,
            amount_nanos=amount_nanos,
            idempotency_key=new_id("test"),
            reason="test",
            now=self.clock.now(),
            expires_at=None,
        )
        await self.database.write(grant, request)

    async def balance(self, caller: Caller) -> Balance:
        return await self.database.read(balance, caller.user_id, caller.currency, self.clock.now())


@asynccontextmanager
async def running(
    url: str, folder: Path, engine: ScriptedEngine, limits: ServingLimits | None = None
) -> AsyncIterator[Harness]:
    """Serve on the database at `url`, with journals in `folder`."""
    upgrade(url)
    clock = FakeClock()
    database = Database.open(url)
    prices = CurrentPrices(PriceBook.load())
    await database.write(register_prices, [entry.price for entry in prices.files.listed()])
    journal = Journal(folder / "journal", new_id("inst"))
    meter = Meter(database, prices, clock, journal.path.stem)
    model = ServedModel("tiny", engine, tokenizer(), format_by_name("v3.2", tokenizer()))
    aliases = (Alias("deepseek-chat", "tiny"), Alias("deepseek-reasoner", "tiny", thinking=True))
    platform = LocalPlatform(
        authenticator=Authenticator(database, clock),
        registry=ModelRegistry((model,), aliases),
        meter=meter,
        journal=journal,
        clock=clock,
        limits=limits or ServingLimits(),
    )
    try:
        yield Harness(platform, database, engine, meter, journal, clock, prices)
    finally:
        await platform.close()
        journal.close()
        await database.close()


def housekeeper(harness: Harness, folder: Path) -> Housekeeper:
    return Housekeeper(
        harness.database,
        harness.meter,
        Authenticator(harness.database, harness.clock),
        folder / "journal",
        harness.clock,
    )
