"""Logins: a person's browser or program, let in by password until it leaves or is sent away.

A login is known by a token that exists only at its holder; the table keeps a digest. Revoking one
works from the commit on, in every process."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Row,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from whalefall.accounts.users import User, get_user
from whalefall.base.errors import NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.tables import Instant, metadata

LIFETIME = timedelta(days=30)
IDLE_LIFETIME = timedelta(days=14)
SECOND_FACTOR_LIFETIME = timedelta(minutes=10)
"""How long someone who gave the password may look for the second factor."""
TOUCH_INTERVAL = timedelta(minutes=5)
AGENT_LENGTH_MAX = 200
TOKEN_BYTES = 32

logins = Table(
    "logins",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("needs_second_factor", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    UniqueConstraint("digest"),
    Index(None, "user_id"),
)


@dataclass(frozen=True, slots=True)
class Login:
    id: str
    user_id: str
    address: str
    """Where it was made from."""
    agent: str
    """What the browser called itself."""
    needs_second_factor: bool
    """The password was right, the second factor has not come yet: opens nothing but its page."""
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """Where a login comes from, as far as we are told."""

    address: str
    agent: str


def create_login(
    conn: Connection, user_id: str, device: Device, now: datetime, *, needs_second_factor: bool
) -> tuple[Login, str]:
    """A new login and its token. There is always a new one: a token from before signing in is
    never promoted."""
    lifetime = SECOND_FACTOR_LIFETIME if needs_second_factor else LIFETIME
    token = secrets.token_urlsafe(TOKEN_BYTES)
    login = Login(
        id=new_id("login"),
        user_id=user_id,
        address=device.address,
        agent=printable(device.agent)[:AGENT_LENGTH_MAX],
        needs_second_factor=needs_second_factor,
        created_at=now,
        last_seen_at=now,
        expires_at=now + lifetime,
    )
    values = {name: getattr(login, name) for name in Login.__slots__}
    conn.execute(insert(logins).values(**values, digest=_digest(token)))
    return login, token


def find_login(conn: Connection, token: str, now: datetime) -> tuple[Login, User] | None:
    """Whose login this is; None for unknown, revoked, expired and idle ones, and for those of
    suspended users."""
    digest = _digest(token)
    row = conn.execute(
        select(logins.c.digest, *_COLUMNS).where(
            logins.c.digest == digest,
            logins.c.revoked_at.is_(None),
            logins.c.expires_at > now,
            logins.c.last_seen_at > now - IDLE_LIFETIME,
        )
    ).one_or_none()
    if row is None or not hmac.compare_digest(row[0], digest):
        return None
    login = _login_from_row(row[1:])
    user = get_user(conn, login.user_id)
    return None if user.is_suspended else (login, user)


def is_touch_due(login: Login, now: datetime) -> bool:
    return now - login.last_seen_at >= TOUCH_INTERVAL


def touch_login(conn: Connection, login_id: str, now: datetime) -> None:
    conn.execute(update(logins).where(logins.c.id == login_id).values(last_seen_at=now))


def list_logins(conn: Connection, user_id: str, now: datetime) -> list[Login]:
    """Those that still open something, last seen first."""
    query = select(*_COLUMNS).where(
        logins.c.user_id == user_id,
        logins.c.revoked_at.is_(None),
        logins.c.expires_at > now,
        logins.c.last_seen_at > now - IDLE_LIFETIME,
    )
    rows = conn.execute(query.order_by(logins.c.last_seen_at.desc()).limit(100))
    return [_login_from_row(row) for row in rows]


def revoke_login(conn: Connection, login_id: str, user_id: str, now: datetime) -> None:
    """NotFoundError for an id that is not one of this user's."""
    mine = update(logins).where(logins.c.id == login_id, logins.c.user_id == user_id)
    if conn.execute(mine.values(revoked_at=now)).rowcount == 0:
        raise NotFoundError(f"there is no login {login_id}")


def end_login(conn: Connection, login_id: str, now: datetime) -> None:
    """For a login whose holder is here. Harmless when it has ended."""
    mine = update(logins).where(logins.c.id == login_id, logins.c.revoked_at.is_(None))
    conn.execute(mine.values(revoked_at=now))


def revoke_logins(
    conn: Connection, user_id: str, now: datetime, *, except_login_id: str | None = None
) -> int:
    """Sign out everywhere (else); how many logins ended."""
    mine = update(logins).where(logins.c.user_id == user_id, logins.c.revoked_at.is_(None))
    if except_login_id is not None:
        mine = mine.where(logins.c.id != except_login_id)
    return conn.execute(mine.values(revoked_at=now)).rowcount


def printable(text: str) -> str:
    """The text without control characters, for what strangers send about themselves."""
    return "".join(letter for letter in text if letter.isprintable())


_COLUMNS = [logins.c[name] for name in Login.__slots__]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _login_from_row(row: Row[Any] | tuple[Any, ...]) -> Login:
    return Login(*row)
