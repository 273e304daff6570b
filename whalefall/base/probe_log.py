"""What probes found: the last day's results one by one, earlier ones summed per day.

A target is whatever was probed, by name; what a probe does is not known here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    delete,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.base.days import day_from_number, number_from_day
from whalefall.base.tables import Instant, metadata

RECENT = timedelta(hours=24)
KEPT_DAYS = 90

probe_results = Table(
    "probe_results",
    metadata,
    Column("target", Text, nullable=False),
    Column("probed_at", Instant, nullable=False),
    Column("is_up", Boolean, nullable=False),
    Column("latency_ms", Integer, nullable=False),
    Index(None, "probed_at"),
)

probe_days = Table(
    "probe_days",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("target", Text, primary_key=True),
    Column("num_up", Integer, nullable=False),
    Column("num_down", Integer, nullable=False),
    Column("latency_ms_sum", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    target: str
    probed_at: datetime
    is_up: bool
    latency_ms: int
    """How long it took to find out; of what is down, how long we waited."""


@dataclass(frozen=True, slots=True)
class ProbeDay:
    day: date
    target: str
    num_up: int
    num_down: int
    latency_ms_sum: int
    """Of the probes that found it up."""


def record_probes(conn: Connection, results: Sequence[ProbeResult]) -> None:
    """Note results, add them to their days, and forget what is too old to be shown."""
    for result in results:
        values = {name: getattr(result, name) for name in ProbeResult.__slots__}
        conn.execute(insert(probe_results).values(values))
        _add_to_day(conn, result)
    if results:
        newest = max(result.probed_at for result in results)
        conn.execute(delete(probe_results).where(probe_results.c.probed_at < newest - RECENT))
        oldest = number_from_day((newest - timedelta(days=KEPT_DAYS)).astimezone(UTC).date())
        conn.execute(delete(probe_days).where(probe_days.c.day < oldest))


def recent_probes(conn: Connection, now: datetime) -> list[ProbeResult]:
    """The last 24 hours, oldest first."""
    columns = [probe_results.c[name] for name in ProbeResult.__slots__]
    query = select(*columns).where(probe_results.c.probed_at > now - RECENT)
    ordered = query.order_by(probe_results.c.probed_at, probe_results.c.target)
    return [ProbeResult(*row) for row in map(tuple, conn.execute(ordered))]


def probe_history(conn: Connection, now: datetime) -> list[ProbeDay]:
    """The last 90 days, oldest first."""
    first = number_from_day((now - timedelta(days=KEPT_DAYS - 1)).astimezone(UTC).date())
    columns = [probe_days.c[name] for name in ProbeDay.__slots__]
    query = select(*columns).where(probe_days.c.day >= first)
    rows = conn.execute(query.order_by(probe_days.c.day, probe_days.c.target))
    return [ProbeDay(day_from_number(row[0]), *row[1:]) for row in map(tuple, rows)]


def _add_to_day(conn: Connection, result: ProbeResult) -> None:
    row = {
        "day": number_from_day(result.probed_at.astimezone(UTC).date()),
        "target": result.target,
        "num_up": int(result.is_up),
        "num_down": int(not result.is_up),
        "latency_ms_sum": result.latency_ms if result.is_up else 0,
    }
    statement = upsert(probe_days).values(row)
    added = {
        name: probe_days.c[name] + statement.excluded[name]
        for name in ("num_up", "num_down", "latency_ms_sum")
    }
    keys = [probe_days.c.day, probe_days.c.target]
    conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=added))
