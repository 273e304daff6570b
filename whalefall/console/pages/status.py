"""The status page: is everything up, how was it for ninety days, how quick was it today. Fed by
serving/probes; open to everyone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from whalefall.base.probe_log import (
    KEPT_DAYS,
    ProbeDay,
    ProbeResult,
    probe_history,
    recent_probes,
)
from whalefall.console.forms import NoFields
from whalefall.console.routing import View
from whalefall.console.session import Standing, Visit

STALE_AFTER = timedelta(minutes=5)
"""A target not probed for longer is shown as unknown, not as up."""


@dataclass(frozen=True, slots=True)
class StatusDay:
    day: date
    num_up: int
    num_down: int

    @property
    def state(self) -> str:
        """`up`, `mixed`, `down` or `unknown`."""
        if self.num_up + self.num_down == 0:
            return "unknown"
        if self.num_down == 0:
            return "up"
        return "mixed" if self.num_up > self.num_down else "down"


@dataclass(frozen=True, slots=True)
class TargetStatus:
    name: str
    is_up: bool | None
    """None: not probed lately."""
    num_up: int
    num_down: int
    """Over the days shown."""
    latency_ms: int | None
    """The last probe's."""
    days: tuple[StatusDay, ...]
    hours: tuple[int | None, ...]
    """Mean latency in ms of each of the last 24 hours, oldest first; None without a probe."""


@dataclass(frozen=True, slots=True)
class StatusPage:
    targets: tuple[TargetStatus, ...]
    num_days: int

    @property
    def is_all_up(self) -> bool:
        return bool(self.targets) and all(target.is_up for target in self.targets)

    @property
    def has_down(self) -> bool:
        return any(target.is_up is False for target in self.targets)


async def load_status(visit: Visit, _query: NoFields) -> StatusPage:
    return await visit.database.read(_status, visit.now)


def _status(conn: Connection, now: datetime) -> StatusPage:
    days = probe_history(conn, now)
    recent = recent_probes(conn, now)
    names = sorted({each.target for each in days} | {each.target for each in recent})
    return StatusPage(
        tuple(
            target_status(
                name,
                [each for each in days if each.target == name],
                [each for each in recent if each.target == name],
                now,
            )
            for name in names
        ),
        KEPT_DAYS,
    )


def target_status(
    name: str, history: Sequence[ProbeDay], recent: Sequence[ProbeResult], now: datetime
) -> TargetStatus:
    last = recent[-1] if recent and now - recent[-1].probed_at <= STALE_AFTER else None
    by_day = {each.day: each for each in history}
    first = now.date() - timedelta(days=KEPT_DAYS - 1)
    days = [first + timedelta(days=index) for index in range(KEPT_DAYS)]
    return TargetStatus(
        name=name,
        is_up=last.is_up if last else None,
        num_up=sum(each.num_up for each in history),
        num_down=sum(each.num_down for each in history),
        latency_ms=last.latency_ms if last else None,
        days=tuple(
            StatusDay(day, by_day[day].num_up, by_day[day].num_down)
            if day in by_day
            else StatusDay(day, 0, 0)
            for day in days
        ),
        hours=_hours(recent, now),
    )


def _hours(recent: Sequence[ProbeResult], now: datetime) -> tuple[int | None, ...]:
    by_hour: dict[int, list[int]] = {}
    for result in recent:
        if result.is_up:
            hours_ago = int((now - result.probed_at).total_seconds()) // 3600
            by_hour.setdefault(hours_ago, []).append(result.latency_ms)
    means = (by_hour.get(hours_ago) for hours_ago in range(23, -1, -1))
    return tuple(None if found is None else sum(found) // len(found) for found in means)


VIEWS = (
    View(
        "/status",
        "status.html",
        load_status,
        "Whether each part is up, its last ninety days, and today's latency.",
        standing=Standing.VISITOR,
    ),
)
