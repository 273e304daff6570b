"""Every way in which somebody else's books can differ from ours is found and named."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import insert
from typing_extensions import override

from tests.support.bank import Bank
from tests.support.paying_counterpart import PayingCounterpart
from whalefall.accounts.profiles import Profile, set_profile
from whalefall.accounts.users import User, create_user
from whalefall.base.activity_log import load_samples
from whalefall.base.mail import Mail, list_mails
from whalefall.base.money import Currency
from whalefall.billing.payment_events import take_event
from whalefall.billing.payments.base import (
    EventKind,
    ProviderError,
    ProviderEvent,
    RefundState,
    StatementLine,
)
from whalefall.billing.reconciliation import Reconciliation, alarm, findings_of, list_runs
from whalefall.billing.refunds import RefundRequest, ask_refund
from whalefall.billing.return_events import APPLIERS
from whalefall.billing.top_ups import (
    Payment,
    TopUp,
    TopUpRequest,
    TopUpSource,
    open_top_up,
    pay_top_up,
)
from whalefall.console.language import load_catalogs
from whalefall.console.reconciler import Reconciler
from whalefall.console.refund_sender import RefundSender

FEN = 10_000_000
DAY = 24 * 3600
CATALOGS = load_catalogs()


@dataclass
class Books:
    """A platform with one provider, from noon on."""

    bank: Bank
    provider: PayingCounterpart
    user: User

    def order(self, fen: int = 100) -> TopUp:
        self.bank.clock.advance(1)
        key = f"order {self.bank.now.isoformat()}"
        request = TopUpRequest(
            self.user.id, TopUpSource.STRIPE, Currency.CNY, fen * FEN, key, self.bank.now
        )
        return self.bank.database.run(open_top_up, request)

    def tell(self, event: ProviderEvent) -> None:
        self.bank.database.run(take_event, event, b"", APPLIERS, self.bank.now)

    def paid(self, fen: int = 100) -> TopUp:
        order = self.order(fen)
        self.tell(self.provider.pay(order))
        return order

    @property
    def reconciler(self) -> Reconciler:
        providers = {self.provider.source: self.provider}
        return Reconciler(self.bank.database, self.bank.clock, providers, CATALOGS)

    def refund(self, fen: int) -> None:
        now = self.bank.now
        request = RefundRequest(self.user.id, Currency.CNY, fen * FEN, f"refund {now}", now)
        self.bank.database.run(ask_refund, request)
        providers = {self.provider.source: self.provider}
        sender = RefundSender(self.bank.database, self.bank.clock, providers, CATALOGS)
        asyncio.run(sender.round())

    def next_day(self) -> Reconciliation:
        """A run on the next day at the same hour."""
        self.bank.clock.advance(DAY)
        return asyncio.run(self.reconciler.reconcile("tests"))

    def found(self, done: Reconciliation) -> list[tuple[str, str, str, str]]:
        return [
            (each.part, each.difference.check, each.difference.expected, each.difference.found)
            for each in self.bank.database.run(findings_of, done.id)
        ]


@pytest.fixture
def books(bank: Bank) -> Books:
    return Books(bank, PayingCounterpart(clock=bank.clock), bank.user())


def test_books_that_agree_are_clean_and_their_figures_are_kept(books: Books) -> None:
    order = books.paid(100)
    books.paid(50)
    books.refund(20)
    books.tell(books.provider.charge_back(order, 30 * FEN))
    done = books.next_day()
    assert books.found(done) == []
    assert done.is_clean
    assert done.figures["stripe_cny_paid_nanos"] == 150 * FEN
    assert done.figures["stripe_cny_returned_nanos"] == 50 * FEN
    assert books.next_day().is_clean, "the movements of two days ago are lines of statements"
    assert [each.is_clean for each in books.bank.database.run(list_runs)] == [True, True]


def test_a_payment_we_were_never_told_of_is_found(books: Books) -> None:
    order = books.order(100)
    books.provider.pay(order)
    done = books.next_day()
    ((part, check, expected, found),) = books.found(done)
    assert (part, check) == ("provider:stripe", "payment of a provider")
    assert expected == f"paid {100 * FEN} CNY by pay_{order.id[-12:]}"
    assert found.startswith("open")
    assert done.num_differences == 1


def test_a_payment_for_nothing_of_ours_is_found(books: Books) -> None:
    books.provider.pay(replace(books.order(), id="topup_somewhere_else"))
    assert books.found(books.next_day())[0][3] == "no top-up"


def test_another_amount_than_we_credited_is_found(books: Books) -> None:
    books.paid(100)
    day, line = books.provider.lines[0]
    books.provider.lines[0] = (day, replace(line, amount_nanos=99 * FEN))
    ((_, check, expected, found),) = books.found(books.next_day())
    assert check == "payment of a provider"
    assert (f"paid {99 * FEN}" in expected, f"paid {100 * FEN}" in found) == (True, True)


def test_a_payment_the_provider_does_not_have_is_found_a_day_later(books: Books) -> None:
    """By then it stands in a statement, whatever the provider's time zone."""
    order = books.order(100)
    now = books.bank.now
    forged = Payment(order.id, TopUpSource.STRIPE, "pay_forged", Currency.CNY, 100 * FEN, now)
    books.bank.database.run(pay_top_up, forged)
    assert books.next_day().is_clean
    ((_, check, expected, _),) = books.found(books.next_day())
    assert (check, expected) == ("payment of ours", "a line of a statement")


def test_a_payment_in_the_statement_of_the_next_day_is_fine(books: Books) -> None:
    books.paid(100)
    day, line = books.provider.lines[0]
    books.provider.lines[0] = (day + timedelta(days=1), line)
    assert books.next_day().is_clean
    assert books.next_day().is_clean
    assert books.next_day().is_clean


def test_a_refund_one_side_does_not_have_is_found(books: Books) -> None:
    books.paid(100)
    books.refund(40)
    books.provider.lines = [each for each in books.provider.lines if each[1].refund_id == ""]
    books.next_day()
    ((_, check, _, found),) = books.found(books.next_day())
    assert (check, found) == ("refund of ours", f"refunded {40 * FEN} CNY")


def test_a_refund_that_failed_here_and_not_there_is_found(books: Books) -> None:
    books.paid(100)
    books.refund(40)
    refunded = books.provider.events[-1]
    failed = replace(refunded, event_id="evt_wrong", kind=EventKind.REFUND_FAILED)
    books.tell(failed)
    checks = {each[1] for each in books.found(books.next_day())}
    assert checks == {"refund of a provider"}


def test_a_chargeback_nobody_told_us_is_found_and_two_alike_count_twice(books: Books) -> None:
    order = books.paid(100)
    books.tell(books.provider.charge_back(order, 10 * FEN))
    books.provider.charge_back(order, 10 * FEN)
    ((_, check, expected, found),) = books.found(books.next_day())
    assert check == "chargeback of a provider"
    assert (expected, found) == (f"2 charged_back of {10 * FEN} CNY", "1")


def test_an_unasked_refund_of_the_provider_has_to_be_ours_too(books: Books) -> None:
    order = books.paid(100)
    paid = books.provider.lines[0][1]
    line = replace(paid, kind=EventKind.REFUNDED, amount_nanos=25 * FEN)
    books.provider.lines.append((books.bank.now.date(), line))
    ((_, check, _, found),) = books.found(books.next_day())
    assert (check, found) == ("chargeback of a provider", "0")
    event = ProviderEvent(
        source=TopUpSource.STRIPE,
        event_id="evt_late",
        kind=EventKind.REFUNDED,
        top_up_id=order.id,
        provider_reference=paid.provider_reference,
        currency=Currency.CNY,
        amount_nanos=25 * FEN,
    )
    books.tell(event)
    books.bank.clock.advance(-DAY)
    assert books.next_day().is_clean


def test_a_balance_that_was_altered_is_found(books: Books) -> None:
    books.paid(100)
    altered = "UPDATE ledger_accounts SET credits_posted = credits_posted + 1 WHERE kind = 'paid'"
    books.bank.database.run(lambda conn: conn.exec_driver_sql(altered))
    parts = {(part, check) for part, check, _, _ in books.found(books.next_day())}
    assert ("ledger", "account replay") in parts


def test_days_that_were_missed_are_compared_after_all(books: Books) -> None:
    books.paid(100)
    books.next_day()
    books.bank.clock.advance(DAY)
    order = books.order()
    books.provider.pay(order)
    books.bank.clock.advance(2 * DAY)
    ((_, check, _, _),) = books.found(books.next_day())
    assert check == "payment of a provider"


@dataclass
class Silent(PayingCounterpart):
    """Gives no statement until it is asked often enough."""

    num_refusals: int = 1_000
    asked: list[date] = field(default_factory=list)

    @override
    def statement(self, day: date) -> Sequence[StatementLine]:
        self.asked.append(day)
        if len(self.asked) <= self.num_refusals:
            raise ProviderError("no statement yet")
        return super().statement(day)


def operators_of(books: Books) -> list[User]:
    """One of each language, and one who is no operator any more."""
    run, now = books.bank.database.run, books.bank.now
    made = [
        run(create_user, email=f"{name}@example.org", now=now, is_admin=True)
        for name in ("root", "gen", "gone")
    ]
    run(set_profile, Profile(made[1].id, language="zh-CN"))
    altered = "UPDATE users SET suspended_at = 1 WHERE email = 'gone@example.org'"
    run(lambda conn: conn.exec_driver_sql(altered))
    return made


def letters(books: Books) -> list[Mail]:
    return books.bank.database.run(list_mails)


def test_the_daily_run_is_made_once_and_tells_every_operator_once(books: Books) -> None:
    operators_of(books)
    books.provider.pay(books.order())
    books.bank.clock.advance(DAY - 10 * 3600)
    assert asyncio.run(books.reconciler.round()) is None, "at two o'clock it is too early"
    books.bank.clock.advance(2 * 3600)
    first = asyncio.run(books.reconciler.round())
    assert first is not None
    assert (first.asked_by, first.num_differences) == ("daily", 1)
    assert asyncio.run(books.reconciler.round()) is None
    found = {each.recipient: each for each in letters(books)}
    assert set(found) == {"root@example.org", "gen@example.org"}
    assert "do not agree" in found["root@example.org"].subject
    assert "账目不一致" in found["gen@example.org"].subject
    assert "payment of a provider" in found["root@example.org"].text
    database, now = books.bank.database, books.bank.now
    assert database.run(alarm, now) == first


def test_a_clean_day_tells_nobody(books: Books) -> None:
    operators_of(books)
    books.paid()
    books.bank.clock.advance(DAY)
    done = asyncio.run(books.reconciler.round())
    assert done is not None
    assert done.is_clean
    assert letters(books) == []
    database = books.bank.database
    assert database.run(alarm, books.bank.now) is None
    stale = books.bank.now + timedelta(hours=49)
    assert database.run(alarm, stale) == done, "nothing for two days is an alarm, too"


def test_a_missing_statement_is_awaited_until_noon_and_then_a_difference(bank: Bank) -> None:
    books = Books(bank, Silent(clock=bank.clock), bank.user())
    books.paid()
    bank.clock.advance(DAY - 8 * 3600)
    assert asyncio.run(books.reconciler.round()) is None, "at four nobody is alarmed"
    assert asyncio.run(books.reconciler.round()) is None, "and a run that waits is not repeated"
    bank.clock.advance(8 * 3600)
    done = asyncio.run(books.reconciler.round())
    assert done is not None
    assert {each[3] for each in books.found(done)} == {"no statement yet"}


def test_a_statement_that_comes_late_is_compared_the_same_day(bank: Bank) -> None:
    books = Books(bank, Silent(clock=bank.clock, num_refusals=2), bank.user())
    books.paid()
    bank.clock.advance(DAY - 8 * 3600)
    assert asyncio.run(books.reconciler.round()) is None
    bank.clock.advance(3600)
    done = asyncio.run(books.reconciler.round())
    assert done is not None
    assert done.is_clean


def sample(bank: Bank, until: datetime, output: int, prompt: int = 0, minutes: int = 1) -> None:
    """What the engines did up to an instant."""
    row = {
        "model": "test",
        "sampled_at": until,
        "milliseconds": minutes * 60_000,
        "prompt_tokens": prompt,
        "cached_tokens": 0,
        "output_tokens": output,
        "num_running": 0,
        "num_waiting": 0,
    }
    bank.database.run(lambda conn: conn.execute(insert(load_samples).values(row)))


def used(books: Books, tokens: int) -> None:
    """A request of so many input tokens, at this instant."""
    held = books.bank.hold(books.user, tokens)
    books.bank.charge(held, books.bank.api_key(books.user), tokens)


def engine_findings(books: Books) -> list[tuple[str, str, str, str]]:
    done = asyncio.run(books.reconciler.reconcile("tests"))
    return [each for each in books.found(done) if each[0] == "engines"]


def test_nobody_is_billed_for_more_than_the_engines_did(books: Books) -> None:
    bank = books.bank
    bank.top_up(books.user, 10_000)
    sample(bank, bank.now + timedelta(minutes=1), output=0, prompt=500, minutes=2)
    used(books, 500)
    bank.clock.advance(3600)
    assert engine_findings(books) == []
    sample(bank, bank.now + timedelta(minutes=1), output=0, prompt=100, minutes=2)
    used(books, 200)
    bank.clock.advance(3600)
    assert engine_findings(books) == [
        ("engines", "engines", "at most 600 billed", "700"),
    ]


def test_minutes_that_were_not_noted_prove_nothing(books: Books) -> None:
    bank = books.bank
    bank.top_up(books.user, 10_000)
    sample(bank, bank.now, output=0)
    bank.clock.advance(1800)
    used(books, 500)
    bank.clock.advance(1800)
    sample(bank, bank.now, output=0)
    bank.clock.advance(600)
    assert engine_findings(books) == []


def test_work_that_nobody_was_billed_for_is_found(books: Books) -> None:
    bank = books.bank
    sample(bank, bank.now, output=5000)
    bank.clock.advance(3600)
    ((_, _, expected, found),) = engine_findings(books)
    assert (expected, found) == ("at most 504 of 5000 without a bill", "5000")
    sample(bank, bank.now, output=3)
    bank.clock.advance(23 * 3600)
    assert engine_findings(books) == [], "a probe a minute is nobody's"


def test_a_running_request_may_be_behind_its_engine(books: Books) -> None:
    bank = books.bank
    bank.top_up(books.user, 10_000)
    bank.hold(books.user, 10)
    sample(bank, bank.now, output=5000)
    bank.clock.advance(3600)
    assert engine_findings(books) == []


def test_a_late_refund_is_compared_when_it_is_done(books: Books) -> None:
    books.paid(100)
    books.refund(40)
    books.provider.finish(RefundState.DONE)
    assert books.next_day().is_clean
