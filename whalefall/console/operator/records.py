"""What the operator reads: letters in the outbox, and the audit log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import msgspec

from whalefall.accounts.audit import AuditEntry, list_actions
from whalefall.base.mail import Mail, list_mails
from whalefall.console.forms import NoFields
from whalefall.console.routing import View
from whalefall.console.session import Standing, Visit


class AuditQuery(msgspec.Struct, frozen=True):
    subject: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Only what was done to the thing with this id."""


@dataclass(frozen=True, slots=True)
class OutboxPage:
    mails: tuple[Mail, ...]
    is_outbox_only: bool


@dataclass(frozen=True, slots=True)
class AuditPage:
    subject: str
    entries: tuple[AuditEntry, ...]


async def load_outbox(visit: Visit, _query: NoFields) -> OutboxPage:
    """Texts, which hold codes, are shown only where nobody would get them otherwise."""
    mails = await visit.database.read(list_mails)
    is_outbox_only = visit.context.shows_outbox
    shown = mails if is_outbox_only else [replace(mail, text="") for mail in mails]
    return OutboxPage(tuple(shown), is_outbox_only)


async def load_audit(visit: Visit, query: AuditQuery) -> AuditPage:
    entries = await visit.database.read(list_actions, subject=query.subject or None)
    return AuditPage(query.subject, tuple(entries))


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
