"""From an API key's secret to its caller, with the uses of keys noted on the side."""

from __future__ import annotations

from whalefall.accounts.api_keys import Caller, LastUsed, authenticate, touch_api_keys
from whalefall.base.clock import Clock
from whalefall.base.db import Database


class Authenticator:
    """Looks every key up anew, so that a revoked one opens nothing from its next use on."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._last_used = LastUsed()

    async def authenticate(self, secret: str) -> Caller | None:
        now = self._clock.now()
        caller = await self._database.read(authenticate, secret, now)
        if caller is not None:
            self._last_used.note(caller.api_key_id, now)
        return caller

    async def write_uses(self) -> None:
        """Write down which keys were used since the last time, at most once a minute."""
        due = self._last_used.due(self._clock.now())
        if due:
            await self._database.write(touch_api_keys, due)
