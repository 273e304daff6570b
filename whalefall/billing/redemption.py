"""Redeeming a code: a grant to whoever holds it, as often as its batch allows and never more."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from whalefall.accounts.users import get_user
from whalefall.base.errors import InvalidRequestError
from whalefall.base.money import Currency
from whalefall.billing.code_batches import (
    code_batches,
    code_uses,
    digest_of,
    normal_code,
    redemption_codes,
)
from whalefall.billing.grants import Grant, GrantRequest, grant, lock_giving

INVALID_CODE = "This code cannot be redeemed: it is mistyped, used up, expired or withdrawn."
"""The same for all of these, so that nobody learns which codes there are by trying."""
REDEEMED_BEFORE = "Your account has already redeemed a code of this kind."
OTHER_CURRENCY = "This code is for accounts in the other currency."


class InvalidCodeError(InvalidRequestError):
    """Not a code that gives anything to anybody now."""


@dataclass(frozen=True, slots=True)
class Redemption:
    user_id: str
    code: str
    """As typed."""
    now: datetime


def redeem(conn: Connection, request: Redemption) -> Grant:
    """Give what the code is worth, once.

    InvalidCodeError for a code that gives nothing, whatever the cause; InvalidRequestError for a
    valid one that this account cannot use. Neither changes anything."""
    code = normal_code(request.code)
    found = None if code is None else _find(conn, digest_of(code))
    if found is None or not _is_live(found, request.now):
        raise InvalidCodeError(INVALID_CODE)
    currency = Currency(found.currency)
    if get_user(conn, request.user_id).currency is not currency:
        raise InvalidRequestError(OTHER_CURRENCY)
    # Whoever gives waits here for whoever else does; from here on nothing found can change.
    lock_giving(conn, currency, request.now)
    if _has_used(conn, found.batch_id, request.user_id):
        raise InvalidRequestError(REDEEMED_BEFORE)
    _take_one_use(conn, found.id)
    given = grant(conn, _grant_request(found, request, currency))
    row = {
        "batch_id": found.batch_id,
        "user_id": request.user_id,
        "code_id": found.id,
        "grant_id": given.id,
        "created_at": request.now,
    }
    conn.execute(insert(code_uses).values(row))
    return given


def _find(conn: Connection, digest: str) -> Row[*tuple[Any, ...]] | None:
    """By digest, then compared in constant time: timing tells nothing of a guess."""
    query = select(
        redemption_codes.c.id,
        redemption_codes.c.digest,
        redemption_codes.c.num_uses,
        redemption_codes.c.batch_id,
        code_batches.c.reason,
        code_batches.c.currency,
        code_batches.c.amount_nanos,
        code_batches.c.num_uses_max,
        code_batches.c.grant_days,
        code_batches.c.expires_at,
        code_batches.c.revoked_at,
    ).join(code_batches, code_batches.c.id == redemption_codes.c.batch_id)
    row = conn.execute(query.where(redemption_codes.c.digest == digest)).one_or_none()
    return row if row is not None and hmac.compare_digest(row.digest, digest) else None


def _is_live(found: Row[*tuple[Any, ...]], now: datetime) -> bool:
    is_over = found.expires_at is not None and found.expires_at <= now
    return found.revoked_at is None and not is_over and found.num_uses < found.num_uses_max


def _has_used(conn: Connection, batch_id: str, user_id: str) -> bool:
    query = select(code_uses.c.code_id).where(
        code_uses.c.batch_id == batch_id, code_uses.c.user_id == user_id
    )
    return conn.execute(query).first() is not None


def _take_one_use(conn: Connection, code_id: str) -> None:
    """One conditional update: nobody gets the same use as someone else."""
    batch_is_live = select(code_batches.c.id).where(code_batches.c.revoked_at.is_(None))
    taken = update(redemption_codes).where(
        redemption_codes.c.id == code_id,
        redemption_codes.c.num_uses < redemption_codes.c.num_uses_max,
        redemption_codes.c.batch_id.in_(batch_is_live),
    )
    if conn.execute(taken.values(num_uses=redemption_codes.c.num_uses + 1)).rowcount != 1:
        raise InvalidCodeError(INVALID_CODE)


def _grant_request(
    found: Row[*tuple[Any, ...]], request: Redemption, currency: Currency
) -> GrantRequest:
    days = found.grant_days
    return GrantRequest(
        user_id=request.user_id,
        currency=currency,
        amount_nanos=found.amount_nanos,
        idempotency_key=f"code:{found.id}:{request.user_id}",
        reason=found.reason,
        now=request.now,
        expires_at=None if days is None else request.now + timedelta(days=days),
    )
