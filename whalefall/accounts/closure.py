"""The end of an account. The row stays, because money once moved under its id; the person does
not: address, password, keys, logins, second factor, conversations and the verified identity are
gone; the address and the identity number are free again. Tickets and audit entries stay, with the
id where the address was: a question of money can be followed for years, without a name."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, update

from whalefall.accounts.api_keys import api_keys
from whalefall.accounts.audit import forget_actor_email
from whalefall.accounts.conversations import delete_conversations
from whalefall.accounts.logins import revoke_logins
from whalefall.accounts.profiles import profiles
from whalefall.accounts.second_factor import remove_second_factor
from whalefall.accounts.tickets import forget_email
from whalefall.accounts.users import User, get_user, users
from whalefall.accounts.verification import release_identity

CLOSED_EMAIL_END = "@deleted.invalid"


def close_account(conn: Connection, user_id: str, now: datetime) -> User:
    """From the commit on no key and no login of this user opens anything. What is left is a
    suspended user without an address. NotFoundError for an unknown id."""
    user = get_user(conn, user_id)
    mine = update(api_keys).where(api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))
    conn.execute(mine.values(revoked_at=now))
    revoke_logins(conn, user_id, now)
    remove_second_factor(conn, user_id)
    delete_conversations(conn, user_id)
    release_identity(conn, user_id)
    of_tickets = forget_email(conn, user_id, user.email, closed_email(user_id))
    forget_actor_email(conn, user_id, user.email, closed_email(user_id), of_tickets)
    conn.execute(delete(profiles).where(profiles.c.user_id == user_id))
    emptied = update(users).where(users.c.id == user_id)
    conn.execute(emptied.values(email=closed_email(user_id), password_hash=None, suspended_at=now))
    return user


def closed_email(user_id: str) -> str:
    """What stands in place of an address; nothing can ever be delivered there."""
    return user_id + CLOSED_EMAIL_END


def is_closed(user: User) -> bool:
    return user.email == closed_email(user.id)
