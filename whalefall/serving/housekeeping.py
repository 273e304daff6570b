"""What has to be done besides serving: finish what dead processes left, and let things expire.

Holds of an instance that died are resolved from its journal: charged for what it had delivered,
voided when nothing was. A hold whose journal is nowhere to be found expires by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.billing.grants import expire_grants
from whalefall.billing.holds import extend_holds, open_holds
from whalefall.billing.ledger import expire_holds
from whalefall.serving.authentication import Authenticator
from whalefall.serving.journal import DeadJournal, dead_journals
from whalefall.serving.metering import HOLD_LIFETIME, Charge, Meter

log = structlog.get_logger()

INTERVAL_SECONDS = 30.0


class Housekeeper:
    def __init__(
        self,
        database: Database,
        meter: Meter,
        authenticator: Authenticator,
        journal_directory: Path,
        clock: Clock,
    ) -> None:
        self._database = database
        self._meter = meter
        self._authenticator = authenticator
        self._journal_directory = journal_directory
        self._clock = clock

    async def run(self) -> None:
        """Do a round now and then until cancelled. A round that fails is told and tried again."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.round()
            except Exception:
                log.exception("housekeeping failed; it will be tried again")

    async def round(self) -> None:
        now = self._clock.now()
        await self.resolve_dead()
        await self._database.write(extend_holds, self._meter.instance_id, now + HOLD_LIFETIME)
        for hold in await self._database.write(expire_holds, now):
            log.warning("hold expired", hold_id=hold.hold_id, held_nanos=hold.held_nanos)
        await self._database.write(expire_grants, now)
        await self._authenticator.write_uses()

    async def resolve_dead(self) -> int:
        """Resolve the holds of instances on this machine that are gone; how many there were."""
        num_resolved = 0
        for dead in dead_journals(self._journal_directory):
            num_resolved += await self._resolve(dead)
            dead.path.unlink(missing_ok=True)
        return num_resolved

    async def _resolve(self, dead: DeadJournal) -> int:
        holds = await self._database.read(open_holds, dead.instance_id)
        for hold in holds:
            entry = dead.entries.get(hold.hold_id)
            if entry is None:
                await self._meter.void(hold.hold_id)
            else:
                charge = Charge.decode(entry.context)
                await self._meter.resolve(hold.hold_id, charge, entry.progress)
            log.warning(
                "resolved a hold of a dead instance",
                hold_id=hold.hold_id,
                completion_tokens=entry.progress.completion_tokens if entry else 0,
            )
        return len(holds)
