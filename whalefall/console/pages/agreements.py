"""The framework agreement: a template to read and to take along, and the way to ask for one that
is signed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.verification import Identity, verified_identity
from whalefall.console.forms import NoFields
from whalefall.console.language import Language
from whalefall.console.pages.invoices import is_enterprise
from whalefall.console.papers.agreement_paper import agreement_pdf
from whalefall.console.routing import Download, File, View
from whalefall.console.session import Visit


class AgreementQuery(msgspec.Struct, frozen=True):
    language: Language = Language.CHINESE
    """`zh-CN` or `en`."""


@dataclass(frozen=True, slots=True)
class AgreementsPage:
    identity: Identity | None
    is_enterprise: bool
    has_operator: bool
    """The operator's company is named; without it the template has blanks."""


async def load_agreements(visit: Visit, _query: NoFields) -> AgreementsPage:
    identity = await visit.database.read(_identity, visit.person.id)
    has_operator = bool(visit.context.seller.name)
    return AgreementsPage(identity, is_enterprise(identity), has_operator)


async def download(visit: Visit, query: AgreementQuery) -> File:
    identity = await visit.database.read(_identity, visit.person.id)
    customer = identity.name if identity is not None else ""
    seller = visit.context.seller
    paper = await asyncio.to_thread(agreement_pdf, query.language, seller, customer)
    return File(f"framework-agreement-{query.language}.pdf", paper, "application/pdf")


def _identity(conn: Connection, user_id: str) -> Identity | None:
    return verified_identity(conn, user_id)


VIEWS = (
    View(
        "/agreements",
        "agreements.html",
        load_agreements,
        "Who the framework agreement would be made with.",
    ),
)
DOWNLOADS = (
    Download(
        "/agreements/file",
        download,
        "The framework agreement as a PDF, in one of two languages.",
        query=AgreementQuery,
    ),
)
