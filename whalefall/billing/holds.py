"""Holds as rows: what is reserved for one request, by which process, and how it ended.

Only the ledger writes them, together with the transfers they stand for."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Table,
    Text,
    and_,
    bindparam,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.base.errors import ServerError
from whalefall.base.money import Currency
from whalefall.base.statements import Prepared, Row
from whalefall.base.tables import Instant, instant_from_micros, metadata, micros_from_instant
from whalefall.billing.transfers import Transfer, TransferKind, transfers


class HoldState(enum.StrEnum):
    OPEN = "open"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


holds = Table(
    "holds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("instance_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("wanted_nanos", BigInteger, nullable=False),
    Column("held_nanos", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    Column("shortfall_nanos", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("resolved_at", Instant),
    Column("api_key_id", Text),
    CheckConstraint("state IN ('open', 'posted', 'voided', 'expired')", name="state_known"),
    CheckConstraint("0 <= cost_nanos AND cost_nanos <= held_nanos", name="cost_within_hold"),
    CheckConstraint("held_nanos <= wanted_nanos", name="held_within_wanted"),
    CheckConstraint("shortfall_nanos >= 0", name="shortfall_in_range"),
    CheckConstraint("(state = 'open') = (resolved_at IS NULL)", name="resolved_when_closed"),
    Index(
        "ix_holds_open",
        "expires_at",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
)


class UnknownHoldError(ServerError):
    """Somebody settles what was never held."""


@dataclass(frozen=True, slots=True)
class Hold:
    hold_id: str
    user_id: str
    currency: Currency
    instance_id: str
    state: HoldState
    wanted_nanos: int
    held_nanos: int
    cost_nanos: int
    shortfall_nanos: int
    """What it should have cost beyond what was held: a programming error, kept for all to see."""
    created_at: datetime
    expires_at: datetime
    resolved_at: datetime | None = None
    api_key_id: str | None = None
    """The key whose budget it counts against while it is open."""


def insert_hold(conn: Connection, made: Hold) -> bool:
    """Whether it was new; False where the id exists, and nothing is changed then."""
    row = {name: getattr(made, name) for name in Hold.__slots__ if name not in _CONVERTED}
    row["id"] = made.hold_id
    row["currency"] = made.currency.value
    row["state"] = made.state.value
    row["created_at"] = micros_from_instant(made.created_at)
    row["expires_at"] = micros_from_instant(made.expires_at)
    row["resolved_at"] = None
    return _INSERT.run(conn, row) == 1


def end_hold(conn: Connection, ended: Hold) -> None:
    """Write how the hold ended over the row that lock_hold has locked."""
    assert ended.resolved_at is not None
    written = _END.run(
        conn,
        {
            "hold": ended.hold_id,
            "to_state": ended.state.value,
            "cost": ended.cost_nanos,
            "shortfall": ended.shortfall_nanos,
            "at": micros_from_instant(ended.resolved_at),
        },
    )
    assert written == 1, f"the hold {ended.hold_id} vanished while it was locked"


def find_hold(conn: Connection, hold_id: str) -> Hold | None:
    row = _FIND.row(conn, {"hold": hold_id})
    return None if row is None else _hold_from_row(row)


def lock_hold(conn: Connection, hold_id: str) -> tuple[Hold, list[Transfer]]:
    """The hold, its row locked where the database has row locks, and its pending transfers in
    the order they are drawn. UnknownHoldError where there is none."""
    rows = _LOCK.rows(conn, {"hold": hold_id})
    if not rows:
        raise UnknownHoldError(f"there is no hold {hold_id}")
    num_columns = len(_COLUMNS)
    found = _hold_from_row(rows[0])
    parts = [row[num_columns:] for row in rows]
    return found, [_pending_from_row(found, part) for part in parts if part[0] is not None]


def posted_amounts(conn: Connection, hold_id: str) -> list[tuple[str, int]]:
    """(debited account, amount) of what the hold ended up costing."""
    return [(row[0], int(row[1])) for row in _POSTED.rows(conn, {"hold": hold_id})]


def open_holds(conn: Connection, instance_id: str | None = None) -> list[Hold]:
    """Holds nobody has settled, of one process or of all, oldest first."""
    query = select(*_COLUMNS).where(holds.c.state == "open")
    if instance_id is not None:
        query = query.where(holds.c.instance_id == instance_id)
    # Rows of this query pass SQLAlchemy's types, which the prepared ones do not.
    converted = conn.execute(query.order_by(holds.c.created_at, holds.c.id))
    return [
        Hold(row[0], row[1], Currency(row[2]), row[3], HoldState(row[4]), *row[5:])
        for row in converted
    ]


def extend_holds(conn: Connection, instance_id: str, expires_at: datetime) -> int:
    """A living process keeps its open holds from expiring; how many were prolonged."""
    query = update(holds).where(
        holds.c.state == "open",
        holds.c.instance_id == instance_id,
        holds.c.expires_at < expires_at,
    )
    return conn.execute(query.values(expires_at=expires_at)).rowcount


def due_hold_ids(conn: Connection, now: datetime, limit: int) -> list[str]:
    """Open holds whose time has passed, except those another process is ending right now."""
    query = select(holds.c.id).where(holds.c.state == "open", holds.c.expires_at <= now)
    due = query.order_by(holds.c.expires_at, holds.c.id).limit(limit)
    return list(conn.execute(due.with_for_update(skip_locked=True, key_share=True)).scalars())


_CONVERTED = ("hold_id", "currency", "state", "created_at", "expires_at", "resolved_at")
_COLUMNS = [holds.c["id" if name == "hold_id" else name] for name in Hold.__slots__]

_INSERT = Prepared(upsert(holds).on_conflict_do_nothing(index_elements=["id"]))
_FIND = Prepared(select(*_COLUMNS).where(holds.c.id == bindparam("hold")))
_LOCK = Prepared(
    select(
        *_COLUMNS,
        transfers.c.id,
        transfers.c.debit_account_id,
        transfers.c.credit_account_id,
        transfers.c.amount_nanos,
        transfers.c.sequence,
    )
    .join(
        transfers,
        and_(transfers.c.hold_id == holds.c.id, transfers.c.kind == TransferKind.PENDING.value),
        isouter=True,
    )
    .where(holds.c.id == bindparam("hold"))
    .order_by(transfers.c.sequence)
    .with_for_update(of=holds, key_share=True)
)
_END = Prepared(
    update(holds)
    .where(holds.c.id == bindparam("hold"))
    .values(
        state=bindparam("to_state"),
        cost_nanos=bindparam("cost"),
        shortfall_nanos=bindparam("shortfall"),
        resolved_at=bindparam("at"),
    )
)
_POSTED = Prepared(
    select(transfers.c.debit_account_id, func.sum(transfers.c.amount_nanos))
    .where(transfers.c.hold_id == bindparam("hold"), transfers.c.kind == "post")
    .group_by(transfers.c.debit_account_id)
)


def _hold_from_row(row: Row) -> Hold:
    resolved_at = row[11]
    return Hold(
        row[0],
        row[1],
        Currency(row[2]),
        row[3],
        HoldState(row[4]),
        wanted_nanos=row[5],
        held_nanos=row[6],
        cost_nanos=row[7],
        shortfall_nanos=row[8],
        created_at=instant_from_micros(row[9]),
        expires_at=instant_from_micros(row[10]),
        resolved_at=None if resolved_at is None else instant_from_micros(resolved_at),
        api_key_id=row[12],
    )


def _pending_from_row(found: Hold, row: Row) -> Transfer:
    identifier, debit, credit, amount, sequence = row
    return Transfer(
        id=identifier,
        kind=TransferKind.PENDING,
        debit_account_id=debit,
        credit_account_id=credit,
        currency=found.currency,
        amount_nanos=amount,
        idempotency_key=f"hold:{found.hold_id}:{sequence}",
        reason="usage",
        created_at=found.created_at,
        hold_id=found.hold_id,
        sequence=sequence,
    )
