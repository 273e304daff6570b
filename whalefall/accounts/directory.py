"""Finding users: what an operator types, taken literally. Wildcards are text here."""

from __future__ import annotations

from sqlalchemy import Connection, func, or_, select

from whalefall.accounts.users import Role, User, users
from whalefall.base.money import Currency

PAGE_LENGTH_MAX = 100
QUERY_LENGTH_MAX = 254


def search_users(
    conn: Connection, text: str = "", *, after_email: str = "", limit: int = 50
) -> list[User]:
    """Users whose address contains the text, or whose id it is; by address, at most 100 a time.
    Pass the last address seen to go on."""
    wanted = text.strip().lower()[:QUERY_LENGTH_MAX]
    columns = [users.c[name] for name in User.__slots__]
    query = select(*columns).where(users.c.email > after_email).order_by(users.c.email)
    if wanted:
        contains = users.c.email.contains(wanted, autoescape=True)
        query = query.where(or_(contains, users.c.id == wanted))
    rows = conn.execute(query.limit(max(1, min(limit, PAGE_LENGTH_MAX))))
    return [
        User(row[0], row[1], Currency(row[2]), Role(row[3]), *row[4:]) for row in map(tuple, rows)
    ]


def operators(conn: Connection) -> list[User]:
    """Everybody who may operate the platform now, by address."""
    columns = [users.c[name] for name in User.__slots__]
    may_operate = (users.c.role == Role.ADMIN.value) & users.c.suspended_at.is_(None)
    rows = conn.execute(select(*columns).where(may_operate).order_by(users.c.email))
    return [
        User(row[0], row[1], Currency(row[2]), Role(row[3]), *row[4:]) for row in map(tuple, rows)
    ]


def num_users(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(users)).scalar_one())
