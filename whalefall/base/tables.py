"""What every table shares: one metadata with fixed constraint names, and how an instant is stored.

The tables themselves live with the noun they hold (accounts/users.py, billing/ledger.py, ...).
The migrations are written out by hand; a test compares them with this metadata."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Dialect, MetaData
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def micros_from_instant(instant: datetime) -> int:
    """Microseconds since 1970 in UTC. ValueError for an instant without a zone."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone; instants are aware, best in UTC")
    return (instant - EPOCH) // timedelta(microseconds=1)


def instant_from_micros(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 in a BIGINT: the same value, order and
    arithmetic on both databases, with no session time zone anywhere."""

    impl = BigInteger
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else micros_from_instant(value)

    @override
    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else instant_from_micros(value)
