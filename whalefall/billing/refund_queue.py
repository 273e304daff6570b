"""Refunds that somebody has to talk about: with their provider, until they end, and with their
customer, once they have. Knows who may do so now and when to try again; the conversation itself is
held elsewhere, with no transaction open."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update

from whalefall.base.errors import InvalidRequestError
from whalefall.billing.refunds import (
    OPEN_STATES,
    OVER_ALREADY,
    REFUND_ROWS,
    Refund,
    RefundState,
    get_refund,
    refund_from_row,
    refunds,
    short_problem,
)
from whalefall.billing.top_ups import TopUpSource

LEASE = timedelta(minutes=5)
"""How long one process may be in conversation with a provider about one refund."""
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
BEING_SENT = "This refund is being sent at this moment. Please try again in some minutes."


def due_refunds(
    conn: Connection, sources: frozenset[TopUpSource], now: datetime, *, limit: int = 100
) -> list[str]:
    """Refunds that somebody has to talk to their provider about, longest due first."""
    query = select(refunds.c.id).where(
        refunds.c.state.in_(OPEN_STATES),
        refunds.c.source.in_([source.value for source in sources]),
        refunds.c.next_try_at <= now,
        or_(refunds.c.claimed_until.is_(None), refunds.c.claimed_until <= now),
    )
    return list(conn.execute(query.order_by(refunds.c.next_try_at).limit(limit)).scalars())


def claim_refund(conn: Connection, refund_id: str, now: datetime) -> Refund | None:
    """Reserve a refund for a conversation with its provider; None when it is over, not due, or
    somebody else is at it. What is returned tells by num_tries whether it was ever tried before."""
    is_free = or_(refunds.c.claimed_until.is_(None), refunds.c.claimed_until <= now)
    mine = update(refunds).where(
        refunds.c.id == refund_id,
        refunds.c.state.in_(OPEN_STATES),
        refunds.c.next_try_at <= now,
        is_free,
    )
    values = {
        "state": RefundState.SENT.value,
        "claimed_until": now + LEASE,
        "num_tries": refunds.c.num_tries + 1,
    }
    if conn.execute(mine.values(values)).rowcount == 0:
        return None
    return get_refund(conn, refund_id)


def postpone_refund(conn: Connection, refund_id: str, problem: str, now: datetime) -> None:
    """Let go of a claimed refund and come back to it: after 30 seconds, a minute, two, …, at most
    an hour."""
    found = get_refund(conn, refund_id)
    wait = min(FIRST_WAIT * 2 ** min(max(found.num_tries - 1, 0), 10), LONGEST_WAIT)
    values = {"problem": short_problem(problem), "next_try_at": now + wait, "claimed_until": None}
    mine = update(refunds).where(refunds.c.id == refund_id, refunds.c.state.in_(OPEN_STATES))
    conn.execute(mine.values(values))


def note_taken(conn: Connection, refund_id: str, reference: str) -> None:
    """The provider has it under way, under this name of its own or else under ours."""
    mine = update(refunds).where(refunds.c.id == refund_id, refunds.c.provider_reference == "")
    conn.execute(mine.values(provider_reference=reference or refund_id))


def try_soon(conn: Connection, refund_id: str, now: datetime) -> Refund:
    """Do not wait for the next try. InvalidRequestError when it has ended."""
    mine = update(refunds).where(refunds.c.id == refund_id, refunds.c.state.in_(OPEN_STATES))
    if conn.execute(mine.values(next_try_at=now)).rowcount == 0:
        get_refund(conn, refund_id)
        raise InvalidRequestError(OVER_ALREADY)
    return get_refund(conn, refund_id)


def untold_refunds(conn: Connection, *, limit: int = 100) -> list[Refund]:
    """Ended ones whose customer has not been written to yet."""
    query = REFUND_ROWS.where(refunds.c.resolved_at.is_not(None), refunds.c.told_at.is_(None))
    rows = conn.execute(query.order_by(refunds.c.resolved_at, refunds.c.id).limit(limit))
    return [refund_from_row(row) for row in rows]


def mark_told(conn: Connection, refund_id: str, now: datetime) -> bool:
    """Whether it was not marked yet: whoever gets True writes the letter."""
    mine = update(refunds).where(refunds.c.id == refund_id, refunds.c.told_at.is_(None))
    return conn.execute(mine.values(told_at=now)).rowcount == 1
