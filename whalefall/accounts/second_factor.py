"""The second factor: six digits that change every 30 seconds (RFC 6238), and codes for the day the
telephone is lost. A code is accepted once; recovery codes are stored as digests."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

import pyotp
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from whalefall.accounts.logins import LIFETIME, logins
from whalefall.base.tables import Instant, metadata

STEP_SECONDS = 30
NUM_RECOVERY_CODES = 10
ISSUER = "Whalefall"

totp_secrets = Table(
    "totp_secrets",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("secret", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
    Column("last_step", BigInteger, nullable=False),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("used_at", Instant),
)


@dataclass(frozen=True, slots=True)
class SecondFactor:
    is_on: bool
    num_recovery_codes: int


def second_factor_of(conn: Connection, user_id: str) -> SecondFactor:
    row = conn.execute(
        select(totp_secrets.c.confirmed_at).where(totp_secrets.c.user_id == user_id)
    ).one_or_none()
    unused = select(func.count()).where(
        recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None)
    )
    is_on = row is not None and row.confirmed_at is not None
    return SecondFactor(is_on, conn.execute(unused).scalar_one())


def prepare_second_factor(conn: Connection, user_id: str, now: datetime) -> str:
    """A secret to enter in an authenticator, the same until it is confirmed. The factor is on only
    after `confirm_second_factor`."""
    query = select(totp_secrets.c.secret).where(totp_secrets.c.user_id == user_id)
    known: str | None = conn.execute(query).scalar_one_or_none()
    if known is not None:
        return known
    secret = pyotp.random_base32()
    row = {"user_id": user_id, "secret": secret, "created_at": now, "last_step": 0}
    conn.execute(insert(totp_secrets).values(row))
    return secret


def authenticator_url(secret: str, email: str) -> str:
    """What authenticators read from a picture or a link."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def confirm_second_factor(
    conn: Connection, user_id: str, code: str, now: datetime
) -> list[str] | None:
    """Turn the factor on with a first code; the recovery codes, to be shown once. None for a wrong
    code, or when it is on already."""
    row = conn.execute(
        select(totp_secrets.c.confirmed_at).where(totp_secrets.c.user_id == user_id)
    ).one_or_none()
    if row is None or row.confirmed_at is not None or not _use_totp(conn, user_id, code, now):
        return None
    mine = update(totp_secrets).where(totp_secrets.c.user_id == user_id)
    conn.execute(mine.values(confirmed_at=now))
    return renew_recovery_codes(conn, user_id, now)


def renew_recovery_codes(conn: Connection, user_id: str, now: datetime) -> list[str]:
    """Ten fresh codes; earlier ones stop working."""
    conn.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    codes = [f"{secrets.token_hex(3)}-{secrets.token_hex(3)}" for _ in range(NUM_RECOVERY_CODES)]
    rows = [
        {"digest": _digest(user_id, code), "user_id": user_id, "created_at": now} for code in codes
    ]
    conn.execute(insert(recovery_codes), rows)
    return codes


def use_second_factor(conn: Connection, user_id: str, code: str, now: datetime) -> bool:
    """Whether this is the code of the moment or an unused recovery code; it is spent then."""
    return _use_totp(conn, user_id, code, now) or _use_recovery_code(conn, user_id, code, now)


def remove_second_factor(conn: Connection, user_id: str) -> None:
    conn.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    conn.execute(delete(totp_secrets).where(totp_secrets.c.user_id == user_id))


def complete_login(conn: Connection, login_id: str, now: datetime) -> None:
    """Both factors were given: the login opens what its user may open, for its full lifetime."""
    mine = update(logins).where(logins.c.id == login_id)
    conn.execute(mine.values(needs_second_factor=False, expires_at=now + LIFETIME))


def _use_totp(conn: Connection, user_id: str, code: str, now: datetime) -> bool:
    """Codes one step early or late count, for clocks that differ. A step serves once."""
    query = select(totp_secrets.c.secret).where(totp_secrets.c.user_id == user_id)
    secret = conn.execute(query).scalar_one_or_none()
    digits = "".join(code.split())
    if secret is None or not (digits.isascii() and digits.isdigit()):
        return False
    totp = pyotp.TOTP(secret)
    current = int(now.timestamp()) // STEP_SECONDS
    for step in (current - 1, current, current + 1):
        if pyotp.utils.strings_equal(totp.generate_otp(step), digits):
            unused = update(totp_secrets).where(
                totp_secrets.c.user_id == user_id, totp_secrets.c.last_step < step
            )
            return conn.execute(unused.values(last_step=step)).rowcount == 1
    return False


def _use_recovery_code(conn: Connection, user_id: str, code: str, now: datetime) -> bool:
    unused = update(recovery_codes).where(
        recovery_codes.c.digest == _digest(user_id, "".join(code.lower().split())),
        recovery_codes.c.used_at.is_(None),
    )
    return conn.execute(unused.values(used_at=now)).rowcount == 1


def _digest(user_id: str, code: str) -> str:
    return hashlib.sha256(f"{user_id}\0{code}".encode("utf-8", "replace")).hexdigest()
