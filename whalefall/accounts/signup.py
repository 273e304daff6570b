"""Becoming a user and getting back in: codes by mail, the rule about mail domains, first admin.

An answer never tells whether an address is registered. Functions here return codes to whoever
writes the letter and keep only digests."""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Integer, Table, Text, delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.accounts.profiles import Profile, get_profile, set_profile
from whalefall.accounts.users import (
    Role,
    User,
    create_user,
    find_user,
    get_user,
    normal_email,
    set_password_hash,
    users,
)
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata

CODE_DIGITS = 6
CODE_LIFETIME = timedelta(minutes=10)
NUM_CODE_TRIES_MAX = 5
GENERATED_PASSWORD_BYTES = 15


class CodePurpose(enum.StrEnum):
    SIGN_UP = "sign_up"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - the name of a purpose


email_codes = Table(
    "email_codes",
    metadata,
    Column("purpose", Text, primary_key=True),
    Column("email", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("num_tries", Integer, nullable=False),
    Column("expires_at", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True)
class EmailDomainRule:
    """Whose addresses may sign up. With no allowed domains named, all but the denied ones may; a
    rule for `example.org` covers `mail.example.org` too."""

    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()

    @classmethod
    def of(cls, allowed: Iterable[str] = (), denied: Iterable[str] = ()) -> EmailDomainRule:
        return cls(_normal_domains(allowed), _normal_domains(denied))

    def admits(self, email: str) -> bool:
        labels = email.rsplit("@", 1)[-1].lower().rstrip(".").split(".")
        parents = {".".join(labels[index:]) for index in range(len(labels))}
        if parents & self.denied:
            return False
        return not self.allowed or bool(parents & self.allowed)


def issue_code(conn: Connection, purpose: CodePurpose, email: str, now: datetime) -> str:
    """A fresh code for this address; an earlier one stops working."""
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    address = normal_email(email)
    row = {
        "purpose": purpose.value,
        "email": address,
        "digest": _digest(purpose, address, code),
        "num_tries": 0,
        "expires_at": now + CODE_LIFETIME,
    }
    statement = upsert(email_codes).values(row)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=[email_codes.c.purpose, email_codes.c.email],
            set_={name: row[name] for name in ("digest", "num_tries", "expires_at")},
        )
    )
    return code


def use_code(conn: Connection, purpose: CodePurpose, email: str, code: str, now: datetime) -> bool:
    """Whether this is the code; it is spent then. A wrong one counts, and five end it."""
    address = normal_email(email)
    is_this = (email_codes.c.purpose == purpose.value) & (email_codes.c.email == address)
    counted = (
        update(email_codes)
        .where(is_this, email_codes.c.expires_at > now)
        .values(num_tries=email_codes.c.num_tries + 1)
        .returning(email_codes.c.digest, email_codes.c.num_tries)
    )
    row = conn.execute(counted).one_or_none()
    if row is None or row.num_tries > NUM_CODE_TRIES_MAX:
        return False
    if not hmac.compare_digest(row.digest, _digest(purpose, address, code.strip())):
        return False
    conn.execute(delete(email_codes).where(is_this))
    return True


@dataclass(frozen=True, slots=True)
class NewAccount:
    email: str
    code: str
    password_hash: str
    currency: Currency
    language: str | None = None


def sign_up(conn: Connection, account: NewAccount, now: datetime) -> User | None:
    """The new user; None when the code is wrong or spent, or the address was taken meanwhile."""
    if not use_code(conn, CodePurpose.SIGN_UP, account.email, account.code, now):
        return None
    if find_user(conn, account.email) is not None:
        return None
    user = create_user(
        conn,
        email=account.email,
        now=now,
        currency=account.currency,
        password_hash=account.password_hash,
    )
    set_profile(conn, Profile(user.id, language=account.language))
    return user


def reset_password(
    conn: Connection, email: str, code: str, password_hash: str, now: datetime
) -> User | None:
    """The user with the new password; None when the code is wrong, spent, or nobody's."""
    if not use_code(conn, CodePurpose.RESET_PASSWORD, email, code, now):
        return None
    user = find_user(conn, email)
    if user is not None:
        set_own_password(conn, user.id, password_hash)
    return user


def set_own_password(conn: Connection, user_id: str, password_hash: str) -> None:
    """A password its owner chose: nobody is asked to change it any more."""
    set_password_hash(conn, user_id, password_hash)
    profile = get_profile(conn, user_id)
    if profile.must_change_password:
        set_profile(conn, replace(profile, must_change_password=False))


def generated_password() -> str:
    """For a first login only. Long enough to be shown on a terminal and not to be guessed."""
    return secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)


def create_first_admin(
    conn: Connection, *, email: str, password_hash: str, currency: Currency, now: datetime
) -> User | None:
    """The platform's first admin, who must change the password at the first login; None when
    there is an admin already, or the address belongs to someone."""
    query = select(users.c.id).where(users.c.role == Role.ADMIN.value).limit(1)
    if conn.execute(query).first() is not None or find_user(conn, email) is not None:
        return None
    admin = create_user(
        conn, email=email, now=now, currency=currency, is_admin=True, password_hash=password_hash
    )
    set_profile(conn, Profile(admin.id, must_change_password=True))
    return admin


def admins_with_generated_password(conn: Connection) -> list[User]:
    """Admins who never chose a password of their own: a reason not to listen to strangers."""
    query = select(users.c.id).where(users.c.role == Role.ADMIN.value).order_by(users.c.id)
    admins = [get_user(conn, row.id) for row in conn.execute(query.limit(1000))]
    return [admin for admin in admins if get_profile(conn, admin.id).must_change_password]


def _normal_domains(domains: Iterable[str]) -> frozenset[str]:
    return frozenset(domain.strip().lower().lstrip("@.").rstrip(".") for domain in domains)


def _digest(purpose: CodePurpose, email: str, code: str) -> str:
    return hashlib.sha256(f"{purpose}\0{email}\0{code}".encode("utf-8", "replace")).hexdigest()
