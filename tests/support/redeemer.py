"""A process that redeems codes for many people at once:
`python -m tests.support.redeemer URL CODES PEOPLE`, the latter two lists with commas between.

Each of the people tries every code; it prints how many tries gave something."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from whalefall.base.clock import SystemClock
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError
from whalefall.billing.redemption import Redemption, redeem


async def redeem_all(url: str, codes: Sequence[str], user_ids: Sequence[str]) -> int:
    now = SystemClock().now()
    with Database.open(url) as database:

        async def once(user_id: str, code: str) -> bool:
            try:
                await database.write(redeem, Redemption(user_id, code, now))
            except InvalidRequestError:
                return False
            return True

        tries = [once(user_id, code) for user_id in user_ids for code in codes]
        return sum(await asyncio.gather(*tries))


if __name__ == "__main__":
    _, url, codes, people = sys.argv
    num_given = asyncio.run(redeem_all(url, codes.split(","), people.split(",")))
    sys.stdout.write(f"{num_given}\n")
