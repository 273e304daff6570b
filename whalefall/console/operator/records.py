"""What the operator reads: letters in the outbox, and the audit log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import msgspec

from whalefall.accounts.audit import AuditEntry, AuditFilter, list_actions
from whalefall.base.mail import Mail, list_mails
from whalefall.base.tables import instant_from_micros, micros_from_instant
from whalefall.console.forms import NoFields
from whalefall.console.routing import View
from whalefall.console.session import Standing, Visit

PAGE_LENGTH = 100


class AuditQuery(msgspec.Struct, frozen=True):
    subject: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Only what was done to the thing with this id."""
    actor: Annotated[str, msgspec.Meta(max_length=254)] = ""
    """Part of the address of whoever did it."""
    action: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """The beginning of an action, such as `api_key.`."""
    before: Annotated[int, msgspec.Meta(ge=0, le=1 << 62)] = 0
    """Microseconds since 1970: only older entries; 0: from the newest on."""


@dataclass(frozen=True, slots=True)
class OutboxPage:
    mails: tuple[Mail, ...]
    is_outbox_only: bool


@dataclass(frozen=True, slots=True)
class AuditPage:
    query: AuditQuery
    entries: tuple[AuditEntry, ...]
    next_before: int | None
    """For the next page."""


async def load_outbox(visit: Visit, _query: NoFields) -> OutboxPage:
    """Texts, which hold codes, are shown only where nobody would get them otherwise."""
    mails = await visit.database.read(list_mails)
    is_outbox_only = visit.context.shows_outbox
    shown = mails if is_outbox_only else [replace(mail, text="") for mail in mails]
    return OutboxPage(tuple(shown), is_outbox_only)


async def load_audit(visit: Visit, query: AuditQuery) -> AuditPage:
    wanted = AuditFilter(
        query.actor.strip(),
        query.action.strip(),
        instant_from_micros(query.before) if query.before else None,
    )
    entries = await visit.database.read(
        list_actions, subject=query.subject or None, wanted=wanted, limit=PAGE_LENGTH
    )
    is_full = len(entries) == PAGE_LENGTH
    next_before = micros_from_instant(entries[-1].created_at) if is_full else None
    return AuditPage(query, tuple(entries), next_before)


VIEWS = (
    View(
        "/operator/outbox",
        "operator/outbox.html",
        load_outbox,
        "Letters that wait or were sent, newest first.",
        standing=Standing.OPERATOR,
    ),
    View(
        "/operator/audit",
        "operator/audit.html",
        load_audit,
        "Who did what, newest first.",
        query=AuditQuery,
        standing=Standing.OPERATOR,
    ),
)
