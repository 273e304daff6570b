"""The operator's desk for invoices: what waits, until when an answer was promised, issuing and
refusing, and credit notes for what was wrong."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.users import User, get_user
from whalefall.accounts.verification import Identity, verified_identity
from whalefall.base.mail import queue_mail
from whalefall.base.money import nanos_from_text
from whalefall.billing.invoice_content import TitleKind
from whalefall.billing.invoice_documents import Invoice, list_invoices
from whalefall.billing.invoice_requests import InvoiceRequest, get_request, open_requests
from whalefall.billing.invoiceable import Invoiceable
from whalefall.billing.invoices import (
    Credit,
    Issue,
    Issued,
    issue_credit_note,
    issue_invoice,
    left_to_invoice,
    refuse_request,
)
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.invoice_papers import make_papers
from whalefall.console.language import Catalog, Language, mark
from whalefall.console.letters import invoice_refused_letter
from whalefall.console.pages.invoices import (
    NOT_AN_AMOUNT,
    InvoiceId,
    InvoicePage,
    RequestId,
    invoice_page,
    is_enterprise,
)
from whalefall.console.rendering import money
from whalefall.console.routing import Action, View
from whalefall.console.session import Standing, Visit

Id = Annotated[str, msgspec.Meta(max_length=64)]
Reason = Annotated[str, msgspec.Meta(max_length=600)]


class Refuse(msgspec.Struct, frozen=True):
    request_id: Id
    reason: Reason = ""


class GiveCredit(msgspec.Struct, frozen=True):
    invoice_id: Id
    idempotency_key: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    """Chosen by the caller: the same key credits once, however often it is sent."""
    amount: Annotated[str, msgspec.Meta(max_length=30)] = ""
    """Empty: all that is left of the invoice."""
    reason: Reason = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    request: InvoiceRequest
    num_days_left: int
    """Working days until the promised one; negative when it is over."""


@dataclass(frozen=True, slots=True)
class InvoiceQueuePage:
    waiting: tuple[Waiting, ...]
    invoices: tuple[Invoice, ...]
    """The latest, credit notes among them."""
    today: date
    can_issue: bool
    """An operator_name is set."""


@dataclass(frozen=True, slots=True)
class InvoiceRequestPage:
    waiting: Waiting
    user: User
    identity: Identity | None
    has_verified_title: bool
    """A person's title is free; an enterprise's is the verified name."""
    left: Invoiceable
    can_issue: bool


@dataclass(frozen=True, slots=True)
class CreditPage:
    page: InvoicePage
    new_idempotency_key: str


async def load_queue(visit: Visit, _query: NoFields) -> InvoiceQueuePage:
    return await visit.database.read(_queue, visit)


async def load_request(visit: Visit, query: RequestId) -> InvoiceRequestPage:
    return await visit.database.read(_request_page, visit, query.request_id)


async def load_credit(visit: Visit, query: InvoiceId) -> CreditPage:
    found = await visit.database.read(invoice_page, query.invoice_id, None)
    return CreditPage(found, secrets.token_hex(16))


async def issue(visit: Visit, fields: RequestId) -> Issued:
    issued = await visit.database.write(_issue, visit.actor, fields.request_id, _terms(visit))
    await make_papers(visit.database, visit.console.catalogs, visit.now)
    return issued


async def refuse(visit: Visit, fields: Refuse) -> None:
    await visit.database.write(_refuse, visit.actor, fields, visit.console.catalogs, visit.now)


async def give_credit(visit: Visit, fields: GiveCredit) -> Invoice:
    try:
        nanos = nanos_from_text(fields.amount) if fields.amount.strip() else None
    except ValueError:
        raise RefusedError(NOT_AN_AMOUNT) from None
    odd = visit.console.alphabet.unprintable(fields.reason)
    if odd:
        raise RefusedError(
            mark("These characters cannot be printed on an invoice: %(characters)s"),
            characters=odd[:10],
        )
    credit = Credit(fields.invoice_id, nanos, fields.reason, fields.idempotency_key)
    made = await visit.database.write(_credit, visit.actor, credit, _terms(visit))
    await make_papers(visit.database, visit.console.catalogs, visit.now)
    return made


def _terms(visit: Visit) -> Issue:
    return Issue(visit.context.seller, visit.context.working_days, visit.now)


def _waiting(visit: Visit, request: InvoiceRequest) -> Waiting:
    clock = visit.context.working_days
    return Waiting(request, clock.between(clock.day_of(visit.now), request.due_on))


def _queue(conn: Connection, visit: Visit) -> InvoiceQueuePage:
    return InvoiceQueuePage(
        waiting=tuple(_waiting(visit, each) for each in open_requests(conn)),
        invoices=tuple(list_invoices(conn)),
        today=visit.context.working_days.day_of(visit.now),
        can_issue=bool(visit.context.seller.name),
    )


def _request_page(conn: Connection, visit: Visit, request_id: str) -> InvoiceRequestPage:
    asked = get_request(conn, request_id)
    identity = verified_identity(conn, asked.user_id)
    is_free = asked.buyer.title_kind is TitleKind.PERSONAL
    has_name = identity is not None and identity.name == asked.buyer.title
    return InvoiceRequestPage(
        waiting=_waiting(visit, asked),
        user=get_user(conn, asked.user_id),
        identity=identity,
        has_verified_title=is_free or (has_name and is_enterprise(identity)),
        left=left_to_invoice(conn, asked.user_id, asked.currency),
        can_issue=bool(visit.context.seller.name),
    )


def _issue(conn: Connection, actor: Actor, request_id: str, terms: Issue) -> Issued:
    issued = issue_invoice(conn, request_id, terms)
    made = issued.invoice
    detail = f"{made.number} {made.amount_nanos} nanos {made.currency}"
    if issued.cancelled is not None:
        detail += f", cancels with {issued.cancelled.number}"
    record_action(conn, actor, "invoice.issued", made.id, terms.now, detail)
    return issued


def _refuse(
    conn: Connection,
    actor: Actor,
    fields: Refuse,
    catalogs: Mapping[Language, Catalog],
    now: datetime,
) -> None:
    asked = refuse_request(conn, fields.request_id, fields.reason, now)
    is_chinese = asked.language == Language.CHINESE.value
    catalog = catalogs[Language.CHINESE if is_chinese else Language.ENGLISH]
    amount = money(asked.amount_nanos, asked.currency)
    email = get_user(conn, asked.user_id).email
    queue_mail(conn, invoice_refused_letter(catalog, email, amount, fields.reason.strip()), now)
    record_action(conn, actor, "invoice.refused", asked.id, now, fields.reason)


def _credit(conn: Connection, actor: Actor, credit: Credit, terms: Issue) -> Invoice:
    made = issue_credit_note(conn, credit, terms)
    detail = f"{made.number} {made.amount_nanos} nanos {made.currency} {credit.reason}"
    record_action(conn, actor, "invoice.credited", credit.invoice_id, terms.now, detail)
    return made


QUEUE = View(
    "/operator/invoices",
    "operator/invoices.html",
    load_queue,
    "Requests for invoices by the day they are due, and the latest invoices.",
    standing=Standing.OPERATOR,
)
REQUEST = View(
    "/operator/invoices/requests/{request_id}",
    "operator/invoice_request.html",
    load_request,
    "One request with what its writer was verified as, and what can be invoiced.",
    query=RequestId,
    standing=Standing.OPERATOR,
)
ANY_INVOICE = View(
    "/operator/invoices/{invoice_id}",
    "operator/invoice.html",
    load_credit,
    "One invoice of anybody, with its credit notes.",
    query=InvoiceId,
    standing=Standing.OPERATOR,
)
VIEWS = (QUEUE, REQUEST, ANY_INVOICE)
ACTIONS = (
    Action(
        "/operator/invoices/requests/{request_id}/issue",
        issue,
        REQUEST,
        "Issue the invoice that was asked for; a letter with it goes to the customer.",
        fields=RequestId,
        then="/operator/invoices?notice=invoice_issued",
        standing=Standing.OPERATOR,
    ),
    Action(
        "/operator/invoices/requests/{request_id}/refuse",
        refuse,
        REQUEST,
        "Refuse a request for an invoice; a letter with the reason goes to the customer.",
        fields=Refuse,
        then="/operator/invoices?notice=invoice_refused",
        standing=Standing.OPERATOR,
    ),
    Action(
        "/operator/invoices/{invoice_id}/credit",
        give_credit,
        ANY_INVOICE,
        "Issue a credit note over all or a part of an invoice.",
        fields=GiveCredit,
        then="/operator/invoices/{invoice_id}?notice=invoice_credited",
        standing=Standing.OPERATOR,
    ),
)
