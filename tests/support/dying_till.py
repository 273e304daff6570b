"""A process that takes payments and spends them, to be killed at any moment:
`python -m tests.support.dying_till URL USER`.

It prints a line for each thing it does, before it is known whether that is durable."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.support.bank import NANO_PRICE
from whalefall.accounts.api_keys import create_api_key
from whalefall.accounts.users import User
from whalefall.base.db import Database
from whalefall.base.errors import InsufficientBalanceError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.billing.ledger import HoldRequest, expire_holds, hold
from whalefall.billing.payment_events import take_event
from whalefall.billing.payments.base import EventKind, ProviderEvent
from whalefall.billing.pricing import TokenCounts
from whalefall.billing.return_events import APPLIERS
from whalefall.billing.top_ups import (
    TopUp,
    TopUpRequest,
    TopUpSource,
    list_top_ups,
    open_top_up,
)
from whalefall.billing.usage import Usage, charge

NUM_ORDERS = 60
FEN = 10_000_000
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


def orders_of(database: Database, user: User, now: datetime) -> Iterator[TopUp]:
    for number in range(NUM_ORDERS):
        request = TopUpRequest(
            user.id, TopUpSource.STRIPE, Currency.CNY, (number + 1) * FEN, f"order {number}", now
        )
        yield database.run(open_top_up, request)


@dataclass
class Till:
    database: Database
    user_id: str
    chance: random.Random = field(default_factory=random.Random)

    def work(self) -> None:
        """For ever: whatever notice comes next, however often it came before; and requests."""
        key = self.database.run(create_api_key, user_id=self.user_id, name=new_id("k"), now=NOW)[0]
        orders = self.database.run(list_top_ups, self.user_id, limit=NUM_ORDERS)
        while True:
            self.tell(self.chance.choice(orders))
            self.spend(key.id)

    def work_to_the_end(self) -> None:
        """Every notice once more, and no request left open."""
        for order in self.database.run(list_top_ups, self.user_id, limit=NUM_ORDERS):
            self.tell(order)
        self.database.run(expire_holds, NOW + timedelta(days=1))

    def tell(self, order: TopUp) -> None:
        say("notice")
        event = ProviderEvent(
            source=order.source,
            event_id=f"evt_{order.id}",
            kind=EventKind.PAID,
            top_up_id=order.id,
            provider_reference=f"pay_{order.id}",
            currency=order.currency,
            amount_nanos=order.amount_nanos,
        )
        self.database.run(take_event, event, b"", APPLIERS, NOW)

    def spend(self, api_key_id: str) -> None:
        request = HoldRequest(
            hold_id=new_id("request"),
            user_id=self.user_id,
            currency=Currency.CNY,
            wanted_nanos=self.chance.randrange(1, 50 * FEN),
            minimum_nanos=1,
            instance_id="dying",
            now=NOW,
            expires_at=NOW + timedelta(minutes=15),
        )
        try:
            held = self.database.run(hold, request)
        except InsufficientBalanceError:
            return
        say("held")
        cost = self.chance.randrange(held.held_nanos + 1)
        counts = TokenCounts(hit=0, miss=cost, output=0)
        usage = Usage(held.hold_id, self.user_id, api_key_id, "test", NANO_PRICE, counts, NOW)
        self.database.run(charge, usage, NOW)


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _, url, user_id = sys.argv
    with Database.open(url) as opened:
        Till(opened, user_id).work()
