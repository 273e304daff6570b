"""Invoices as the books see them: who may ask for how much, what is frozen, and what is proven."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tests.support.bank import Bank
from tests.support.identities import verified
from tests.support.office import CENT_PRICE, CLOCK, PERSON, Office
from whalefall.accounts.verification import VerificationKind
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.money import MAX_AMOUNT_NANOS
from whalefall.billing.invoice_content import (
    CENT_NANOS,
    Buyer,
    InvoiceKind,
    Seller,
    TitleKind,
    content_from_text,
    included_tax,
    text_from_content,
)
from whalefall.billing.invoice_documents import (
    Invoice,
    credit_notes_of,
    file_of,
    get_invoice,
    keep_file,
    list_invoices,
    without_file,
)
from whalefall.billing.invoice_requests import (
    InvoiceRequest,
    InvoiceRequestState,
    get_request,
    open_requests,
)
from whalefall.billing.invoices import (
    Credit,
    Issued,
    ask_invoice,
    ask_replacement,
    issue_credit_note,
    issue_invoice,
    month_number,
    refuse_request,
    withdraw_request,
)
from whalefall.billing.price_versions import register_prices


@pytest.fixture
def office(bank: Bank) -> Office:
    bank.database.run(register_prices, [CENT_PRICE])
    return Office(bank)


def test_only_paid_and_used_money_is_invoiced(office: Office) -> None:
    user = office.spender(500, granted=300 * CENT_NANOS)
    office.bank.top_up(user, 1000 * CENT_NANOS)
    assert office.left_cents(user) == 500
    with pytest.raises(InvalidRequestError, match="more than"):
        office.ask(user, 501)
    made = office.invoice(user, 500)
    assert (made.amount_nanos, made.number) == (500 * CENT_NANOS, "INV-2026-000001")
    assert office.left_cents(user) == 0
    assert office.findings() == set()


def test_what_is_asked_for_cannot_be_asked_for_again(office: Office) -> None:
    user = office.spender(100)
    first = office.ask(user, 60)
    with pytest.raises(InvalidRequestError, match="more than"):
        office.ask(user, 41)
    second = office.ask(user, 40)
    office.bank.database.run(withdraw_request, first.id, user.id, office.bank.now)
    assert office.left_cents(user) == 60
    office.bank.database.run(refuse_request, second.id, "no such street", office.bank.now)
    assert office.left_cents(user) == 100
    refused = office.bank.database.run(get_request, second.id)
    assert (refused.state, refused.reason) == (InvoiceRequestState.REFUSED, "no such street")
    assert office.bank.database.run(open_requests) == []


def test_a_request_ends_once(office: Office) -> None:
    user = office.spender(100)
    asked = office.ask(user, 60)
    office.issue(asked)
    run, now = office.bank.database.run, office.bank.now
    for again in (
        lambda: office.issue(asked),
        lambda: run(refuse_request, asked.id, "late", now),
        lambda: run(withdraw_request, asked.id, user.id, now),
    ):
        with pytest.raises(InvalidRequestError, match="answered already"):
            again()
    assert len(run(list_invoices)) == 1


def test_nobody_ends_or_sees_what_is_not_theirs(office: Office) -> None:
    ann, eve = office.spender(100), office.spender(100)
    asked = office.ask(ann, 60)
    made = office.invoice(ann, 40)
    run, now = office.bank.database.run, office.bank.now
    with pytest.raises(NotFoundError):
        run(withdraw_request, asked.id, eve.id, now)
    with pytest.raises(NotFoundError):
        run(get_invoice, made.id, user_id=eve.id)
    with pytest.raises(NotFoundError):
        run(ask_replacement, made.id, office.wish(eve, None), CLOCK, now)


def test_fractions_wait_until_they_are_whole(office: Office) -> None:
    user = office.bank.user(topped_up=10 * CENT_NANOS)
    office.spend(user, CENT_NANOS + 9_999_999)
    assert office.left_cents(user) == 1
    office.spend(user, 1)
    assert office.left_cents(user) == 2
    with pytest.raises(InvalidRequestError, match="two decimals"):
        office.ask_for(replace(office.wish(user, 1), amount_nanos=CENT_NANOS + 1))


def test_a_month_is_invoiced_with_its_usage(office: Office) -> None:
    user = office.spender(100)
    office.bank.clock.advance(31 * 24 * 3600)
    office.bank.top_up(user, 50 * CENT_NANOS)
    office.spend(user, 50 * CENT_NANOS)
    wish = replace(office.wish(user, None, 202602), has_usage=True)
    made = office.issue(office.ask_for(wish)).invoice
    assert made.amount_nanos == 50 * CENT_NANOS
    (line,) = made.content.usage
    assert (line.model, line.num_requests, line.paid_nanos) == ("test", 1, 50 * CENT_NANOS)
    with pytest.raises(InvalidRequestError, match="Nothing of that month"):
        office.ask(user, None, 202602)
    assert [(each.month, each.left_nanos // CENT_NANOS) for each in office.left(user).months] == [
        (202602, 0),
        (202601, 100),
    ]
    with pytest.raises(InvalidRequestError, match="more than"):
        office.ask(user, 101, 202601)
    with pytest.raises(InvalidRequestError, match="Nothing of that month"):
        office.ask(user, None, 203001)


def test_an_enterprise_has_the_name_it_was_verified_with(office: Office) -> None:
    user = office.spender(100)
    company = Buyer(TitleKind.ENTERPRISE, "深海计算有限公司", "91990000MA0000001X")
    wish = replace(office.wish(user, 60), buyer=company)
    with pytest.raises(InvalidRequestError, match="verified enterprise"):
        office.ask_for(wish)
    verified(office.bank.database, user, VerificationKind.PERSONAL, "Ann Example")
    with pytest.raises(InvalidRequestError, match="verified enterprise"):
        office.ask_for(wish)
    verified(office.bank.database, user, VerificationKind.ENTERPRISE, "深海计算有限公司")
    for title in ("深海计算有限公司 ", "深海計算有限公司", "Deep Sea"):
        with pytest.raises(InvalidRequestError):
            office.ask_for(replace(wish, buyer=replace(company, title=title)))
    for number in ("", "91990000ma0000001x", "9" * 31, "=1+1+1+1", "9199\n0000"):
        with pytest.raises(InvalidRequestError, match="tax number"):
            office.ask_for(replace(wish, buyer=replace(company, tax_number=number)))
    with pytest.raises(InvalidRequestError, match="tax number"):
        office.ask_for(replace(wish, buyer=replace(PERSON, tax_number="91990000MA0000001X")))
    made = office.issue(office.ask_for(wish)).invoice
    assert made.content.buyer == company


@pytest.mark.parametrize("title", ["", " ", "a" * 101, "two\nlines", "bell\a", "\u202etitle"])
def test_odd_titles_are_refused(office: Office, title: str) -> None:
    wish = replace(office.wish(office.spender(10), 1), buyer=replace(PERSON, title=title))
    with pytest.raises(InvalidRequestError, match="title"):
        office.ask_for(wish)


def test_the_promise_is_seven_working_days(office: Office) -> None:
    user = office.spender(10)
    assert office.bank.now.date() == date(2026, 1, 15)
    assert office.ask(user, 1).due_on == date(2026, 1, 26)


def test_a_credit_note_gives_back_and_has_numbers_of_its_own(office: Office) -> None:
    user = office.spender(100)
    made = office.invoice(user, 100)
    part = office.credit(made, 30)
    assert (part.number, part.content.corrects) == ("CN-2026-000001", made.number)
    assert part.content.buyer == made.content.buyer
    assert office.left_cents(user) == 30
    with pytest.raises(InvalidRequestError, match="left of the invoice"):
        office.credit(made, 71)
    rest = office.credit(made)
    assert rest.amount_nanos == 70 * CENT_NANOS
    with pytest.raises(InvalidRequestError, match="cancelled in full"):
        office.credit(made, 1)
    with pytest.raises(InvalidRequestError, match="cancelled in full"):
        office.credit(part, 1)
    assert office.invoice(user, 100).number == "INV-2026-000002"
    assert office.findings() == set()


def test_the_same_credit_is_given_once(office: Office) -> None:
    made = office.invoice(office.spender(100), 100)
    credit = Credit(made.id, 30 * CENT_NANOS, "too much", "the same key")
    run = office.bank.database.run
    one = run(issue_credit_note, credit, office.terms)
    assert run(issue_credit_note, credit, office.terms) == one
    with pytest.raises(InvalidRequestError, match="something else"):
        run(issue_credit_note, replace(credit, amount_nanos=CENT_NANOS), office.terms)
    assert len(run(credit_notes_of, made.id)) == 1


def test_cancel_and_issue_again(office: Office) -> None:
    user = office.spender(100)
    old = office.invoice(user, 100)
    wish = replace(office.wish(user, 1), buyer=replace(PERSON, title="Ann B. Example"))
    run = office.bank.database.run
    asked = run(ask_replacement, old.id, wish, CLOCK, office.bank.now)
    assert office.left_cents(user) == 0
    with pytest.raises(InvalidRequestError, match="asked already"):
        run(ask_replacement, old.id, wish, CLOCK, office.bank.now)
    issued = office.issue(asked)
    assert issued.cancelled is not None
    assert issued.cancelled.corrects_id == old.id
    assert issued.invoice.amount_nanos == old.amount_nanos
    assert issued.invoice.content.buyer.title == "Ann B. Example"
    assert run(get_invoice, old.id) == old
    assert office.left_cents(user) == 0
    assert office.findings() == set()


def test_a_replacement_of_what_was_corrected_meanwhile_is_refused_whole(office: Office) -> None:
    user = office.spender(100)
    old = office.invoice(user, 100)
    run = office.bank.database.run
    asked = run(ask_replacement, old.id, office.wish(user, 1), CLOCK, office.bank.now)
    office.credit(old, 10)
    with pytest.raises(InvalidRequestError, match="corrected since"):
        office.issue(asked)
    assert [each.number for each in run(credit_notes_of, old.id)] == ["CN-2026-000001"]
    assert office.invoice(office.spender(5), 5).number == "INV-2026-000002"
    assert office.findings() == set()


def test_a_number_comes_back_when_issuing_fails(office: Office) -> None:
    user = office.spender(100)
    first, second = office.ask(user, 10), office.ask(user, 20)

    def issue_and_break(conn: Connection) -> None:
        assert issue_invoice(conn, first.id, office.terms).invoice.sequence == 1
        raise InvalidRequestError("the lights went out")

    with pytest.raises(InvalidRequestError, match="lights"):
        office.bank.database.run(issue_and_break)
    with pytest.raises(InvalidRequestError, match="operator_name"):
        office.bank.database.run(issue_invoice, first.id, replace(office.terms, seller=Seller()))
    assert office.issue(second).invoice.sequence == 1
    assert office.issue(first).invoice.sequence == 2
    assert office.findings() == set()


def test_every_year_counts_from_one_and_by_the_local_day(office: Office) -> None:
    user = office.spender(100)
    office.invoice(user, 1)
    new_year = datetime.fromisoformat("2026-12-31T16:00:00+00:00")
    office.bank.clock.advance(int((new_year - office.bank.now).total_seconds()) - 1)
    last = office.invoice(user, 1)
    office.bank.clock.advance(1)
    first = office.invoice(user, 1)
    assert (last.number, last.content.issued_on) == ("INV-2026-000002", "2026-12-31")
    assert (first.number, first.content.issued_on) == ("INV-2027-000001", "2027-01-01")
    assert office.findings() == set()


def test_a_clock_that_goes_back_does_not_turn_the_order_round(office: Office) -> None:
    user = office.spender(100)
    first = office.invoice(user, 1)
    late = replace(office.terms, now=office.bank.now - timedelta(minutes=5))
    asked = office.ask(user, 1)
    second = office.bank.database.run(issue_invoice, asked.id, late).invoice
    assert second.issued_at == first.issued_at
    assert office.findings() == set()


def together(count: int, work: Callable[[int], object]) -> list[object]:
    """What each call gave or raised, all begun at once."""
    results: list[object] = [None] * count
    gate = threading.Barrier(count)

    def run(index: int) -> None:
        gate.wait()
        try:
            results[index] = work(index)
        except InvalidRequestError as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_servers_issue_at_once_without_a_gap(office: Office, database_url: str) -> None:
    user = office.spender(100)
    asked = [office.ask(user, 1) for _ in range(12)]
    terms = office.terms
    with Database.open(database_url) as other:
        servers = (office.bank.database, other)

        def issue(index: int) -> object:
            server = servers[index % 2]
            return server.run(issue_invoice, asked[index % 12].id, terms)

        results = together(24, issue)
    issued = [each for each in results if isinstance(each, Issued)]
    assert sorted(each.invoice.sequence for each in issued) == list(range(1, 13))
    assert office.findings() == set()


def test_two_servers_never_promise_the_same_money(office: Office, database_url: str) -> None:
    user = office.spender(100)
    now = office.bank.now
    with Database.open(database_url) as other:
        servers = (office.bank.database, other)
        results = together(
            8, lambda index: servers[index % 2].run(ask_invoice, office.wish(user, 60), CLOCK, now)
        )
    assert sum(isinstance(each, InvoiceRequest) for each in results) == 1
    assert office.left_cents(user) == 40


def _execute(conn: Connection, statement: str) -> None:
    conn.execute(text(statement))


def test_what_is_issued_cannot_be_changed(office: Office) -> None:
    made = office.invoice(office.spender(100), 100)
    run = office.bank.database.run
    assert [each.id for each in run(without_file)] == [made.id]
    assert run(keep_file, made.id, b"%PDF-1", office.bank.now)
    assert not run(keep_file, made.id, b"%PDF-2", office.bank.now)
    assert run(file_of, made.id) == b"%PDF-1"
    assert run(without_file) == []
    for statement in (
        "UPDATE invoices SET amount_nanos = 1",
        "UPDATE invoices SET content = replace(content, 'Ann', 'Eve')",
        "DELETE FROM invoices",
        "DELETE FROM invoice_files",
        "UPDATE invoice_files SET digest = ''",
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            run(_execute, statement)
    assert run(get_invoice, made.id) == made


TAMPERINGS = {
    "UPDATE invoices SET content = replace(content, 'Ann', 'Eve')": {"invoice content"},
    "UPDATE invoices SET sequence = 7, number = 'INV-2026-000007' WHERE sequence = 2": {
        "invoice number",
        "invoice counter",
        "invoice content",
    },
    "DELETE FROM invoices WHERE sequence = 1 AND kind = 'invoice'": {
        "invoice number",
        "invoice request",
    },
    "DELETE FROM invoices": {"invoice number", "invoice request"},
    "UPDATE invoice_counters SET last = last + 1": {"invoice counter"},
    "UPDATE invoices SET issued_at = issued_at - 1 WHERE sequence = 2": {"invoice order"},
    "UPDATE invoice_requests SET state = 'refused' WHERE state = 'issued'": {"invoice request"},
    "UPDATE invoice_requests SET amount_nanos = 5": {"invoice request"},
    "UPDATE invoices SET amount_nanos = 990000000 WHERE kind = 'credit_note'": {
        "credit notes",
        "invoice content",
    },
    "UPDATE usage_daily SET paid_nanos = 1": {"invoiced"},
    "UPDATE invoice_files SET digest = 'x'": {"invoice file"},
}


@pytest.mark.parametrize("statement", list(TAMPERINGS))
def test_tampering_is_found(office: Office, database_url: str, statement: str) -> None:
    user = office.spender(100)
    one = office.invoice(user, 40)
    office.invoice(user, 60)
    office.credit(one, 10)
    office.bank.database.run(keep_file, one.id, b"%PDF-1", office.bank.now)
    assert office.findings() == set()
    target = make_url(database_url)
    is_sqlite = target.get_backend_name() == "sqlite"
    if not is_sqlite:
        target = target.set(drivername="postgresql+psycopg")
    engine = create_engine(target, poolclass=NullPool)
    with engine.begin() as conn:
        for table in ("invoices", "invoice_files", "invoice_requests"):
            conn.execute(text(f"CREATE TABLE bare AS SELECT * FROM {table}"))
            conn.execute(text(f"DROP TABLE {table}" + ("" if is_sqlite else " CASCADE")))
            conn.execute(text(f"ALTER TABLE bare RENAME TO {table}"))
    with engine.begin() as conn:
        assert conn.execute(text(statement)).rowcount > 0
    assert office.findings() == TAMPERINGS[statement]


@given(st.integers(1, MAX_AMOUNT_NANOS // CENT_NANOS), st.integers(0, 3000))
def test_the_tax_is_the_nearest_hundredth(cents: int, points: int) -> None:
    """Twice the distance of tax * (1 + rate) from net-of-rounding is at most one hundredth."""
    tax = included_tax(cents * CENT_NANOS, points)
    assert tax % CENT_NANOS == 0
    exact_times = cents * points  # of (10000 + points)
    assert abs(2 * (tax // CENT_NANOS * (10_000 + points) - exact_times)) <= 10_000 + points


def test_a_content_survives_its_text(office: Office) -> None:
    made = office.invoice(office.spender(100), 100)
    assert content_from_text(text_from_content(made.content)) == made.content
    assert made.content.kind is InvoiceKind.INVOICE
    assert made.content.net_nanos + made.content.tax_nanos == made.amount_nanos
    assert month_number("2026-01") == 202601
    for odd in ("2026-13", "2026", "x", "2026-01-01"):
        with pytest.raises(ValueError, match=r"isoformat|out of range|month"):
            month_number(odd)


STEPS = st.lists(
    st.tuples(st.sampled_from(["spend", "ask", "issue", "withdraw", "credit"]), st.integers(1, 60)),
    max_size=14,
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(STEPS)
def test_whatever_happens_no_more_is_invoiced_than_was_used(
    office: Office, steps: list[tuple[str, int]]
) -> None:
    user = office.bank.user(topped_up=10_000 * CENT_NANOS)
    waiting: list[InvoiceRequest] = []
    issued: list[Invoice] = []
    used = 0
    for name, cents in steps:
        try:
            if name == "spend":
                office.spend(user, cents * CENT_NANOS)
                used += cents
            elif name == "ask":
                waiting.append(office.ask(user, cents))
            elif name == "issue" and waiting:
                issued.append(office.issue(waiting.pop()).invoice)
            elif name == "withdraw" and waiting:
                now = office.bank.now
                office.bank.database.run(withdraw_request, waiting.pop().id, user.id, now)
            elif name == "credit" and issued:
                office.credit(issued[cents % len(issued)], cents)
        except InvalidRequestError:
            pass
        left = office.left(user)
        assert left.invoiced_nanos + left.asked_nanos + left.available_nanos == used * CENT_NANOS
    assert office.findings() == set()
