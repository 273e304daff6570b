"""Saying who one is: a person by name and identity number, a company by its business licence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
import structlog
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor
from whalefall.accounts.claim_tries import (
    Claimant,
    Refusal,
    count_wrong_number,
    door_closed_until,
    forget_wrong_numbers,
    try_claim,
)
from whalefall.accounts.identity_checks import Decision, Verdict
from whalefall.accounts.identity_numbers import checked_credit_code, checked_resident_number
from whalefall.accounts.identity_vault import IdentityVault
from whalefall.accounts.throttles import Limit, may_try
from whalefall.accounts.verification import (
    Claim,
    Identity,
    Verification,
    VerificationKind,
    VerificationState,
    checked_name,
    verifications_of,
    verified_identity,
)
from whalefall.accounts.verification_documents import DOCUMENT_BYTES_MAX, checked_document
from whalefall.base.errors import InvalidRequestError, RateLimitedError
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.language import mark
from whalefall.console.pages.sign_in import TOO_MANY_TRIES
from whalefall.console.rendering import instant
from whalefall.console.routing import Action, View
from whalefall.console.session import Visit
from whalefall.console.verification_decisions import (
    Catalogs,
    approve,
    record_verification,
    reject,
)

log = structlog.get_logger()

CHECK_TIMEOUT_SECONDS = 30.0
PER_PERSON = Limit("verification_person", 20, timedelta(hours=24))
NOT_DECLARED = mark("Please confirm that what you entered is true.")
LOCKED = mark("Too many wrong numbers. Verification is locked until %(until)s UTC.")
Text = Annotated[str, msgspec.Meta(max_length=300)]


class ClaimPerson(msgspec.Struct, frozen=True):
    name: Text = ""
    id_number: Text = ""
    """Of the resident identity card."""
    is_declared: bool = False
    """That it is one's own and true."""


class ClaimCompany(msgspec.Struct, frozen=True):
    name: Text = ""
    """As registered."""
    id_number: Text = ""
    """The unified social credit code."""
    legal_representative: Text = ""
    document: bytes = b""
    """The business licence, PDF, PNG or JPEG; in base64."""
    is_declared: bool = False


@dataclass(frozen=True, slots=True)
class VerificationPage:
    identity: Identity | None
    """In force."""
    waiting: Verification | None
    last_rejected: Verification | None
    """When it is the newest of all."""
    open_kinds: tuple[VerificationKind, ...]
    """What may be claimed now."""
    locked_until: datetime | None
    document_megabytes_max: int


async def load_verification(visit: Visit, _query: NoFields) -> VerificationPage:
    return await visit.database.read(_page, _claimant(visit), visit.now)


async def claim_person(visit: Visit, fields: ClaimPerson) -> Verification:
    _check_declared(fields.is_declared)
    name = checked_name(fields.name)

    def claim() -> Claim:
        number = checked_resident_number(fields.id_number, visit.now.date())
        return Claim(visit.person.id, VerificationKind.PERSONAL, name, number)

    return await _claim(visit, claim)


async def claim_company(visit: Visit, fields: ClaimCompany) -> Verification:
    _check_declared(fields.is_declared)
    name, representative = checked_name(fields.name), checked_name(fields.legal_representative)
    document = checked_document(fields.document)

    def claim() -> Claim:
        code = checked_credit_code(fields.id_number)
        kind = VerificationKind.ENTERPRISE
        return Claim(visit.person.id, kind, name, code, representative, document)

    return await _claim(visit, claim)


async def _claim(visit: Visit, claim_of: Callable[[], Claim]) -> Verification:
    if not await visit.database.write(may_try, PER_PERSON, visit.person.id, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)
    vault = visit.context.identity_vault
    tried = await visit.database.write(
        _try, vault, visit.actor, _claimant(visit), claim_of, visit.now
    )
    if isinstance(tried, Refusal):
        if tried.locked_until is not None:
            raise RefusedError(LOCKED, until=instant(tried.locked_until))
        raise InvalidRequestError(tried.message)
    verdict = await _asked(visit, claim_of())
    if verdict.decision is not Decision.REJECT:
        await visit.database.write(forget_wrong_numbers, _claimant(visit))
    if verdict.decision is Decision.ASK_OPERATOR:
        return tried
    checker = Actor(None, visit.context.identity_checker.name, "")
    return await visit.database.write(
        _decide, checker, _claimant(visit), tried.id, verdict, visit.console.catalogs, visit.now
    )


async def _asked(visit: Visit, claim: Claim) -> Verdict:
    """A checker that fails or hesitates leaves the claim to an operator."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return await visit.context.identity_checker.check(claim)
    except Exception:
        log.exception("identity_checker_failed", user_id=claim.user_id)
        return Verdict(Decision.ASK_OPERATOR)


def _try(
    conn: Connection,
    vault: IdentityVault,
    actor: Actor,
    claimant: Claimant,
    claim_of: Callable[[], Claim],
    now: datetime,
) -> Verification | Refusal:
    tried = try_claim(conn, vault, claimant, claim_of, now)
    if isinstance(tried, Verification):
        record_verification(conn, actor, "verification.submitted", tried, now)
    return tried


def _decide(
    conn: Connection,
    checker: Actor,
    claimant: Claimant,
    verification_id: str,
    verdict: Verdict,
    catalogs: Catalogs,
    now: datetime,
) -> Verification:
    if verdict.decision is Decision.APPROVE:
        return approve(conn, checker, verification_id, catalogs, now)
    count_wrong_number(conn, claimant, now)
    return reject(conn, checker, verification_id, verdict.reason, catalogs, now)


def _page(conn: Connection, claimant: Claimant, now: datetime) -> VerificationPage:
    mine = verifications_of(conn, claimant.user_id)
    identity = verified_identity(conn, claimant.user_id)
    waiting = [each for each in mine if each.state is VerificationState.WAITING]
    is_rejected = bool(mine) and mine[0].state is VerificationState.REJECTED
    return VerificationPage(
        identity=identity,
        waiting=waiting[0] if waiting else None,
        last_rejected=mine[0] if is_rejected else None,
        open_kinds=() if waiting else _open_kinds(identity),
        locked_until=door_closed_until(conn, claimant, now),
        document_megabytes_max=DOCUMENT_BYTES_MAX >> 20,
    )


def _open_kinds(identity: Identity | None) -> tuple[VerificationKind, ...]:
    if identity is None:
        return tuple(VerificationKind)
    is_personal = identity.kind is VerificationKind.PERSONAL
    return (VerificationKind.ENTERPRISE,) if is_personal else ()


def _check_declared(is_declared: bool) -> None:
    if not is_declared:
        raise RefusedError(NOT_DECLARED)


def _claimant(visit: Visit) -> Claimant:
    return Claimant(visit.person.id, visit.address)


VERIFICATION = View(
    "/verification",
    "verification.html",
    load_verification,
    "Whom the account belongs to, and what is being checked.",
)

VIEWS = (VERIFICATION,)
ACTIONS = (
    Action(
        "/verification/personal",
        claim_person,
        VERIFICATION,
        "Verify the account as a person.",
        fields=ClaimPerson,
        then="/verification?notice=verification_submitted",
    ),
    Action(
        "/verification/enterprise",
        claim_company,
        VERIFICATION,
        "Verify the account as a company, with its business licence.",
        fields=ClaimCompany,
        then="/verification?notice=verification_submitted",
        upload_bytes_max=DOCUMENT_BYTES_MAX,
    ),
)
