"""Probes: every minute each model is asked for one token and the database for one row, and what
came of it is written down for the status page. Nobody pays for a probe; it goes to the engine
directly, in a cache namespace of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, select

from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.base.ids import new_id
from whalefall.base.probe_log import ProbeResult, record_probes
from whalefall.engine.client import EngineClient
from whalefall.engine.errors import EngineError
from whalefall.engine.request import EngineRequest, SamplingParams

log = structlog.get_logger()

INTERVAL_SECONDS = 60.0
TIMEOUT_SECONDS = 30.0
CACHE_NAMESPACE = "probe"


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """A name people know, and a check that raises PlatformError, EngineError, OSError or
    TimeoutError when it is down."""

    name: str
    check: Callable[[], Awaitable[None]]


class Prober:
    def __init__(
        self,
        targets: Sequence[ProbeTarget],
        database: Database,
        clock: Clock,
        *,
        interval_seconds: float = INTERVAL_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._targets = tuple(targets)
        self._database = database
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds

    async def run(self) -> None:
        """For ever; belongs in a task that its owner cancels."""
        while True:
            await self.probe_all()
            await asyncio.sleep(self._interval_seconds)

    async def probe_all(self) -> list[ProbeResult]:
        """One round. A database that cannot take the results loses them, and says so in the log."""
        results = await asyncio.gather(*(self._probe(target) for target in self._targets))
        try:
            await self._database.write(record_probes, results)
        except PlatformError as error:
            log.warning("probe results were lost", reason=error.message)
        return results

    async def _probe(self, target: ProbeTarget) -> ProbeResult:
        now = self._clock.now()
        start = self._clock.monotonic()
        is_up = True
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await target.check()
        except (PlatformError, EngineError, OSError, TimeoutError) as error:
            log.warning("a probe found it down", target=target.name, reason=repr(error))
            is_up = False
        latency_ms = round((self._clock.monotonic() - start) * 1000)
        return ProbeResult(target.name, now, is_up, latency_ms)


def model_target(name: str, engine: EngineClient, prompt_token_ids: Sequence[int]) -> ProbeTarget:
    """One token from a model, through the engine's own queue."""

    async def check() -> None:
        request = EngineRequest(
            request_id=new_id("probe"),
            prompt_token_ids=list(prompt_token_ids),
            sampling_params=SamplingParams(max_tokens=1, temperature=0.0, ignore_eos=True),
            cache_namespace=CACHE_NAMESPACE,
            fairness_key=CACHE_NAMESPACE,
        )
        async for _output in engine.generate(request):
            pass

    return ProbeTarget(name, check)


def database_target(name: str, database: Database) -> ProbeTarget:
    """One row, which the accounts, the console and every API call need."""

    async def check() -> None:
        await database.read(_one_row)

    return ProbeTarget(name, check)


def _one_row(conn: Connection) -> int:
    return int(conn.execute(select(1)).scalar_one())
