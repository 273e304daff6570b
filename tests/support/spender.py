"""A process that spends someone's money as fast as it is let: `python -m tests.support.spender`.

`spend URL USER KEY COUNT AMOUNT` holds and charges COUNT times and prints how often it could.
`hang URL USER AMOUNT` holds twice, prints both ids, and waits to be killed with the second still
inside an open transaction."""

from __future__ import annotations

import asyncio
import sys
import threading
from datetime import timedelta

from sqlalchemy import Connection

from tests.support.bank import NANO_PRICE
from whalefall.base.clock import SystemClock
from whalefall.base.db import Database
from whalefall.base.errors import InsufficientBalanceError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.billing.ledger import HoldRequest, hold
from whalefall.billing.pricing import TokenCounts
from whalefall.billing.usage import Usage, charge


def hold_request(user_id: str, amount: int) -> HoldRequest:
    now = SystemClock().now()
    return HoldRequest(
        hold_id=new_id("request"),
        user_id=user_id,
        currency=Currency.CNY,
        wanted_nanos=amount,
        minimum_nanos=amount,
        instance_id="spender",
        now=now,
        expires_at=now + timedelta(minutes=15),
    )


async def spend(url: str, user_id: str, key_id: str, count: int, amount: int) -> None:
    with Database.open(url) as database:

        async def once() -> bool:
            try:
                held = await database.write(hold, hold_request(user_id, amount))
            except InsufficientBalanceError:
                return False
            counts = TokenCounts(hit=0, miss=amount, output=0)
            usage = Usage(
                held.hold_id, user_id, key_id, "test", NANO_PRICE, counts, held.created_at
            )
            return (await database.write(charge, usage, held.created_at)).cost_nanos == amount

        sys.stdout.write(f"{sum(await asyncio.gather(*(once() for _ in range(count))))}\n")


def hang(url: str, user_id: str, amount: int) -> None:
    with Database.open(url) as database:
        sys.stdout.write(database.run(hold, hold_request(user_id, amount)).hold_id + "\n")

        def hold_and_hang(conn: Connection) -> None:
            sys.stdout.write(hold(conn, hold_request(user_id, amount)).hold_id + "\n")
            sys.stdout.flush()
            threading.Event().wait()

        database.run(hold_and_hang)


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    if mode == "spend":
        url, user_id, key_id, count, amount = arguments
        asyncio.run(spend(url, user_id, key_id, int(count), int(amount)))
    else:
        url, user_id, amount = arguments
        hang(url, user_id, int(amount))
