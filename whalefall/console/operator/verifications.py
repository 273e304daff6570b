"""The operator's queue of claims: compare, then approve or reject. The full number is shown on a
click of its own; that, and every look at a document, stands in the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor
from whalefall.accounts.identity_vault import IdentityVault
from whalefall.accounts.users import User, get_user
from whalefall.accounts.verification import (
    Identity,
    Verification,
    VerificationState,
    full_number,
    get_verification,
    list_verifications,
    verifications_of,
    verified_identity,
)
from whalefall.accounts.verification_documents import Document, document_of, has_document
from whalefall.console.routing import Action, Download, File, View
from whalefall.console.session import Standing, Visit
from whalefall.console.verification_decisions import approve as approve_claim
from whalefall.console.verification_decisions import record_verification
from whalefall.console.verification_decisions import reject as reject_claim

Id = Annotated[str, msgspec.Meta(max_length=64)]


class QueueQuery(msgspec.Struct, frozen=True):
    state: VerificationState | None = None
    """Only these; none: what waits, then what was decided."""


class VerificationId(msgspec.Struct, frozen=True):
    verification_id: Id


class Reject(msgspec.Struct, frozen=True):
    verification_id: Id
    reason: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    """Told to the user."""


@dataclass(frozen=True, slots=True)
class Entry:
    email: str
    verification: Verification


@dataclass(frozen=True, slots=True)
class QueuePage:
    state: VerificationState | None
    states: tuple[VerificationState, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class ClaimPage:
    user: User
    verification: Verification
    has_document: bool
    identity: Identity | None
    """What is in force now."""
    others: tuple[Verification, ...]
    """Earlier and later claims of the same user."""


@dataclass(frozen=True, slots=True)
class ShownNumber:
    number: str


async def load_queue(visit: Visit, query: QueueQuery) -> QueuePage:
    return await visit.database.read(_queue, query.state)


async def load_claim(visit: Visit, query: VerificationId) -> ClaimPage:
    return await visit.database.read(_claim_page, query.verification_id)


async def show_number(visit: Visit, fields: VerificationId) -> ShownNumber:
    vault = visit.context.identity_vault
    return await visit.database.write(
        _number, vault, visit.actor, fields.verification_id, visit.now
    )


async def load_document(visit: Visit, query: VerificationId) -> File:
    """The audit entry is written first: no look without one."""
    vault = visit.context.identity_vault
    document = await visit.database.write(
        _document, vault, visit.actor, query.verification_id, visit.now
    )
    name = f"{query.verification_id}.{document.extension}"
    return File(name, document.content, document.content_type)


async def approve(visit: Visit, fields: VerificationId) -> Verification:
    catalogs = visit.console.catalogs
    return await visit.database.write(
        approve_claim,
        visit.actor,
        fields.verification_id,
        catalogs,
        visit.now,
        visit.context.bank_account,
    )


async def reject(visit: Visit, fields: Reject) -> Verification:
    return await visit.database.write(
        reject_claim,
        visit.actor,
        fields.verification_id,
        fields.reason,
        visit.console.catalogs,
        visit.now,
    )


def _queue(conn: Connection, state: VerificationState | None) -> QueuePage:
    found = list_verifications(conn, state)
    emails = {each.user_id: get_user(conn, each.user_id).email for each in found}
    entries = tuple(Entry(emails[each.user_id], each) for each in found)
    return QueuePage(state, tuple(VerificationState), entries)


def _claim_page(conn: Connection, verification_id: str) -> ClaimPage:
    found = get_verification(conn, verification_id)
    mine = verifications_of(conn, found.user_id)
    return ClaimPage(
        user=get_user(conn, found.user_id),
        verification=found,
        has_document=has_document(conn, found.id),
        identity=verified_identity(conn, found.user_id),
        others=tuple(each for each in mine if each.id != found.id),
    )


def _number(
    conn: Connection, vault: IdentityVault, actor: Actor, verification_id: str, now: datetime
) -> ShownNumber:
    found = get_verification(conn, verification_id)
    number = full_number(conn, vault, found.id)
    record_verification(conn, actor, "verification.number_shown", found, now)
    return ShownNumber(number)


def _document(
    conn: Connection, vault: IdentityVault, actor: Actor, verification_id: str, now: datetime
) -> Document:
    found = get_verification(conn, verification_id)
    document = document_of(conn, vault, found.id)
    record_verification(conn, actor, "verification.document_opened", found, now)
    return document


QUEUE = View(
    "/operator/verifications",
    "operator/verifications.html",
    load_queue,
    "Claims that wait, oldest first, and what became of the others.",
    query=QueueQuery,
    standing=Standing.OPERATOR,
)
CLAIM = View(
    "/operator/verifications/{verification_id}",
    "operator/verification.html",
    load_claim,
    "One claim, its number masked.",
    query=VerificationId,
    standing=Standing.OPERATOR,
)

VIEWS = (QUEUE, CLAIM)
ACTIONS = (
    Action(
        "/operator/verifications/{verification_id}/number",
        show_number,
        CLAIM,
        "Show the full number, once; noted in the audit log.",
        fields=VerificationId,
        standing=Standing.OPERATOR,
    ),
    Action(
        "/operator/verifications/{verification_id}/approve",
        approve,
        CLAIM,
        "Approve a claim; a letter goes to the user.",
        fields=VerificationId,
        then="/operator/verifications?notice=verification_approved",
        standing=Standing.OPERATOR,
    ),
    Action(
        "/operator/verifications/{verification_id}/reject",
        reject,
        CLAIM,
        "Reject a claim with a reason; a letter goes to the user.",
        fields=Reject,
        then="/operator/verifications?notice=verification_rejected",
        standing=Standing.OPERATOR,
    ),
)
DOWNLOADS = (
    Download(
        "/operator/verifications/{verification_id}/document",
        load_document,
        "The business licence of a claim; noted in the audit log.",
        query=VerificationId,
        standing=Standing.OPERATOR,
    ),
)
