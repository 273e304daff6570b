"""Virtual account numbers: one for each verified enterprise, below the platform's own account at
the bank, so that whoever pays to it is known.

A number is the base number of the platform's account, six digits drawn by chance, and two check
digits (ISO 7064, MOD 97-10), which find every single wrong digit and every pair exchanged. Once
given, a number stays its owner's for ever: rows are never removed. Another base number in the
settings gives everyone another number."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, ForeignKey, Row, Table, Text, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.accounts.verification import VerificationKind, verified_identity
from whalefall.base.errors import InvalidRequestError, ServerError
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata

NUM_SERIAL_DIGITS = 6
NUM_CHECK_DIGITS = 2
NUM_OWN_DIGITS = NUM_SERIAL_DIGITS + NUM_CHECK_DIGITS
NUM_TRIES_MAX = 50
NOT_AN_ENTERPRISE = "Only a verified enterprise can pay by bank transfer."

virtual_accounts = Table(
    "virtual_accounts",
    metadata,
    Column("number", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("base_number", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("user_id", "base_number"),
)


@dataclass(frozen=True, slots=True)
class BankAccount:
    """The platform's own account, as payers have to write it."""

    bank: str
    branch: str
    holder: str
    number: str
    """Digits only: what every virtual account number begins with."""
    currency: Currency = Currency.CNY
    """Of statement lines that name none."""


@dataclass(frozen=True, slots=True)
class VirtualAccount:
    number: str
    user_id: str
    base_number: str
    created_at: datetime


def give_virtual_account(
    conn: Connection, user_id: str, base_number: str, now: datetime
) -> VirtualAccount:
    """The user's number below this account, drawn when asked for first. InvalidRequestError for
    anyone but a verified enterprise."""
    identity = verified_identity(conn, user_id)
    if identity is None or identity.kind is not VerificationKind.ENTERPRISE:
        raise InvalidRequestError(NOT_AN_ENTERPRISE)
    for _ in range(NUM_TRIES_MAX):
        found = virtual_account_of(conn, user_id, base_number)
        if found is not None:
            return found
        serial = secrets.randbelow(10**NUM_SERIAL_DIGITS)
        drawn = VirtualAccount(number_from_serial(base_number, serial), user_id, base_number, now)
        row = {name: getattr(drawn, name) for name in VirtualAccount.__slots__}
        conn.execute(upsert(virtual_accounts).values(row).on_conflict_do_nothing())
    raise ServerError(f"no virtual account number is left below {base_number}")


def virtual_account_of(conn: Connection, user_id: str, base_number: str) -> VirtualAccount | None:
    columns = virtual_accounts.c
    is_it = (columns.user_id == user_id) & (columns.base_number == base_number)
    return _one(conn.execute(select(*_COLUMNS).where(is_it)).one_or_none())


def find_virtual_account(conn: Connection, number: str) -> VirtualAccount | None:
    """Whose number it is."""
    is_it = virtual_accounts.c.number == number
    return _one(conn.execute(select(*_COLUMNS).where(is_it)).one_or_none())


def number_from_serial(base_number: str, serial: int) -> str:
    body = f"{base_number}{serial:0{NUM_SERIAL_DIGITS}d}"
    return f"{body}{98 - int(body) * 100 % 97:02d}"


def is_well_formed(number: str) -> bool:
    """Whether its check digits fit."""
    return number.isascii() and number.isdigit() and int(number) % 97 == 1


def numbers_in(text: str, base_number: str) -> set[str]:
    """Everything in a text that looks like a virtual account number below this account, right or
    wrong. People part the digits with blanks or hyphens."""
    length = len(base_number) + NUM_OWN_DIGITS
    found = set()
    for run in _RUNS.findall(text):
        digits = run.replace(" ", "").replace("-", "")
        start = digits.find(base_number)
        while start >= 0:
            if len(digits) >= start + length:
                found.add(digits[start : start + length])
            start = digits.find(base_number, start + 1)
    return found


def grouped_number(number: str) -> str:
    """In groups of four, as people read and type it."""
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))


_RUNS = re.compile(r"[0-9](?:[ -]?[0-9])*")
_COLUMNS = [virtual_accounts.c[name] for name in VirtualAccount.__slots__]


def _one(row: Row[Any] | None) -> VirtualAccount | None:
    return None if row is None else VirtualAccount(*tuple(row))
