"""How often something may be tried: a counter per key and window, shared by all processes.

A key names who tries what (`sign_in:203.0.113.7`); it is stored as a digest, so that the table is
no list of addresses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Index, Integer, Table, Text, case, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.base.tables import Instant, metadata

throttles = Table(
    "throttles",
    metadata,
    Column("key_digest", Text, primary_key=True),
    Column("num_tries", Integer, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Index(None, "ends_at"),
)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `num_tries_max` tries per window. The window begins with its first try."""

    name: str
    num_tries_max: int
    window: timedelta


def may_try(conn: Connection, limit: Limit, who: str, now: datetime) -> bool:
    """Count one try; whether it may be made. Call it in a write of its own: the count must stay
    when what was tried fails."""
    row = {"key_digest": _digest(limit, who), "num_tries": 1, "ends_at": now + limit.window}
    statement = upsert(throttles).values(row)
    is_over = throttles.c.ends_at <= now
    counted = statement.on_conflict_do_update(
        index_elements=[throttles.c.key_digest],
        set_={
            "num_tries": case((is_over, 1), else_=throttles.c.num_tries + 1),
            "ends_at": case((is_over, statement.excluded.ends_at), else_=throttles.c.ends_at),
        },
    ).returning(throttles.c.num_tries)
    return bool(conn.execute(counted).scalar_one() <= limit.num_tries_max)


def locked_until(conn: Connection, limit: Limit, who: str, now: datetime) -> datetime | None:
    """When the next try may be made; None for now. Counts nothing."""
    query = select(throttles.c.num_tries, throttles.c.ends_at)
    row = conn.execute(query.where(throttles.c.key_digest == _digest(limit, who))).one_or_none()
    if row is None or row.ends_at <= now or row.num_tries < limit.num_tries_max:
        return None
    ends_at: datetime = row.ends_at
    return ends_at


def forget_tries(conn: Connection, limit: Limit, who: str) -> None:
    """A success ends the suspicion."""
    conn.execute(delete(throttles).where(throttles.c.key_digest == _digest(limit, who)))


def sweep_throttles(conn: Connection, now: datetime) -> int:
    """Remove windows that are over; how many there were."""
    return conn.execute(delete(throttles).where(throttles.c.ends_at <= now)).rowcount


def _digest(limit: Limit, who: str) -> str:
    return hashlib.sha256(f"{limit.name}\0{who}".encode()).hexdigest()
