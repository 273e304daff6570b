"""Verified people and companies in a line each. The numbers are made up: no place has the area code
990000, so nobody was ever given one of them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

from sqlalchemy import Connection

from whalefall.accounts.identity_numbers import CREDIT_ALPHABET, credit_check, resident_check
from whalefall.accounts.identity_vault import IdentityVault
from whalefall.accounts.users import User
from whalefall.accounts.verification import (
    Claim,
    Identity,
    VerificationKind,
    approve_verification,
    submit_claim,
    verified_identity,
)
from whalefall.accounts.verification_documents import Document
from whalefall.base.db import Database

VAULT = IdentityVault(bytes(range(32)))
PDF = b"%PDF-1.4\n% a business licence\n%%EOF\n"
LICENCE = Document("application/pdf", PDF)
_serials = count(1)


def resident_number(serial: int, born: str = "19900307") -> str:
    digits = f"990000{born}{serial % 1000:03}"
    return digits + resident_check(digits)


def credit_code(serial: int) -> str:
    base = len(CREDIT_ALPHABET)
    digits = "".join(CREDIT_ALPHABET[serial // base**place % base] for place in range(9))
    characters = "91990000" + digits
    return characters + credit_check(characters)


def claim_of(
    user: User,
    kind: VerificationKind = VerificationKind.PERSONAL,
    name: str = "Ann Example",
    number: str | None = None,
) -> Claim:
    serial = next(_serials)
    if kind is VerificationKind.PERSONAL:
        born = f"19{50 + serial // 1000 % 50}0307"
        return Claim(user.id, kind, name, number or resident_number(serial, born))
    return Claim(user.id, kind, name, number or credit_code(serial), "Lee Example", LICENCE)


def verified(
    where: Database | Connection,
    user: User,
    kind: VerificationKind = VerificationKind.PERSONAL,
    name: str = "Ann Example",
    at: datetime | None = None,
) -> Identity:
    """As if an operator had approved it."""
    now = at or datetime(2026, 1, 15, 12, tzinfo=UTC)

    def verify(conn: Connection) -> Identity:
        made = submit_claim(conn, VAULT, claim_of(user, kind, name), now)
        approve_verification(conn, made.id, "operator@example.org", now)
        found = verified_identity(conn, user.id)
        assert found is not None
        return found

    return where.run(verify) if isinstance(where, Database) else verify(where)
