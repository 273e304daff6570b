"""Hold before, settle after, write the usage record: the only bridge from serving to billing.

A hold reserves the worst case: the prompt at the miss price plus max_tokens at the output price.
When the balance cannot cover it, max_tokens is cut to what it can; when it cannot pay the prompt
and one token, the request is refused. The price is the one in force when the request is received.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.api_keys import Caller
from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.errors import InsufficientBalanceError
from whalefall.base.money import Currency
from whalefall.billing import ledger
from whalefall.billing import usage as billing_usage
from whalefall.billing.current_prices import CurrentPrices
from whalefall.billing.key_budgets import KeyOfUser, lock_budget
from whalefall.billing.pricing import (
    Price,
    TokenCounts,
    affordable_output_tokens,
    minimum_nanos,
    worst_case_nanos,
)
from whalefall.serving.journal import Progress
from whalefall.serving.models import Route
from whalefall.serving.platform import WalletBalance

HOLD_LIFETIME = timedelta(minutes=15)
"""A living process extends its holds well before; those of a dead one expire."""

BUDGET_USED_UP = "Insufficient Balance: the monthly budget of this API key is used up"


class Charge(msgspec.Struct, frozen=True):
    """What a settlement needs besides the token counts. It travels in the journal, so that a hold
    can be settled by another process than the one that opened it."""

    user_id: str
    api_key_id: str
    model_asked: str
    model: str
    """The name the price list knows and the usage page shows."""
    currency: Currency
    price_id: str
    hit_micros: int
    miss_micros: int
    output_micros: int
    received_at: datetime

    def usage(self, request_id: str, progress: Progress) -> billing_usage.Usage:
        price = Price(
            self.price_id,
            self.model,
            self.currency,
            self.hit_micros,
            self.miss_micros,
            self.output_micros,
        )
        counts = TokenCounts.counted(
            progress.prompt_tokens, progress.cached_tokens, progress.completion_tokens
        )
        return billing_usage.Usage(
            request_id=request_id,
            user_id=self.user_id,
            api_key_id=self.api_key_id,
            model_asked=self.model_asked,
            price=price,
            counts=counts,
            received_at=self.received_at,
        )

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Charge:
        return msgspec.msgpack.decode(data, type=cls)


@dataclass(frozen=True, slots=True)
class OpenHold:
    hold_id: str
    max_tokens: int
    """What the caller asked for, cut to what the hold pays."""
    charge: Charge


class Meter:
    def __init__(
        self, database: Database, prices: CurrentPrices, clock: Clock, instance_id: str
    ) -> None:
        self._database = database
        self._prices = prices
        self._clock = clock
        self.instance_id = instance_id

    async def hold(
        self, caller: Caller, hold_id: str, route: Route, *, num_prompt_tokens: int, max_tokens: int
    ) -> OpenHold:
        """Reserve the worst case. Raises InsufficientBalanceError, and then nothing has changed."""
        return await self._database.write(
            self._hold, caller, hold_id, route, num_prompt_tokens, max_tokens
        )

    async def resolve(
        self, hold_id: str, charge: Charge, progress: Progress, *, is_answered: bool = False
    ) -> None:
        """Charge what was generated and write the usage record, durably and once; when nothing
        was generated, give everything back. `is_answered`: the model ended by itself, so that an
        empty answer is one, and its prompt was worth computing."""
        if progress.completion_tokens == 0 and not is_answered:
            await self.void(hold_id)
        else:
            usage = charge.usage(hold_id, progress)
            await self._database.write(billing_usage.charge, usage, self._clock.now())

    async def void(self, hold_id: str) -> None:
        await self._database.write(ledger.void_hold, hold_id, self._clock.now())

    async def balances(self, caller: Caller) -> tuple[WalletBalance, ...]:
        """One entry per wallet, the account's own currency first and always there."""
        return await self._database.read(self._balances, caller)

    def _hold(
        self,
        conn: Connection,
        caller: Caller,
        hold_id: str,
        route: Route,
        num_prompt_tokens: int,
        max_tokens: int,
    ) -> OpenHold:
        now = self._clock.now()
        budget = self._budget(conn, caller, now)
        book = self._prices.for_charging(conn, now)
        for currency in self._wallets(conn, caller, now):
            price = book.price_at(route.priced_as, currency, now)
            minimum = minimum_nanos(price, num_prompt_tokens)
            wanted = worst_case_nanos(price, num_prompt_tokens, max_tokens)
            if budget is not None:
                if minimum > budget or currency is not caller.currency:
                    raise InsufficientBalanceError(BUDGET_USED_UP)
                wanted = min(wanted, budget)
            request = ledger.HoldRequest(
                hold_id=hold_id,
                user_id=caller.user_id,
                currency=currency,
                wanted_nanos=wanted,
                minimum_nanos=minimum,
                instance_id=self.instance_id,
                now=now,
                expires_at=now + HOLD_LIFETIME,
                api_key_id=caller.api_key_id,
            )
            try:
                hold = ledger.hold(conn, request)
            except InsufficientBalanceError:
                continue
            affordable = affordable_output_tokens(price, num_prompt_tokens, hold.held_nanos)
            charge = _charge(caller, route, price, now)
            return OpenHold(hold_id, min(max_tokens, affordable), charge)
        raise InsufficientBalanceError

    def _budget(self, conn: Connection, caller: Caller, now: datetime) -> int | None:
        """What the key may still spend this month; a budget counts in the account's currency."""
        if caller.rules.monthly_nanos is None:
            return None
        key = KeyOfUser(caller.user_id, caller.api_key_id, caller.currency)
        return lock_budget(conn, key, now)

    def _wallets(self, conn: Connection, caller: Caller, now: datetime) -> list[Currency]:
        """The account's own currency first, then any other it has money in."""
        others = [
            balance.currency
            for balance in ledger.balances(conn, caller.user_id, now)
            if balance.currency is not caller.currency and balance.is_available
        ]
        return [caller.currency, *others]

    def _balances(self, conn: Connection, caller: Caller) -> tuple[WalletBalance, ...]:
        found = {
            balance.currency: WalletBalance(
                balance.currency, balance.granted_nanos, balance.topped_up_nanos
            )
            for balance in ledger.balances(conn, caller.user_id, self._clock.now())
        }
        own = found.pop(caller.currency, WalletBalance(caller.currency, 0, 0))
        return (own, *found.values())


def _charge(caller: Caller, route: Route, price: Price, now: datetime) -> Charge:
    return Charge(
        user_id=caller.user_id,
        api_key_id=caller.api_key_id,
        model_asked=route.priced_as,
        model=price.model,
        currency=price.currency,
        price_id=price.id,
        hit_micros=price.hit_micros,
        miss_micros=price.miss_micros,
        output_micros=price.output_micros,
        received_at=now,
    )
