"""Who may operate the platform. There is always at least one operator."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, update

from whalefall.accounts.users import Role, User, get_user, users
from whalefall.base.errors import InvalidRequestError


def give_role(conn: Connection, user_id: str, role: Role) -> User:
    """The user as they are then. InvalidRequestError for the last operator who could still sign
    in."""
    user = get_user(conn, user_id)
    if user.is_admin and role is not Role.ADMIN and _num_operators(conn) <= 1:
        raise InvalidRequestError(f"{user.email} is the last operator; promote another one first")
    conn.execute(update(users).where(users.c.id == user_id).values(role=role.value))
    return get_user(conn, user_id)


def _num_operators(conn: Connection) -> int:
    query = select(func.count()).where(
        users.c.role == Role.ADMIN.value, users.c.suspended_at.is_(None)
    )
    return int(conn.execute(query).scalar_one())
