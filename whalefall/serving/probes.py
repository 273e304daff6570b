"""Probes: every minute each model is asked for one token and the console for a page, and what came
of it is written down for the status page. Nobody pays for a probe; it goes to the engine directly,
in a cache namespace of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog

from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError, ServerError
from whalefall.base.ids import new_id
from whalefall.base.probe_log import ProbeResult, record_probes
from whalefall.engine.client import EngineClient
from whalefall.engine.errors import EngineError
from whalefall.engine.request import EngineRequest, SamplingParams

log = structlog.get_logger()

INTERVAL_SECONDS = 60.0
TIMEOUT_SECONDS = 30.0
CACHE_NAMESPACE = "probe"

Application = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application; no web framework is known here."""


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


def page_target(name: str, application: Application, path: str) -> ProbeTarget:
    """A page as a visitor gets it: routes, words, templates and the database, all but the socket.
    Without a socket it works before the server listens, and asks no other server by mistake."""

    async def check() -> None:
        try:
            status = await _status_of(application, path)
        except Exception as error:
            raise ServerError(f"{path} failed: {error!r}") from error
        if status != HTTPStatus.OK:
            raise ServerError(f"{path} answered {status}")

    return ProbeTarget(name, check)


async def _status_of(application: Application, path: str) -> int:
    statuses: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"probe")],
        "client": None,
        "server": None,
    }
    await application(scope, receive, send)
    return statuses[0]
