"""What the platform remembers about how a person wants to be served, one row per user at most."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, Connection, ForeignKey, Table, Text, select
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.base.tables import Instant, metadata

profiles = Table(
    "profiles",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("language", Text),
    Column("must_change_password", Boolean, nullable=False),
    Column("alert_nanos", BigInteger),
    Column("alert_sent_at", Instant),
    Column("console_key_id", Text, ForeignKey("api_keys.id")),
)


@dataclass(frozen=True, slots=True)
class Profile:
    user_id: str
    language: str | None = None
    """`zh-CN` or `en`; None: as the browser asks."""
    must_change_password: bool = False
    """The password was made by the platform; until it is changed nothing else opens."""
    alert_nanos: int | None = None
    """Write a letter when the balance falls below this; None: never."""
    alert_sent_at: datetime | None = None
    console_key_id: str | None = None
    """The API key under which the console's own chat is metered. Nobody has its secret."""


def get_profile(conn: Connection, user_id: str) -> Profile:
    """Defaults for a user who never chose anything."""
    columns = [profiles.c[name] for name in Profile.__slots__]
    row = conn.execute(select(*columns).where(profiles.c.user_id == user_id)).one_or_none()
    return Profile(user_id) if row is None else Profile(*row)


def set_profile(conn: Connection, profile: Profile) -> None:
    values = {name: getattr(profile, name) for name in Profile.__slots__}
    changed = {name: value for name, value in values.items() if name != "user_id"}
    statement = upsert(profiles).values(values)
    conn.execute(statement.on_conflict_do_update(index_elements=[profiles.c.user_id], set_=changed))
