"""Batches of redemption codes: what each is worth, who may still use it, and what became of it.

A code is 100 random bits, shown once when its batch is made. Stored are its digest and a stub of
its first five characters, enough to tell codes apart and useless to whoever reads the database."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)

from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.transfers import check_amount, check_note

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: no I, L, O and U, so that nothing is mistaken for something else."""
NUM_GROUPS = 4
GROUP_LENGTH = 5
CODE_LENGTH = NUM_GROUPS * GROUP_LENGTH
NUM_CODES_MAX = 1000
NUM_USES_MAX = 1_000_000
GRANT_DAYS_MAX = 3650
NUM_LISTED_MAX = 200
_LOOK_ALIKES = str.maketrans("OIL", "011", " -")
_TYPED_CODE = re.compile(f"[{ALPHABET}]{{{CODE_LENGTH}}}")

code_batches = Table(
    "code_batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("num_uses_max", Integer, nullable=False),
    Column("grant_days", Integer),
    Column("expires_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    CheckConstraint("amount_nanos > 0", name="amount_in_range"),
    Index(None, "created_at"),
)

redemption_codes = Table(
    "redemption_codes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("batch_id", Text, ForeignKey("code_batches.id"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("stub", Text, nullable=False),
    Column("num_uses", Integer, nullable=False),
    Column("num_uses_max", Integer, nullable=False),
    UniqueConstraint("digest"),
    CheckConstraint("num_uses BETWEEN 0 AND num_uses_max", name="uses_in_range"),
    Index(None, "batch_id"),
)

code_uses = Table(
    "code_uses",
    metadata,
    Column("batch_id", Text, ForeignKey("code_batches.id"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("code_id", Text, ForeignKey("redemption_codes.id"), nullable=False),
    Column("grant_id", Text, ForeignKey("grants.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "code_id"),
    Index(None, "user_id"),
)


@dataclass(frozen=True, slots=True)
class NewBatch:
    reason: str
    """Shown to whoever redeems one."""
    currency: Currency
    amount_nanos: int
    """What each use of a code gives."""
    num_codes: int
    now: datetime
    num_uses_max: int = 1
    """How many accounts may use each code. An account uses one code of a batch, once."""
    grant_days: int | None = None
    """How long what was given lasts, from the redemption on; None: for ever."""
    expires_at: datetime | None = None
    """Until when the codes can be redeemed."""


@dataclass(frozen=True, slots=True)
class CodeBatch:
    id: str
    reason: str
    currency: Currency
    amount_nanos: int
    num_uses_max: int
    grant_days: int | None
    expires_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None
    num_codes: int
    num_uses: int

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class CodeStub:
    """A code as it is listed; the code itself is not among what is known of it."""

    id: str
    stub: str
    num_uses: int
    num_uses_max: int


def create_codes(conn: Connection, new: NewBatch) -> tuple[CodeBatch, tuple[str, ...]]:
    """A new batch and its codes, which exist nowhere else. InvalidRequestError for odd figures."""
    _check(new)
    batch_id = new_id("batch")
    row = {
        "id": batch_id,
        "reason": new.reason,
        "currency": new.currency.value,
        "amount_nanos": new.amount_nanos,
        "num_uses_max": new.num_uses_max,
        "grant_days": new.grant_days,
        "expires_at": new.expires_at,
        "created_at": new.now,
        "revoked_at": None,
    }
    conn.execute(insert(code_batches).values(row))
    codes = tuple(_new_code() for _ in range(new.num_codes))
    rows = [
        {
            "id": new_id("code"),
            "batch_id": batch_id,
            "digest": digest_of(code),
            "stub": stub_of(code),
            "num_uses": 0,
            "num_uses_max": new.num_uses_max,
        }
        for code in codes
    ]
    conn.execute(insert(redemption_codes), rows)
    return get_batch(conn, batch_id), codes


def revoke_batch(conn: Connection, batch_id: str, now: datetime) -> CodeBatch:
    """From the commit on none of its codes gives anything; what was given stays. Harmless when
    repeated. NotFoundError for an unknown id."""
    unrevoked = update(code_batches).where(
        code_batches.c.id == batch_id, code_batches.c.revoked_at.is_(None)
    )
    conn.execute(unrevoked.values(revoked_at=now))
    return get_batch(conn, batch_id)


def get_batch(conn: Connection, batch_id: str) -> CodeBatch:
    row = conn.execute(_BATCHES.where(code_batches.c.id == batch_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no batch of codes {batch_id}")
    return _batch_from_row(row)


def list_batches(conn: Connection, *, limit: int = NUM_LISTED_MAX) -> list[CodeBatch]:
    """Newest first."""
    query = _BATCHES.order_by(code_batches.c.created_at.desc(), code_batches.c.id)
    return [_batch_from_row(row) for row in conn.execute(query.limit(min(limit, NUM_LISTED_MAX)))]


def list_codes(conn: Connection, batch_id: str) -> list[CodeStub]:
    columns = [redemption_codes.c[name] for name in CodeStub.__slots__]
    query = select(*columns).where(redemption_codes.c.batch_id == batch_id)
    ordered = query.order_by(redemption_codes.c.stub, redemption_codes.c.id)
    return [CodeStub(*tuple(row)) for row in conn.execute(ordered.limit(NUM_CODES_MAX))]


def normal_code(typed: str) -> str | None:
    """The code that was meant, without dashes; None for what no code can be."""
    code = typed.strip().upper().translate(_LOOK_ALIKES) if len(typed) <= 2 * CODE_LENGTH else ""
    return code if _TYPED_CODE.fullmatch(code) else None


def digest_of(code: str) -> str:
    """Of 100 random bits a plain digest tells nothing; there is no list to try."""
    return hashlib.sha256(code.replace("-", "").encode("ascii")).hexdigest()


def stub_of(code: str) -> str:
    return f"{code[:GROUP_LENGTH]}-…"


def _new_code() -> str:
    groups = [
        "".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(NUM_GROUPS)
    ]
    return "-".join(groups)


def _check(new: NewBatch) -> None:
    check_amount(new.amount_nanos)
    check_note("reason", new.reason)
    for name, value, most in (
        ("number of codes", new.num_codes, NUM_CODES_MAX),
        ("number of uses", new.num_uses_max, NUM_USES_MAX),
        ("number of days", 1 if new.grant_days is None else new.grant_days, GRANT_DAYS_MAX),
    ):
        if isinstance(value, bool) or not 1 <= value <= most:
            raise InvalidRequestError(f"the {name} lies between 1 and {most}, not {value}")
    if new.expires_at is not None and new.expires_at <= new.now:
        raise InvalidRequestError("the codes would have expired before they were made")


def _batch_from_row(row: Row[*tuple[Any, ...]]) -> CodeBatch:
    identifier, reason, currency, *rest = row
    return CodeBatch(identifier, reason, Currency(currency), *rest)


_MINE = redemption_codes.c.batch_id == code_batches.c.id
_BATCHES = select(
    *(code_batches.c[name] for name in CodeBatch.__slots__[:9]),
    select(func.count()).where(_MINE).scalar_subquery(),
    select(func.coalesce(func.sum(redemption_codes.c.num_uses), 0)).where(_MINE).scalar_subquery(),
)
