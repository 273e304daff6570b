"""Who an account belongs to in the eyes of the law: a person or a company, claimed by its user and
approved by an operator or a checker.

A number is bound to one account at a time, by its keyed digest, while the claim waits or is in
force. A company may follow a person; nothing follows a company. What is refused or replaced keeps
neither number nor document. Knows nothing of money and of pages."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    LargeBinary,
    Row,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from whalefall.accounts.identity_numbers import (
    WrongNumberError,
    masked_credit_code,
    masked_resident_number,
)
from whalefall.accounts.identity_vault import IdentityVault
from whalefall.accounts.users import users
from whalefall.accounts.verification_documents import (
    Document,
    delete_documents,
    keep_document,
)
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.tables import Instant, metadata

NAME_LENGTH_MAX = 100
REASON_LENGTH_MAX = 300
NUM_LISTED_MAX = 200


class VerificationKind(enum.StrEnum):
    PERSONAL = "personal"
    ENTERPRISE = "enterprise"


class VerificationState(enum.StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    REPLACED = "replaced"
    """A person's, after the company's was approved."""


_IS_WAITING = text("state = 'waiting'")
_IS_APPROVED = text("state = 'approved'")

verifications = Table(
    "verifications",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("legal_representative", Text, nullable=False),
    Column("masked_number", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("submitted_at", Instant, nullable=False),
    Column("decided_at", Instant),
    Column("decided_by", Text, nullable=False),
    Column("number_sealed", LargeBinary),
    Column("number_digest", Text),
    UniqueConstraint("number_digest"),
    CheckConstraint("kind IN ('personal', 'enterprise')", name="kind_known"),
    CheckConstraint("state IN ('waiting', 'approved', 'rejected', 'replaced')", name="state_known"),
    CheckConstraint(
        "(state IN ('waiting', 'approved')) = (number_digest IS NOT NULL)", name="bound_in_force"
    ),
    CheckConstraint("(number_digest IS NULL) = (number_sealed IS NULL)", name="sealed_with_digest"),
    CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided_once"),
    Index("ix_verifications_user_id", "user_id"),
    Index("ix_verifications_submitted_at", "submitted_at"),
    Index(
        "uq_verifications_waiting",
        "user_id",
        unique=True,
        sqlite_where=_IS_WAITING,
        postgresql_where=_IS_WAITING,
    ),
    Index(
        "uq_verifications_approved",
        "user_id",
        unique=True,
        sqlite_where=_IS_APPROVED,
        postgresql_where=_IS_APPROVED,
    ),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom an account belongs to, in force."""

    user_id: str
    kind: VerificationKind
    name: str
    masked_number: str
    verified_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """What a user says. The number is checked and normal already."""

    user_id: str
    kind: VerificationKind
    name: str
    number: str = field(repr=False)
    legal_representative: str = ""
    document: Document | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Verification:
    id: str
    user_id: str
    kind: VerificationKind
    state: VerificationState
    name: str
    legal_representative: str
    """Empty for a person."""
    masked_number: str
    reason: str
    """Why it was rejected; else empty."""
    submitted_at: datetime
    decided_at: datetime | None = None
    decided_by: str = ""
    """Whoever decided, by address or by the name of the checker."""


def verified_identity(conn: Connection, user_id: str) -> Identity | None:
    """The one in force."""
    mine = verifications.c.user_id == user_id
    row = conn.execute(select(*_COLUMNS).where(mine, _IS_APPROVED)).one_or_none()
    if row is None:
        return None
    found = _verification_from_row(row)
    assert found.decided_at is not None
    return Identity(user_id, found.kind, found.name, found.masked_number, found.decided_at)


def submit_claim(
    conn: Connection, vault: IdentityVault, claim: Claim, now: datetime
) -> Verification:
    """It waits from now on, and its number is taken. InvalidRequestError when this user may not
    claim that, WrongNumberError when the number is bound to another account."""
    lock_user(conn, claim.user_id)
    _check_may_claim(conn, claim)
    made = Verification(
        id=new_id("verification"),
        user_id=claim.user_id,
        kind=claim.kind,
        state=VerificationState.WAITING,
        name=checked_name(claim.name),
        legal_representative=_representative(claim),
        masked_number=_MASKS[claim.kind](claim.number),
        reason="",
        submitted_at=now,
    )
    values = {name: getattr(made, name) for name in Verification.__slots__}
    sealed = vault.seal(claim.number.encode(), made.id)
    digest = number_digest(vault, claim.kind, claim.number)
    row = {**values, "number_sealed": sealed, "number_digest": digest}
    try:
        conn.execute(insert(verifications).values(row))
    except IntegrityError as error:
        raise WrongNumberError(BOUND_ELSEWHERE) from error
    if claim.document is not None:
        keep_document(conn, vault, made.id, claim.document, now)
    return made


def approve_verification(
    conn: Connection, verification_id: str, decided_by: str, now: datetime
) -> Verification:
    """In force from now on; a company takes the place of the person. NotFoundError for an unknown
    id, InvalidRequestError for one that was decided already."""
    found = _lock_waiting(conn, verification_id)
    mine = (verifications.c.user_id == found.user_id, _IS_APPROVED)
    if found.kind is VerificationKind.ENTERPRISE:
        conn.execute(update(verifications).where(*mine).values(_without_number("replaced")))
    elif conn.execute(select(verifications.c.id).where(*mine)).first() is not None:
        raise InvalidRequestError(VERIFIED_ALREADY)
    return _decided(conn, found.id, {"state": "approved"}, decided_by, now)


def reject_verification(
    conn: Connection, verification_id: str, reason: str, decided_by: str, now: datetime
) -> Verification:
    """Its number is free again and its document gone. Errors as of approval."""
    told = reason.strip()
    if not 1 <= len(told) <= REASON_LENGTH_MAX or not told.isprintable():
        raise InvalidRequestError(ODD_REASON)
    found = _lock_waiting(conn, verification_id, must_be_open=False)
    delete_documents(conn, [found.id])
    changes = {**_without_number("rejected"), "reason": told}
    return _decided(conn, found.id, changes, decided_by, now)


def release_identity(conn: Connection, user_id: str) -> None:
    """Forget all a user ever claimed: the account ends, its numbers are free again."""
    lock_user(conn, user_id, must_be_open=False)
    query = select(verifications.c.id).where(verifications.c.user_id == user_id)
    delete_documents(conn, list(conn.execute(query).scalars()))
    conn.execute(delete(verifications).where(verifications.c.user_id == user_id))


def get_verification(
    conn: Connection, verification_id: str, *, user_id: str | None = None
) -> Verification:
    """NotFoundError for an unknown id and, with `user_id`, for anyone else's."""
    query = select(*_COLUMNS).where(verifications.c.id == verification_id)
    if user_id is not None:
        query = query.where(verifications.c.user_id == user_id)
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no verification {verification_id}")
    return _verification_from_row(row)


def verifications_of(conn: Connection, user_id: str) -> list[Verification]:
    """Newest first."""
    query = select(*_COLUMNS).where(verifications.c.user_id == user_id)
    ordered = query.order_by(verifications.c.submitted_at.desc(), verifications.c.id)
    return [_verification_from_row(row) for row in conn.execute(ordered.limit(NUM_LISTED_MAX))]


def list_verifications(
    conn: Connection, state: VerificationState | None = None
) -> list[Verification]:
    """Of everybody: what waits oldest first, then what was decided, newest first."""
    waiting = select(*_COLUMNS).where(_IS_WAITING).order_by(verifications.c.submitted_at)
    decided = select(*_COLUMNS).where(verifications.c.state != "waiting")
    if state is not None:
        decided = decided.where(verifications.c.state == state.value)
    rows = [] if state not in (None, VerificationState.WAITING) else list(_first(conn, waiting))
    if state is not VerificationState.WAITING:
        rows += _first(conn, decided.order_by(verifications.c.decided_at.desc()))
    return [_verification_from_row(row) for row in rows[:NUM_LISTED_MAX]]


def full_number(conn: Connection, vault: IdentityVault, verification_id: str) -> str:
    """For an operator who compares it with a document. NotFoundError when it is not kept (any
    more)."""
    query = select(verifications.c.number_sealed).where(verifications.c.id == verification_id)
    sealed = conn.execute(query).scalar_one_or_none()
    if sealed is None:
        raise NotFoundError(f"there is no number of {verification_id}")
    return vault.open(bytes(sealed), verification_id).decode()


def lock_user(conn: Connection, user_id: str, *, must_be_open: bool = True) -> None:
    """Claims, decisions and the end of an account come one after the other. NotFoundError for an
    unknown user, InvalidRequestError for one who is suspended or gone."""
    query = select(users.c.id, users.c.suspended_at).where(users.c.id == user_id)
    row = conn.execute(query.with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no user {user_id}")
    if must_be_open and row.suspended_at is not None:
        raise InvalidRequestError(NOT_OPEN)


def number_digest(vault: IdentityVault, kind: VerificationKind, number: str) -> str:
    return vault.digest(f"{kind.value}:{number}")


def checked_name(name: str) -> str:
    """On one line, single spaces. InvalidRequestError when it is empty, overlong or unprintable."""
    normal = " ".join(name.split())
    if not 2 <= len(normal) <= NAME_LENGTH_MAX or not normal.isprintable():
        raise InvalidRequestError(ODD_NAME)
    return normal


ODD_NAME = "A name has 2 to 100 characters, as on the document."
ODD_REASON = "Give a reason of 1 to 300 characters; it is told to the user."
NO_DOCUMENT = "Attach the business licence."
BOUND_ELSEWHERE = (
    "This number is bound to another account already. One number can verify one account."
)
WAITS_ALREADY = "Your details are being checked. Please wait for the answer."
VERIFIED_ALREADY = "This account is verified already."
ENTERPRISE_STAYS = "A verified enterprise cannot be changed into anything else."
DECIDED_ALREADY = "This was decided already."
NOT_OPEN = "This account is not open."

_MASKS = {
    VerificationKind.PERSONAL: masked_resident_number,
    VerificationKind.ENTERPRISE: masked_credit_code,
}
_COLUMNS = [verifications.c[name] for name in Verification.__slots__]


def _check_may_claim(conn: Connection, claim: Claim) -> None:
    query = select(verifications.c.kind, verifications.c.state)
    mine = query.where(verifications.c.user_id == claim.user_id)
    live = {state: kind for kind, state in conn.execute(mine)}
    if live.get("approved") == VerificationKind.ENTERPRISE:
        raise InvalidRequestError(ENTERPRISE_STAYS)
    if "waiting" in live:
        raise InvalidRequestError(WAITS_ALREADY)
    if "approved" in live and claim.kind is VerificationKind.PERSONAL:
        raise InvalidRequestError(VERIFIED_ALREADY)
    if claim.kind is VerificationKind.ENTERPRISE and claim.document is None:
        raise InvalidRequestError(NO_DOCUMENT)


def _representative(claim: Claim) -> str:
    if claim.kind is VerificationKind.PERSONAL:
        return ""
    return checked_name(claim.legal_representative)


def _lock_waiting(
    conn: Connection, verification_id: str, *, must_be_open: bool = True
) -> Verification:
    found = get_verification(conn, verification_id)
    lock_user(conn, found.user_id, must_be_open=must_be_open)
    found = get_verification(conn, verification_id)
    if found.state is not VerificationState.WAITING:
        raise InvalidRequestError(DECIDED_ALREADY)
    return found


def _without_number(state: str) -> dict[str, object]:
    return {"state": state, "number_sealed": None, "number_digest": None}


def _decided(
    conn: Connection,
    verification_id: str,
    changes: dict[str, object],
    decided_by: str,
    now: datetime,
) -> Verification:
    values = {**changes, "decided_at": now, "decided_by": decided_by}
    conn.execute(update(verifications).where(verifications.c.id == verification_id).values(values))
    return get_verification(conn, verification_id)


def _first(conn: Connection, query: Any) -> list[Row[Any]]:  # noqa: ANN401 - any select
    return list(conn.execute(query.limit(NUM_LISTED_MAX)))


def _verification_from_row(row: Row[Any]) -> Verification:
    identifier, user_id, kind, state, *rest = tuple(row)
    return Verification(
        identifier, user_id, VerificationKind(kind), VerificationState(state), *rest
    )
