"""Reads anew, now and then, which prices operators have announced, so that every process learns of
them without a restart and long before they are in force."""

from __future__ import annotations

import asyncio

import structlog

from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.billing.current_prices import CurrentPrices

log = structlog.get_logger()

INTERVAL_SECONDS = 30.0


class PriceReader:
    def __init__(self, database: Database, prices: CurrentPrices, clock: Clock) -> None:
        self._database = database
        self._prices = prices
        self._clock = clock

    async def run(self) -> None:
        """For ever; belongs in a task that its owner cancels. Where it fails for long, whoever
        charges reads for himself (CurrentPrices.for_charging)."""
        while True:
            try:
                await self.read()
            except PlatformError as error:
                log.error("the announced prices could not be read", reason=error.message)
            await asyncio.sleep(INTERVAL_SECONDS)

    async def read(self) -> None:
        await self._database.read(self._prices.read, self._clock.now())
