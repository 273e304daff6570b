"""Keeps the limiter told of the limits that operators set on accounts: read anew now and then, and
at once when they are set in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from whalefall.accounts.account_limits import all_account_limits
from whalefall.accounts.api_keys import KeyLimits
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError

log = structlog.get_logger()

INTERVAL_SECONDS = 30.0


class AccountLimitsReader:
    def __init__(self, database: Database, tell: Callable[[Mapping[str, KeyLimits]], None]) -> None:
        self._database = database
        self._tell = tell

    async def run(self) -> None:
        """For ever; belongs in a task that its owner cancels. What was known last stays in force
        while the database does not answer."""
        while True:
            try:
                await self.read()
            except PlatformError as error:
                log.warning("the accounts' limits could not be read", reason=error.message)
            await asyncio.sleep(INTERVAL_SECONDS)

    async def read(self) -> None:
        self._tell(await self._database.read(all_account_limits))
