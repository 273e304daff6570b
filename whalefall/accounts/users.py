"""People: who they are, in which currency they pay, and whether they may come in.

Knows nothing of money beyond the currency, and never sees a password, only its hash."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Row,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata

EMAIL_LENGTH_MAX = 254
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f<>,;:\"()\[\]\\]+@[^\s@\x00-\x1f\x7f<>,;:\"()\[\]\\]+")


class Role(enum.StrEnum):
    USER = "user"
    ADMIN = "admin"


users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text),
    Column("created_at", Instant, nullable=False),
    Column("suspended_at", Instant),
    UniqueConstraint("email"),
    CheckConstraint("currency IN ('CNY', 'USD')", name="currency_known"),
    CheckConstraint("role IN ('user', 'admin')", name="role_known"),
)


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    currency: Currency
    role: Role
    created_at: datetime
    suspended_at: datetime | None = None

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    @property
    def is_suspended(self) -> bool:
        return self.suspended_at is not None


def create_user(
    conn: Connection,
    *,
    email: str,
    now: datetime,
    currency: Currency = Currency.CNY,
    is_admin: bool = False,
    password_hash: str | None = None,
) -> User:
    """A new user. InvalidRequestError for an odd address or one that is taken."""
    user = User(
        id=new_id("user"),
        email=normal_email(email),
        currency=Currency(currency),
        role=Role.ADMIN if is_admin else Role.USER,
        created_at=now,
    )
    values = {name: getattr(user, name) for name in User.__slots__}
    try:
        conn.execute(insert(users).values(**values, password_hash=password_hash))
    except IntegrityError as error:
        raise InvalidRequestError(f"there is already a user {user.email}") from error
    return user


def normal_email(email: str) -> str:
    """The one spelling under which an address is stored: trimmed and lower case. Mail servers
    that tell Ann@ from ann@ are rarer than people who do not."""
    address = email.strip().lower()
    if len(address) > EMAIL_LENGTH_MAX or not _EMAIL.fullmatch(address):
        raise InvalidRequestError("that is not an e-mail address; write it like ann@example.org")
    return address


def find_user(conn: Connection, email: str) -> User | None:
    try:
        address = normal_email(email)
    except InvalidRequestError:
        return None
    row = conn.execute(select(*_COLUMNS).where(users.c.email == address)).one_or_none()
    return None if row is None else _user_from_row(row)


def get_user(conn: Connection, user_id: str) -> User:
    """NotFoundError for an id nobody has."""
    row = conn.execute(select(*_COLUMNS).where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no user {user_id}")
    return _user_from_row(row)


def list_users(conn: Connection, *, limit: int = 1000, after_email: str = "") -> list[User]:
    """Users by address, `limit` at a time; pass the last address seen to go on."""
    query = select(*_COLUMNS).where(users.c.email > after_email).order_by(users.c.email)
    return [_user_from_row(row) for row in conn.execute(query.limit(limit))]


def suspend_user(conn: Connection, user_id: str, now: datetime) -> User:
    """Their keys stop working at once; nothing is deleted. Harmless when repeated."""
    query = update(users).where(users.c.id == user_id, users.c.suspended_at.is_(None))
    conn.execute(query.values(suspended_at=now))
    return get_user(conn, user_id)


def reinstate_user(conn: Connection, user_id: str) -> User:
    conn.execute(update(users).where(users.c.id == user_id).values(suspended_at=None))
    return get_user(conn, user_id)


def set_role(conn: Connection, user_id: str, role: Role) -> User:
    conn.execute(update(users).where(users.c.id == user_id).values(role=Role(role)))
    return get_user(conn, user_id)


def set_password_hash(conn: Connection, user_id: str, password_hash: str) -> None:
    query = update(users).where(users.c.id == user_id).values(password_hash=password_hash)
    if conn.execute(query).rowcount == 0:
        raise NotFoundError(f"there is no user {user_id}")


def password_hash_of(conn: Connection, user_id: str) -> str | None:
    """None when no password was ever set, or for an id nobody has."""
    query = select(users.c.password_hash).where(users.c.id == user_id)
    return conn.execute(query).scalar_one_or_none()


_COLUMNS = [users.c[name] for name in User.__slots__]


def _user_from_row(row: Row[*tuple[Any, ...]]) -> User:
    user_id, email, currency, role, created_at, suspended_at = row
    return User(user_id, email, Currency(currency), Role(role), created_at, suspended_at)
