"""A scripted platform whose keys are looked up in a real database, as `whalefall serve` does."""

from __future__ import annotations

from typing_extensions import override

from tests.support.fake_clock import FakeClock
from tests.support.scripted_serving import ScriptedPlatform
from whalefall.accounts.api_keys import Caller
from whalefall.base.db import Database
from whalefall.serving.authentication import Authenticator


class KeyedPlatform(ScriptedPlatform):
    def __init__(self, database: Database, clock: FakeClock) -> None:
        super().__init__()
        self._authenticator = Authenticator(database, clock)

    @override
    async def authenticate(self, secret: str) -> Caller | None:
        return await self._authenticator.authenticate(secret)
