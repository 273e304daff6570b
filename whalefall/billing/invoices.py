"""Invoices: asked for by the customer, issued or refused by the operator, corrected by notes.

Only paid and used money is invoiced, and never twice: whoever claims some of it locks the user's
row first. What is issued is frozen; a correction is a credit note, and a new invoice where one is
wanted. Knows nothing of paper: billing/invoice_content.py holds all that is to be printed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from whalefall.accounts.users import users
from whalefall.accounts.verification import VerificationKind, verified_identity
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.money import MAX_AMOUNT_NANOS, Currency
from whalefall.billing.chargebacks import ChargebackState, chargebacks
from whalefall.billing.invoice_content import (
    CENT_NANOS,
    Buyer,
    InvoiceContent,
    InvoiceKind,
    InvoiceLine,
    Seller,
    TitleKind,
    digest_of,
    included_tax,
    text_from_content,
)
from whalefall.billing.invoice_documents import (
    Invoice,
    credited_nanos,
    find_invoice,
    get_invoice,
    insert_invoice,
)
from whalefall.billing.invoice_numbers import number_text, take_number
from whalefall.billing.invoice_requests import (
    InvoiceRequest,
    InvoiceRequestState,
    count_open,
    end_request,
    get_request,
    insert_request,
)
from whalefall.billing.invoiceable import Invoiceable, invoiceable, usage_of_month
from whalefall.billing.working_days import WorkingDays

TITLE_LENGTH_MAX = 100
REMARKS_LENGTH_MAX = 500
REASON_LENGTH_MAX = 300
NUM_OPEN_MAX = 20
NUM_WORKING_DAYS = 7
_TAX_NUMBER = re.compile(r"[0-9A-Z][0-9A-Z-]{4,28}[0-9A-Z]")


@dataclass(frozen=True, slots=True)
class InvoiceWish:
    """What a customer asks for."""

    user_id: str
    currency: Currency
    amount_nanos: int | None
    """None: all that is left of the month."""
    month: int | None
    buyer: Buyer
    language: str
    has_usage: bool = False
    remarks: str = ""


@dataclass(frozen=True, slots=True)
class Issue:
    seller: Seller
    clock: WorkingDays
    """Its local day is what stands on the paper, and gives the year of the number."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Credit:
    invoice_id: str
    amount_nanos: int | None
    """None: all that has not been credited yet."""
    reason: str
    idempotency_key: str
    """The same key credits once, however often it is sent."""


@dataclass(frozen=True, slots=True)
class Issued:
    invoice: Invoice
    cancelled: Invoice | None = None
    """The credit note over the invoice that this one replaces."""


def ask_invoice(
    conn: Connection, wish: InvoiceWish, clock: WorkingDays, now: datetime
) -> InvoiceRequest:
    """InvalidRequestError for a title that is not theirs, an odd field, or more money than was
    paid, used and not invoiced yet."""
    _check_texts(wish.buyer, wish.remarks)
    _check_title(conn, wish.user_id, wish.buyer)
    _lock_user(conn, wish.user_id)
    if count_open(conn, wish.user_id) >= NUM_OPEN_MAX:
        raise InvalidRequestError(TOO_MANY_OPEN)
    amount = _amount(wish, left_to_invoice(conn, wish.user_id, wish.currency))
    made = InvoiceRequest(
        id=new_id("invreq"),
        user_id=wish.user_id,
        state=InvoiceRequestState.OPEN,
        currency=wish.currency,
        amount_nanos=amount,
        month=wish.month,
        has_usage=wish.has_usage and wish.month is not None,
        buyer=wish.buyer,
        remarks=wish.remarks,
        language=wish.language,
        replaces_id=None,
        created_at=now,
        due_on=clock.after(clock.day_of(now), NUM_WORKING_DAYS),
        decided_at=None,
        reason="",
    )
    insert_request(conn, made)
    return made


def ask_replacement(
    conn: Connection,
    invoice_id: str,
    wish: InvoiceWish,
    clock: WorkingDays,
    now: datetime,
) -> InvoiceRequest:
    """Ask to cancel an invoice and to issue one like it in its place, with another title or other
    remarks. The wish's amount and month are those of the invoice, whatever it says."""
    _check_texts(wish.buyer, wish.remarks)
    _check_title(conn, wish.user_id, wish.buyer)
    _lock_user(conn, wish.user_id)
    old = get_invoice(conn, invoice_id, user_id=wish.user_id)
    left = old.amount_nanos - credited_nanos(conn, old.id)
    if old.kind is not InvoiceKind.INVOICE or left <= 0:
        raise InvalidRequestError(NOTHING_TO_CANCEL)
    if count_open(conn, wish.user_id, old.id):
        raise InvalidRequestError(ALREADY_ASKED)
    if count_open(conn, wish.user_id) >= NUM_OPEN_MAX:
        raise InvalidRequestError(TOO_MANY_OPEN)
    made = InvoiceRequest(
        id=new_id("invreq"),
        user_id=wish.user_id,
        state=InvoiceRequestState.OPEN,
        currency=old.currency,
        amount_nanos=left,
        month=old.month,
        has_usage=wish.has_usage and old.month is not None,
        buyer=wish.buyer,
        remarks=wish.remarks,
        language=wish.language,
        replaces_id=old.id,
        created_at=now,
        due_on=clock.after(clock.day_of(now), NUM_WORKING_DAYS),
        decided_at=None,
        reason="",
    )
    insert_request(conn, made)
    return made


def withdraw_request(conn: Connection, request_id: str, user_id: str, now: datetime) -> None:
    _lock_user(conn, user_id)
    _check_open(get_request(conn, request_id, user_id=user_id, is_locked=True))
    end_request(conn, request_id, InvoiceRequestState.WITHDRAWN, now)


def refuse_request(conn: Connection, request_id: str, reason: str, now: datetime) -> InvoiceRequest:
    """The reason is told to the customer."""
    checked = _checked_reason(reason)
    asked = _locked_open(conn, request_id)
    end_request(conn, request_id, InvoiceRequestState.REFUSED, now, checked)
    return asked


def issue_invoice(conn: Connection, request_id: str, issue: Issue) -> Issued:
    """Write the invoice that was asked for. InvalidRequestError where the title is no longer
    theirs, the request was answered already, or the money is not there any more; no number is used
    up then."""
    if not issue.seller.name:
        raise InvalidRequestError(NO_SELLER)
    asked = _locked_open(conn, request_id)
    _check_title(conn, asked.user_id, asked.buyer)
    cancelled = None
    if asked.replaces_id is not None:
        cancelled = _cancel(conn, asked, issue)
        if cancelled.amount_nanos != asked.amount_nanos:
            raise InvalidRequestError(CHANGED_SINCE)
    end_request(conn, asked.id, InvoiceRequestState.ISSUED, issue.now)
    if left_to_invoice(conn, asked.user_id, asked.currency).uninvoiced_nanos < asked.amount_nanos:
        raise InvalidRequestError(TOO_MUCH)
    made = _add(conn, _draft(conn, asked, issue), issue)
    return Issued(made, cancelled)


def issue_credit_note(conn: Connection, credit: Credit, issue: Issue) -> Invoice:
    """Give back all or a part of an invoice. InvalidRequestError for more than is left of it."""
    reason = _checked_reason(credit.reason)
    if not 8 <= len(credit.idempotency_key) <= 80:
        raise InvalidRequestError("an idempotency key has 8 to 80 characters")
    key = f"credit:{credit.idempotency_key}"
    old = get_invoice(conn, credit.invoice_id)
    _lock_user(conn, old.user_id)
    made = find_invoice(conn, key)
    if made is not None:
        if made.corrects_id != old.id or credit.amount_nanos not in (None, made.amount_nanos):
            raise InvalidRequestError("the idempotency key was used for something else")
        return made
    left = old.amount_nanos - credited_nanos(conn, old.id)
    amount = left if credit.amount_nanos is None else credit.amount_nanos
    if old.kind is not InvoiceKind.INVOICE or left <= 0:
        raise InvalidRequestError(NOTHING_TO_CANCEL)
    if not 0 < amount <= left:
        raise InvalidRequestError(MORE_THAN_LEFT)
    if amount % CENT_NANOS:
        raise InvalidRequestError(NOT_WHOLE_CENTS)
    return _add(conn, _credit_draft(old, amount, reason, key), issue)


def left_to_invoice(conn: Connection, user_id: str, currency: Currency) -> Invoiceable:
    """What chargebacks took of money that had been used was not paid in the end."""
    lost = func.sum(chargebacks.c.amount_nanos - chargebacks.c.taken_nanos)
    query = select(func.coalesce(lost, 0)).where(
        chargebacks.c.user_id == user_id,
        chargebacks.c.currency == currency.value,
        chargebacks.c.state != ChargebackState.WON.value,
    )
    return invoiceable(conn, user_id, currency, int(conn.execute(query).scalar_one()))


TOO_MUCH = "That is more than was paid, used and not invoiced yet."
TOO_MANY_OPEN = "Too many of your requests are waiting. Please wait until they are answered."
NOTHING_TO_CANCEL = "This invoice has been cancelled in full already."
MORE_THAN_LEFT = "That is more than is left of the invoice."
ALREADY_ASKED = "You have asked already to have this invoice replaced."
CHANGED_SINCE = "The invoice was corrected since. Please refuse the request; it can be asked again."
NO_SELLER = "Set operator_name first: an invoice names the company that issues it."
NOT_OPEN = "This request has been answered already."
NOT_WHOLE_CENTS = "An invoice has an amount with at most two decimals, greater than zero."
ODD_TITLE = "A title has 1 to 100 printable characters."
ODD_REMARKS = "Remarks have at most 500 printable characters."
ODD_REASON = "A reason has 1 to 300 printable characters."
ODD_TAX_NUMBER = "A tax number has 6 to 30 digits and capital letters; persons have none."
NOT_THE_NAME = "The title of an enterprise must be the name it was verified with."
NOT_AN_ENTERPRISE = "Only a verified enterprise can have an invoice with its title."
NOTHING_LEFT = "Nothing of that month is left to invoice."


def _lock_user(conn: Connection, user_id: str) -> None:
    """Whoever claims this user's money waits for whoever else does."""
    query = select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
    if conn.execute(query).one_or_none() is None:
        raise NotFoundError(f"there is no user {user_id}")


def _locked_open(conn: Connection, request_id: str) -> InvoiceRequest:
    # The user's row is always locked before the request's, here and where one is withdrawn.
    _lock_user(conn, get_request(conn, request_id).user_id)
    asked = get_request(conn, request_id, is_locked=True)
    _check_open(asked)
    return asked


def _check_open(asked: InvoiceRequest) -> None:
    if asked.state is not InvoiceRequestState.OPEN:
        raise InvalidRequestError(NOT_OPEN)


def _check_texts(buyer: Buyer, remarks: str) -> None:
    title = buyer.title
    if title != title.strip() or not 1 <= len(title) <= TITLE_LENGTH_MAX or not title.isprintable():
        raise InvalidRequestError(ODD_TITLE)
    lines = remarks.split("\n")
    if len(remarks) > REMARKS_LENGTH_MAX or not all(line.isprintable() for line in lines):
        raise InvalidRequestError(ODD_REMARKS)
    is_enterprise = buyer.title_kind is TitleKind.ENTERPRISE
    is_number = _TAX_NUMBER.fullmatch(buyer.tax_number) is not None
    if is_number != is_enterprise or (buyer.tax_number and not is_number):
        raise InvalidRequestError(ODD_TAX_NUMBER)


def _check_title(conn: Connection, user_id: str, buyer: Buyer) -> None:
    if buyer.title_kind is not TitleKind.ENTERPRISE:
        return
    identity = verified_identity(conn, user_id)
    if identity is None or identity.kind is not VerificationKind.ENTERPRISE:
        raise InvalidRequestError(NOT_AN_ENTERPRISE)
    if identity.name != buyer.title:
        raise InvalidRequestError(NOT_THE_NAME)


def _checked_reason(reason: str) -> str:
    stripped = reason.strip()
    if not 1 <= len(stripped) <= REASON_LENGTH_MAX or not stripped.isprintable():
        raise InvalidRequestError(ODD_REASON)
    return stripped


def _amount(wish: InvoiceWish, left: Invoiceable) -> int:
    limit = left.available_nanos
    if wish.month is not None:
        limit = next((each.left_nanos for each in left.months if each.month == wish.month), 0)
    if wish.amount_nanos is None and wish.month is None:
        raise InvalidRequestError(NOT_WHOLE_CENTS)
    amount = limit if wish.amount_nanos is None else wish.amount_nanos
    if wish.amount_nanos is None and limit == 0:
        raise InvalidRequestError(NOTHING_LEFT)
    if not 0 < amount <= MAX_AMOUNT_NANOS or amount % CENT_NANOS:
        raise InvalidRequestError(NOT_WHOLE_CENTS)
    if amount > limit:
        raise InvalidRequestError(TOO_MUCH)
    return amount


@dataclass(frozen=True, slots=True)
class _Draft:
    """All but what is known only when the number is taken."""

    invoice: Invoice
    content: InvoiceContent


def _draft(conn: Connection, asked: InvoiceRequest, issue: Issue) -> _Draft:
    month = month_text(asked.month)
    usage = (
        usage_of_month(conn, asked.user_id, asked.currency, asked.month)
        if asked.has_usage and asked.month is not None
        else ()
    )
    content = InvoiceContent(
        kind=InvoiceKind.INVOICE,
        number="",
        issued_on="",
        language=asked.language,
        currency=asked.currency,
        amount_nanos=asked.amount_nanos,
        tax_nanos=included_tax(asked.amount_nanos, issue.seller.tax_basis_points),
        seller=issue.seller,
        buyer=asked.buyer,
        lines=(InvoiceLine(month, asked.amount_nanos),),
        remarks=asked.remarks,
        usage_month=month if usage else "",
        usage=usage,
    )
    return _Draft(_blank(content, asked.user_id, asked.month, f"request:{asked.id}"), content)


def _credit_draft(old: Invoice, amount: int, reason: str, key: str) -> _Draft:
    """Buyer, seller and language are those of the invoice; so is the rate of its tax."""
    content = replace(
        old.content,
        kind=InvoiceKind.CREDIT_NOTE,
        amount_nanos=amount,
        tax_nanos=included_tax(amount, old.content.seller.tax_basis_points),
        lines=(InvoiceLine(month_text(old.month), amount),),
        remarks="",
        usage_month="",
        usage=(),
        corrects=old.number,
        reason=reason,
    )
    blank = _blank(content, old.user_id, old.month, key)
    return _Draft(replace(blank, corrects_id=old.id), content)


def _blank(content: InvoiceContent, user_id: str, month: int | None, key: str) -> Invoice:
    asked_id = key.removeprefix("request:") if key.startswith("request:") else None
    return Invoice(
        id=new_id("invoice"),
        kind=content.kind,
        year=0,
        sequence=0,
        number="",
        user_id=user_id,
        currency=content.currency,
        amount_nanos=content.amount_nanos,
        month=month,
        request_id=asked_id,
        corrects_id=None,
        idempotency_key=key,
        issued_at=datetime.min,  # noqa: DTZ901 - taken with the number
        content=content,
        digest="",
    )


def _cancel(conn: Connection, asked: InvoiceRequest, issue: Issue) -> Invoice:
    assert asked.replaces_id is not None
    credit = Credit(asked.replaces_id, None, REPLACED, f"replaced by {asked.id}")
    return issue_credit_note(conn, credit, issue)


REPLACED = "cancelled and issued again"


def _add(conn: Connection, draft: _Draft, issue: Issue) -> Invoice:
    """Give the draft its number and its instant, and freeze it."""
    kind = draft.invoice.kind
    sequence, issued_at = take_number(conn, kind, issue.clock.day_of(issue.now), issue.now)
    day = issue.clock.day_of(issued_at)
    number = number_text(kind, day.year, sequence)
    content = replace(draft.content, number=number, issued_on=day.isoformat())
    made = replace(
        draft.invoice,
        year=day.year,
        sequence=sequence,
        number=number,
        issued_at=issued_at,
        content=content,
        digest=digest_of(text_from_content(content)),
    )
    insert_invoice(conn, made)
    return made


def month_text(month: int | None) -> str:
    return "" if month is None else f"{month // 100:04d}-{month % 100:02d}"


def month_number(text: str) -> int:
    """`2026-01` as 202601. ValueError for anything else."""
    day = date.fromisoformat(f"{text}-01")
    return day.year * 100 + day.month
