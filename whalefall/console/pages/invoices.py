"""Invoices from the customer's side: what can be invoiced, asking for it, what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.users import User
from whalefall.accounts.verification import Identity, VerificationKind, verified_identity
from whalefall.base.money import Currency, nanos_from_text
from whalefall.billing.invoice_content import Buyer, InvoiceKind, TitleKind
from whalefall.billing.invoice_documents import (
    Invoice,
    credit_notes_of,
    credited_nanos,
    get_invoice,
    list_invoices,
)
from whalefall.billing.invoice_requests import InvoiceRequest, requests_of
from whalefall.billing.invoiceable import Invoiceable, currencies_with_usage
from whalefall.billing.invoices import (
    InvoiceWish,
    ask_invoice,
    ask_replacement,
    left_to_invoice,
    month_number,
    month_text,
    withdraw_request,
)
from whalefall.billing.working_days import WorkingDays
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.invoice_papers import paper_of
from whalefall.console.language import mark
from whalefall.console.routing import Action, Download, File, View
from whalefall.console.session import Standing, Visit

Id = Annotated[str, msgspec.Meta(max_length=64)]
Title = Annotated[str, msgspec.Meta(max_length=200)]
Remarks = Annotated[str, msgspec.Meta(max_length=2000)]
NOT_AN_AMOUNT = mark("That is not an amount; write it like 12.50.")
ODD_MONTH = mark("That is not a month; write it like 2026-09.")
STATE_NAMES = {
    "open": mark("to be decided"),
    "issued": mark("issued"),
    "refused": mark("refused"),
    "withdrawn": mark("withdrawn"),
}


class BuyerFields(msgspec.Struct, frozen=True):
    title_kind: TitleKind = TitleKind.PERSONAL
    title: Title = ""
    """Of an enterprise: the name it was verified with."""
    tax_number: Annotated[str, msgspec.Meta(max_length=60)] = ""
    """Of an enterprise."""
    remarks: Remarks = ""
    with_usage: str = ""
    """Anything: the usage of the month is listed below the amount."""


class AskInvoice(BuyerFields, frozen=True):
    currency: Currency | None = None
    """The account's own when left out."""
    month: Annotated[str, msgspec.Meta(max_length=10)] = ""
    """`2026-09`: for the usage of that month. Empty: for an amount of choice."""
    amount: Annotated[str, msgspec.Meta(max_length=30)] = ""
    """Empty: all that is left of the month."""


class RequestId(msgspec.Struct, frozen=True):
    request_id: Id


class InvoiceId(msgspec.Struct, frozen=True):
    invoice_id: Id


class Replace(BuyerFields, frozen=True, kw_only=True):
    invoice_id: Id


@dataclass(frozen=True, slots=True)
class InvoicesPage:
    left: tuple[Invoiceable, ...]
    identity: Identity | None
    requests: tuple[InvoiceRequest, ...]
    invoices: tuple[Invoice, ...]
    can_be_issued: bool
    """An operator_name is set."""
    service_email: str
    states: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InvoicePage:
    invoice: Invoice
    credit_notes: tuple[Invoice, ...]
    credited_nanos: int
    identity: Identity | None

    @property
    def left_nanos(self) -> int:
        is_invoice = self.invoice.kind is InvoiceKind.INVOICE
        return self.invoice.amount_nanos - self.credited_nanos if is_invoice else 0


async def load_invoices(visit: Visit, _query: NoFields) -> InvoicesPage:
    has_seller = bool(visit.context.seller.name)
    return await visit.database.read(
        _invoices_page, visit.person, has_seller, visit.context.service_email
    )


async def load_invoice(visit: Visit, query: InvoiceId) -> InvoicePage:
    return await visit.database.read(invoice_page, query.invoice_id, visit.person.id)


async def ask(visit: Visit, fields: AskInvoice) -> InvoiceRequest:
    wish = InvoiceWish(
        user_id=visit.person.id,
        currency=fields.currency or visit.person.currency,
        amount_nanos=_nanos(fields.amount) if fields.amount.strip() else None,
        month=_month(fields.month) if fields.month else None,
        buyer=_buyer(visit, fields),
        language=visit.language.value,
        has_usage=bool(fields.with_usage),
        remarks=_printable(visit, fields.remarks.strip()),
    )
    clock = visit.context.working_days
    return await visit.database.write(_ask, visit.actor, wish, clock, visit.now)


async def withdraw(visit: Visit, fields: RequestId) -> None:
    await visit.database.write(_withdraw, visit.actor, fields.request_id, visit.person, visit.now)


async def ask_again(visit: Visit, fields: Replace) -> InvoiceRequest:
    wish = InvoiceWish(
        user_id=visit.person.id,
        currency=visit.person.currency,
        amount_nanos=None,
        month=None,
        buyer=_buyer(visit, fields),
        language=visit.language.value,
        has_usage=bool(fields.with_usage),
        remarks=_printable(visit, fields.remarks.strip()),
    )
    clock = visit.context.working_days
    return await visit.database.write(
        _ask_again, visit.actor, fields.invoice_id, wish, clock, visit.now
    )


async def download(visit: Visit, query: InvoiceId) -> File:
    """For its owner, and for operators."""
    owner = None if visit.standing is Standing.OPERATOR else visit.person.id
    made = await visit.database.read(get_invoice, query.invoice_id, user_id=owner)
    paper = await paper_of(visit.database, visit.console.catalogs, made, visit.now)
    return File(f"{made.number}.pdf", paper, "application/pdf")


def invoice_page(conn: Connection, invoice_id: str, user_id: str | None) -> InvoicePage:
    made = get_invoice(conn, invoice_id, user_id=user_id)
    return InvoicePage(
        invoice=made,
        credit_notes=tuple(credit_notes_of(conn, made.id)),
        credited_nanos=credited_nanos(conn, made.id),
        identity=verified_identity(conn, made.user_id),
    )


def _invoices_page(
    conn: Connection, user: User, has_seller: bool, service_email: str
) -> InvoicesPage:
    currencies = dict.fromkeys([user.currency, *currencies_with_usage(conn, user.id)])
    return InvoicesPage(
        left=tuple(left_to_invoice(conn, user.id, currency) for currency in currencies),
        identity=verified_identity(conn, user.id),
        requests=tuple(requests_of(conn, user.id)),
        invoices=tuple(list_invoices(conn, user_id=user.id)),
        can_be_issued=has_seller,
        service_email=service_email,
        states=STATE_NAMES,
    )


def is_enterprise(identity: Identity | None) -> bool:
    return identity is not None and identity.kind is VerificationKind.ENTERPRISE


def _buyer(visit: Visit, fields: BuyerFields) -> Buyer:
    title = _printable(visit, fields.title.strip())
    return Buyer(fields.title_kind, title, fields.tax_number.strip().upper())


def _printable(visit: Visit, text: str) -> str:
    """RefusedError for characters that the type of our papers does not have."""
    odd = visit.console.alphabet.unprintable(text)
    if odd:
        told = " ".join(each if each.isprintable() else f"U+{ord(each):04X}" for each in odd[:10])
        raise RefusedError(
            mark("These characters cannot be printed on an invoice: %(characters)s"),
            characters=told,
        )
    return text


def _nanos(text: str) -> int:
    try:
        return nanos_from_text(text)
    except ValueError:
        raise RefusedError(NOT_AN_AMOUNT) from None


def _month(text: str) -> int:
    try:
        return month_number(text)
    except ValueError:
        raise RefusedError(ODD_MONTH) from None


def _ask(
    conn: Connection, actor: Actor, wish: InvoiceWish, clock: WorkingDays, now: datetime
) -> InvoiceRequest:
    asked = ask_invoice(conn, wish, clock, now)
    detail = f"{asked.amount_nanos} nanos {asked.currency} {month_text(asked.month)}"
    record_action(conn, actor, "invoice.asked", asked.id, now, detail)
    return asked


def _ask_again(
    conn: Connection,
    actor: Actor,
    invoice_id: str,
    wish: InvoiceWish,
    clock: WorkingDays,
    now: datetime,
) -> InvoiceRequest:
    asked = ask_replacement(conn, invoice_id, wish, clock, now)
    record_action(conn, actor, "invoice.asked", asked.id, now, f"replaces {invoice_id}")
    return asked


def _withdraw(conn: Connection, actor: Actor, request_id: str, user: User, now: datetime) -> None:
    withdraw_request(conn, request_id, user.id, now)
    record_action(conn, actor, "invoice.withdrawn", request_id, now)


INVOICES = View(
    "/invoices",
    "invoices.html",
    load_invoices,
    "What can be invoiced, the requests for invoices, and the invoices.",
)
INVOICE = View(
    "/invoices/{invoice_id}",
    "invoice.html",
    load_invoice,
    "One invoice or credit note of yours.",
    query=InvoiceId,
)
VIEWS = (INVOICES, INVOICE)
ACTIONS = (
    Action(
        "/invoices",
        ask,
        INVOICES,
        "Ask for an invoice over paid and used money.",
        fields=AskInvoice,
        then="/invoices?notice=invoice_asked",
    ),
    Action(
        "/invoices/requests/{request_id}/withdraw",
        withdraw,
        INVOICES,
        "Withdraw a request that waits for an answer.",
        fields=RequestId,
        then="/invoices?notice=invoice_withdrawn",
    ),
    Action(
        "/invoices/{invoice_id}/replace",
        ask_again,
        INVOICE,
        "Ask to cancel an invoice and to issue it again with another title or other remarks.",
        fields=Replace,
        then="/invoices?notice=invoice_asked",
    ),
)
DOWNLOADS = (
    Download(
        "/invoices/{invoice_id}/file",
        download,
        "An invoice or a credit note as a PDF; operators have everybody's.",
        query=InvoiceId,
    ),
)
