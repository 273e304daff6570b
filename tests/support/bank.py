"""A small bank over a database: users, money and charges in a line each, with a clock in hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from tests.support.fake_clock import FakeClock
from whalefall.accounts.api_keys import APIKey, create_api_key
from whalefall.accounts.users import User, create_user
from whalefall.base.db import Database
from whalefall.base.money import Currency
from whalefall.billing.grants import Grant, GrantRequest, grant
from whalefall.billing.holds import Hold
from whalefall.billing.ledger import (
    Balance,
    HoldRequest,
    Settlement,
    balance,
    hold,
    settle,
)
from whalefall.billing.price_versions import register_prices
from whalefall.billing.pricing import Price, TokenCounts
from whalefall.billing.top_ups import Deposit, TopUp, record_top_up
from whalefall.billing.usage import Usage, charge
from whalefall.billing.verification import VerifyReport, verify

NANO_PRICE = Price("nano/test/CNY", "test", Currency.CNY, 100, 1000, 2000)
"""A miss token costs one nano, an output token two, ten hit tokens one."""


@dataclass
class Bank:
    database: Database
    clock: FakeClock = field(default_factory=FakeClock)
    currency: Currency = Currency.CNY
    _numbers: count[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.database.run(register_prices, [NANO_PRICE])

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def user(self, topped_up: int = 0) -> User:
        email = f"user{next(self._numbers)}@example.org"
        made = self.database.run(create_user, email=email, now=self.now)
        if topped_up:
            self.top_up(made, topped_up)
        return made

    def api_key(self, user: User) -> APIKey:
        name = f"key {next(self._numbers)}"
        return self.database.run(create_api_key, user_id=user.id, name=name, now=self.now)[0]

    def top_up(self, user: User, nanos: int, key: str | None = None) -> TopUp:
        key = f"payment {next(self._numbers)}" if key is None else key
        request = Deposit(user.id, self.currency, nanos, key, "test", self.now)
        return self.database.run(record_top_up, request)

    def grant(self, user: User, nanos: int, days: int | None = 30, key: str | None = None) -> Grant:
        key = f"gift {next(self._numbers)}" if key is None else key
        expires_at = None if days is None else self.now + timedelta(days=days)
        request = GrantRequest(user.id, self.currency, nanos, key, "test", self.now, expires_at)
        return self.database.run(grant, request)

    def hold_request(
        self, user: User, wanted: int, minimum: int | None = None, hold_id: str | None = None
    ) -> HoldRequest:
        return HoldRequest(
            hold_id=f"request {next(self._numbers)}" if hold_id is None else hold_id,
            user_id=user.id,
            currency=self.currency,
            wanted_nanos=wanted,
            minimum_nanos=min(1, wanted) if minimum is None else minimum,
            instance_id="here",
            now=self.now,
            expires_at=self.now + timedelta(minutes=15),
        )

    def hold(
        self, user: User, wanted: int, minimum: int | None = None, hold_id: str | None = None
    ) -> Hold:
        return self.database.run(hold, self.hold_request(user, wanted, minimum, hold_id))

    def settle(self, held: Hold, cost: int) -> Settlement:
        """Without a usage record; verify then reports it as missing."""
        return self.database.run(settle, held.hold_id, cost, self.now)

    def usage(self, held: Hold, key: APIKey, cost: int) -> Usage:
        """That costs so many nanos at NANO_PRICE."""
        counts = TokenCounts(hit=0, miss=cost, output=0)
        return Usage(held.hold_id, held.user_id, key.id, "test", NANO_PRICE, counts, self.now)

    def charge(self, held: Hold, key: APIKey, cost: int) -> Settlement:
        return self.database.run(charge, self.usage(held, key, cost), self.now)

    def balance(self, user: User) -> Balance:
        return self.database.run(balance, user.id, self.currency, self.now)

    def verify(self) -> VerifyReport:
        return self.database.run_read(verify)
