"""Watches what the platform does, for the operator's charts: counts the answers of the API, and
asks every engine each minute how far its counters have come."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime

import structlog

from whalefall.base.activity_log import LoadSample, record_activity
from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.engine.client import EngineClient, EngineLoad

log = structlog.get_logger()

INTERVAL_SECONDS = 60.0


class AnswerTally:
    """How many answers there were by day and status, since they were last taken away. Belongs to
    one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: Counter[tuple[date, int]] = Counter()

    def note(self, status: int) -> None:
        self._counts[self._clock.now().astimezone(UTC).date(), status] += 1

    def take(self) -> dict[tuple[date, int], int]:
        taken, self._counts = self._counts, Counter()
        return dict(taken)

    def put_back(self, counts: dict[tuple[date, int], int]) -> None:
        self._counts.update(counts)


class ActivityRecorder:
    """`engines` by the name of the model each runs."""

    def __init__(
        self,
        tally: AnswerTally,
        engines: Sequence[tuple[str, EngineClient]],
        database: Database,
        clock: Clock,
        *,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._tally = tally
        self._engines = tuple(engines)
        self._database = database
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._before = {name: engine.load() for name, engine in engines}
        self._sampled_at = clock.now()

    async def run(self) -> None:
        """For ever; belongs in a task that its owner cancels."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            await self.record()

    async def record(self) -> None:
        """One round. Answers that could not be written down are written the next time; a minute of
        load is lost then, and the log says so."""
        now = self._clock.now()
        answers, samples = self._tally.take(), self._samples(now)
        try:
            await self._database.write(record_activity, answers, samples, now)
        except PlatformError as error:
            self._tally.put_back(answers)
            log.warning("a minute of activity was lost", reason=error.message)

    def _samples(self, now: datetime) -> list[LoadSample]:
        milliseconds = max(1, round((now - self._sampled_at).total_seconds() * 1000))
        self._sampled_at = now
        samples = []
        for name, engine in self._engines:
            load = engine.load()
            samples.append(_sample(name, now, milliseconds, self._before[name], load))
            self._before[name] = load
        return samples


def _sample(
    model: str, now: datetime, milliseconds: int, before: EngineLoad, load: EngineLoad
) -> LoadSample:
    """Counters that have gone back belong to an engine that was started anew."""
    restarted = load.output_tokens_total < before.output_tokens_total
    base = EngineLoad() if restarted else before
    return LoadSample(
        model=model,
        sampled_at=now,
        milliseconds=milliseconds,
        prompt_tokens=max(0, load.prompt_tokens_total - base.prompt_tokens_total),
        cached_tokens=max(0, load.cached_tokens_total - base.cached_tokens_total),
        output_tokens=load.output_tokens_total - base.output_tokens_total,
        num_running=load.num_running,
        num_waiting=load.num_waiting,
    )
