"""Everything that moves money, by many customers, in any order, with crashes in between and notices
told twice, late and out of order. In the end the books are proven, every other book agrees with
ours, nobody was ever below zero, and what each provider has is what we say it has."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, func, select
from typing_extensions import override

from tests.support.bank import Bank
from tests.support.counterpart import Mood
from tests.support.dying_till import NUM_ORDERS, Till, orders_of
from tests.support.faults import Crashed, Faults
from tests.support.identities import verified
from tests.support.paying_counterpart import PayingCounterpart
from tests.support.postgresql import PostgreSQLServer
from whalefall.accounts.api_keys import APIKey
from whalefall.accounts.users import User
from whalefall.accounts.verification import VerificationKind
from whalefall.base.db import Database
from whalefall.base.errors import (
    InsufficientBalanceError,
    InvalidRequestError,
    NotFoundError,
    ServerError,
)
from whalefall.base.money import Currency
from whalefall.billing.bank_imports import begin_import, import_batch, new_import
from whalefall.billing.bank_statements.entry import (
    Direction,
    Statement,
    StatementEntry,
    StatementFormat,
)
from whalefall.billing.code_batches import NewBatch, create_codes
from whalefall.billing.grants import GrantRequest, expire_grants, grant
from whalefall.billing.holds import Hold
from whalefall.billing.invoice_content import Buyer, Seller, TitleKind
from whalefall.billing.invoice_requests import open_requests
from whalefall.billing.invoices import InvoiceWish, Issue, ask_invoice, issue_invoice
from whalefall.billing.ledger import expire_holds, hold, void_hold
from whalefall.billing.payment_events import apply_waiting_events, take_event
from whalefall.billing.payments.base import EventKind, ProviderEvent, RefundState
from whalefall.billing.price_windows import Calendar
from whalefall.billing.pricing import NUM_TOKENS_MAX
from whalefall.billing.provider_events import EventState, provider_events
from whalefall.billing.redemption import Redemption, redeem
from whalefall.billing.refund_queue import try_soon
from whalefall.billing.refunds import RefundRequest, ask_refund, list_refunds
from whalefall.billing.return_events import APPLIERS
from whalefall.billing.top_ups import (
    Deposit,
    TopUp,
    TopUpRequest,
    TopUpSource,
    open_top_up,
    record_top_up,
)
from whalefall.billing.transfers import AccountKind, account_id, ledger_accounts, transfers
from whalefall.billing.usage import charge
from whalefall.billing.verification import verify
from whalefall.billing.virtual_accounts import give_virtual_account
from whalefall.billing.working_days import WorkingDays
from whalefall.console.language import load_catalogs
from whalefall.console.reconciler import Reconciler
from whalefall.console.refund_sender import RefundSender

FEN = 10_000_000
NUM_PEOPLE = 3
BASE_NUMBER = "6222021001"
COMPANY = "Deep Water Ltd"
SOURCES = (TopUpSource.STRIPE, TopUpSource.ALIPAY)
TERMS = (Seller("Example Platform Ltd"), WorkingDays(Calendar("none", frozenset())))
people = st.integers(0, NUM_PEOPLE - 1)
amounts = st.integers(1, 500).map(lambda fen: fen * FEN)
faults = st.none() | st.integers(0, 25)
"""After how many statements the process dies; whoever asked it asks again."""
T = TypeVar("T")


@dataclass
class Person:
    user: User
    key: APIKey
    holds: list[Hold] = field(default_factory=list)


@dataclass
class Paid:
    order: TopUp
    event: ProviderEvent
    left_nanos: int
    """What the payer's bank can still take back."""


def balances_below_zero(conn: Connection) -> list[str]:
    columns = ledger_accounts.c
    left = columns.credits_posted - columns.debits_posted - columns.debits_pending
    query = select(columns.id).where(columns.is_customer, left < 0)
    return list(conn.execute(query).scalars())


def clearing_nanos(conn: Connection, source: TopUpSource) -> int:
    """What a provider has of ours, by our books."""
    columns = ledger_accounts.c
    account = account_id(AccountKind.CASH_CLEARING, Currency.CNY, source.owner)
    query = select(columns.debits_posted - columns.credits_posted).where(columns.id == account)
    return int(conn.execute(query).scalar_one_or_none() or 0)


def event_states(conn: Connection) -> dict[tuple[str, str], str]:
    columns = provider_events.c
    query = select(columns.source, columns.event_id, columns.state)
    return {(source, event_id): state for source, event_id, state in conn.execute(query)}


def num_credits_of(conn: Connection, order: TopUp) -> int:
    """Transfers that credit this order: one, once it was paid."""
    query = select(func.count()).where(transfers.c.idempotency_key == f"top-up:{order.id}")
    return int(conn.execute(query).scalar_one())


class MoneyMachine(RuleBasedStateMachine):
    open_database: ClassVar[Callable[[], tuple[Database, Callable[[], None]]]]
    """A fresh database, and what removes it again."""

    def __init__(self) -> None:
        super().__init__()
        database, self._drop = type(self).open_database()
        self.bank = Bank(database)
        self.faults = Faults().__enter__()
        clock = self.bank.clock
        self.providers = {
            source: PayingCounterpart(source=source, clock=clock) for source in SOURCES
        }
        self.catalogs = load_catalogs()
        self.people: list[Person] = []
        self.orders: list[TopUp] = []
        self.paid: list[Paid] = []
        self.disputes: list[tuple[Paid, ProviderEvent]] = []
        self.codes: tuple[str, ...] = ()
        self.virtual_number = ""
        self.entries: list[StatementEntry] = []
        self.num_asked = 0

    def attempt(
        self,
        fault: int | None,
        fn: Callable[..., T],
        *args: Any,  # noqa: ANN401 - of fn
    ) -> T | None:
        """Do it, dying in between when told to, and then do it again as people do. None when the
        rules refuse it."""
        database = self.bank.database
        try:
            if fault is not None:
                self.faults.arm(fault)
                try:
                    database.run(fn, *args)
                except (Crashed, ServerError):
                    pass  # nobody was told that it was done
                finally:
                    self.faults.arm(None)
            return database.run(fn, *args)
        except (InvalidRequestError, InsufficientBalanceError, NotFoundError):
            return None

    def key(self) -> str:
        self.num_asked += 1
        return f"key {self.num_asked}"

    @initialize()
    def people_come(self) -> None:
        for _ in range(NUM_PEOPLE):
            user = self.bank.user()
            self.people.append(Person(user, self.bank.api_key(user)))
        database, now = self.bank.database, self.bank.now
        company = self.people[0].user
        verified(database, company, VerificationKind.ENTERPRISE, COMPANY, now)
        given = database.run(give_virtual_account, company.id, BASE_NUMBER, now)
        self.virtual_number = given.number
        batch = NewBatch("welcome", Currency.CNY, 5 * FEN, 3, now, grant_days=2)
        _, self.codes = database.run(create_codes, batch)

    @rule(person=people, nanos=amounts, source=st.sampled_from(SOURCES), fault=faults)
    def order(self, person: int, nanos: int, source: TopUpSource, fault: int | None) -> None:
        user, now = self.people[person].user, self.bank.now
        request = TopUpRequest(user.id, source, Currency.CNY, nanos, self.key(), now)
        made = self.attempt(fault, open_top_up, request)
        assert made is not None
        self.orders.append(made)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), is_told=st.booleans(), fault=faults)
    def pay(self, data: st.DataObject, is_told: bool, fault: int | None) -> None:
        order = self.orders.pop(data.draw(st.integers(0, len(self.orders) - 1)))
        event = self.providers[order.source].pay(order)
        self.paid.append(Paid(order, event, order.amount_nanos))
        if is_told:
            self.tell(event, fault)

    @precondition(lambda self: any(each.events for each in self.providers.values()))
    @rule(data=st.data(), num_times=st.integers(1, 2), fault=faults)
    def notice(self, data: st.DataObject, num_times: int, fault: int | None) -> None:
        """Any of all there ever were, in any order, as often as the provider likes."""
        known = [event for each in self.providers.values() for event in each.events]
        event = data.draw(st.sampled_from(known))
        if event.kind is not EventKind.CHARGEBACK_RETURNED:
            for _ in range(num_times):
                self.tell(event, fault)

    def tell(self, event: ProviderEvent, fault: int | None) -> None:
        body = event.event_id.encode()
        noted = self.attempt(fault, take_event, event, body, APPLIERS, self.bank.now)
        assert noted is not None
        assert noted.state is not EventState.REFUSED, noted

    @precondition(lambda self: self.paid)
    @rule(data=st.data(), percent=st.integers(1, 100), is_told=st.booleans(), fault=faults)
    def bank_takes_back(
        self, data: st.DataObject, percent: int, is_told: bool, fault: int | None
    ) -> None:
        paid = data.draw(st.sampled_from(self.paid))
        nanos = paid.left_nanos * percent // 100 // FEN * FEN
        if nanos:
            paid.left_nanos -= nanos
            event = self.providers[paid.order.source].charge_back(paid.order, nanos)
            self.disputes.append((paid, event))
            if is_told:
                self.tell(event, fault)

    @precondition(lambda self: self.disputes)
    @rule(data=st.data(), fault=faults)
    def dispute_is_won(self, data: st.DataObject, fault: int | None) -> None:
        """Told after the payment and the dispute themselves."""
        paid, event = self.disputes.pop(data.draw(st.integers(0, len(self.disputes) - 1)))
        paid.left_nanos += event.amount_nanos
        provider = self.providers[paid.order.source]
        won = provider.return_chargeback(paid.order, event.amount_nanos)
        for each in (paid.event, event, won):
            self.tell(each, fault)

    @rule(person=people, nanos=amounts, fault=faults)
    def operator_records_a_payment(self, person: int, nanos: int, fault: int | None) -> None:
        user, now = self.people[person].user, self.bank.now
        deposit = Deposit(user.id, Currency.CNY, nanos, self.key(), "by hand", now)
        assert self.attempt(fault, record_top_up, deposit) is not None

    @rule(nanos=amounts, is_named=st.booleans(), fault=faults)
    def bank_transfer_arrives(self, nanos: int, is_named: bool, fault: int | None) -> None:
        """With the right name it is credited, with another it waits; statements overlap."""
        entry = StatementEntry(
            booked_on=self.bank.now.date(),
            direction=Direction.CREDIT,
            currency=Currency.CNY,
            amount_nanos=nanos,
            reference=self.key(),
            payer_name=COMPANY if is_named else "Somebody Else",
            credited_account=self.virtual_number,
        )
        self.entries.append(entry)
        assert self.attempt(fault, self._import) == ()
        assert self.attempt(None, self._import) == ()

    def _import(self, conn: Connection) -> tuple[()]:
        today = [each for each in self.entries if each.booked_on == self.bank.now.date()]
        statement = Statement(StatementFormat.CMB, BASE_NUMBER, tuple(today))
        made = new_import(statement, "statement.csv", "tests", self.bank.now)
        begin_import(conn, made)
        import_batch(conn, made, BASE_NUMBER, sorted(today, key=lambda each: each.amount_nanos))
        return ()

    @rule(person=people, nanos=amounts, days=st.integers(1, 2) | st.none(), fault=faults)
    def give(self, person: int, nanos: int, days: int | None, fault: int | None) -> None:
        user, now = self.people[person].user, self.bank.now
        expires_at = None if days is None else now + timedelta(days=days)
        request = GrantRequest(user.id, Currency.CNY, nanos, self.key(), "gift", now, expires_at)
        assert self.attempt(fault, grant, request) is not None

    @rule(person=people, code=st.integers(0, 2), fault=faults)
    def redeem_a_code(self, person: int, code: int, fault: int | None) -> None:
        user = self.people[person].user
        self.attempt(fault, redeem, Redemption(user.id, self.codes[code], self.bank.now))

    @rule(person=people, nanos=amounts, fault=faults)
    def hold(self, person: int, nanos: int, fault: int | None) -> None:
        who = self.people[person]
        held = self.attempt(fault, hold, self.bank.hold_request(who.user, nanos))
        if held is not None:
            who.holds.append(held)

    @precondition(lambda self: any(each.holds for each in self.people))
    @rule(data=st.data(), percent=st.integers(0, 110), fault=faults)
    def settle(self, data: st.DataObject, percent: int, fault: int | None) -> None:
        """For all of it, some, nothing, or more than was reserved; repeated, too."""
        who = data.draw(st.sampled_from([each for each in self.people if each.holds]))
        held = data.draw(st.sampled_from(who.holds))
        cost = min(held.held_nanos * percent // 100, NUM_TOKENS_MAX)
        usage = self.bank.usage(held, who.key, cost)
        self.attempt(fault, charge, usage, self.bank.now)

    @precondition(lambda self: any(each.holds for each in self.people))
    @rule(data=st.data(), fault=faults)
    def void(self, data: st.DataObject, fault: int | None) -> None:
        held = data.draw(st.sampled_from([each for who in self.people for each in who.holds]))
        self.attempt(fault, void_hold, held.hold_id, self.bank.now)

    @rule(person=people, nanos=amounts, fault=faults)
    def ask_money_back(self, person: int, nanos: int, fault: int | None) -> None:
        user, now = self.people[person].user, self.bank.now
        request = RefundRequest(user.id, Currency.CNY, nanos, self.key(), now)
        self.attempt(fault, ask_refund, request)

    @rule(moods=st.lists(st.sampled_from(Mood), max_size=3), source=st.sampled_from(SOURCES))
    def send_refunds(self, moods: list[Mood], source: TopUpSource) -> None:
        self.providers[source].moods.extend(moods)
        self.send()

    def send(self) -> None:
        sender = RefundSender(self.bank.database, self.bank.clock, self.providers, self.catalogs)
        asyncio.run(sender.round())

    @rule(state=st.sampled_from([RefundState.DONE, RefundState.FAILED]))
    def late_refunds_end(self, state: RefundState) -> None:
        for provider in self.providers.values():
            provider.finish(state)

    @rule(person=people, fault=faults)
    def invoice(self, person: int, fault: int | None) -> None:
        user, now = self.people[person].user, self.bank.now
        buyer = Buyer(TitleKind.PERSONAL, "Ann Example")
        wish = InvoiceWish(user.id, Currency.CNY, None, None, buyer, "en")
        self.attempt(None, ask_invoice, wish, TERMS[1], now)
        for asked in self.bank.database.run(open_requests):
            self.attempt(fault, issue_invoice, asked.id, Issue(*TERMS, now))

    @rule(hours=st.sampled_from([1 / 60, 0.3, 5, 13]))
    def time_passes(self, hours: float) -> None:
        self.bank.clock.advance(hours * 3600)

    @rule(fault=faults)
    def chores(self, fault: int | None) -> None:
        self.attempt(fault, expire_holds, self.bank.now)
        self.attempt(fault, expire_grants, self.bank.now)
        self.attempt(fault, apply_waiting_events, APPLIERS, self.bank.now)

    @invariant()
    def nobody_is_below_zero(self) -> None:
        assert self.bank.database.run_read(balances_below_zero) == []

    def end(self) -> None:
        """Everything is told and everything that runs is finished. Then all books agree."""
        self.bank.clock.advance(3600)
        self.chores(None)
        for provider in self.providers.values():
            provider.moods.clear()
            provider.finish(RefundState.DONE)
        while open_refunds := [
            each for each in self.bank.database.run(list_refunds) if each.is_open
        ]:
            for each in open_refunds:
                self.bank.database.run(try_soon, each.id, self.bank.now)
            self.send()
            self.bank.clock.advance(3600)
        told = [event for each in self.providers.values() for event in each.events]
        for event in told:
            self.tell(event, None)
            self.tell(event, None)
        self.books_agree(told)

    def books_agree(self, told: list[ProviderEvent]) -> None:
        database = self.bank.database
        assert database.run_read(verify).differences == ()
        states = database.run_read(event_states)
        assert states == {(each.source, each.event_id): "applied" for each in told}
        for paid in self.paid:
            assert database.run_read(num_credits_of, paid.order) == 1
        for order in self.orders:
            assert database.run_read(num_credits_of, order) == 0, "nobody has paid it"
        for source, provider in self.providers.items():
            assert database.run_read(clearing_nanos, source) == provider.balance_nanos
        self.bank.clock.advance(24 * 3600)
        reconciler = Reconciler(database, self.bank.clock, self.providers, self.catalogs)
        done = asyncio.run(reconciler.reconcile("tests"))
        assert done.is_clean, done

    @override
    def teardown(self) -> None:
        try:
            if self.people:
                self.end()
        finally:
            self.faults.__exit__(None, None, None)
            self.bank.database.shutdown()
            self._drop()


def _settings(num_examples: int, num_steps: int) -> settings:
    return settings(
        max_examples=num_examples,
        stateful_step_count=num_steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_money_is_kept_whatever_happens_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    def fresh() -> tuple[Database, Callable[[], None]]:
        path = tmp_path / f"{uuid.uuid4().hex}.db"
        shutil.copyfile(sqlite_template, path)
        return Database.open(f"sqlite:///{path}"), path.unlink

    class OnSQLite(MoneyMachine):
        open_database = staticmethod(fresh)

    run_state_machine_as_test(OnSQLite, settings=_settings(15, 30))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_money_is_kept_whatever_happens_on_postgresql(postgresql_server: PostgreSQLServer) -> None:
    def fresh() -> tuple[Database, Callable[[], None]]:
        name = f"machine_{uuid.uuid4().hex}"
        url = postgresql_server.create(name, template="template")
        return Database.open(url), lambda: postgresql_server.drop(name)

    class OnPostgreSQL(MoneyMachine):
        open_database = staticmethod(fresh)

    run_state_machine_as_test(OnPostgreSQL, settings=_settings(6, 25))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_process_killed_in_the_middle_loses_and_doubles_nothing(
    bank: Bank, database_url: str
) -> None:
    """kill -9, five times, wherever it happens to be; then one run to the end."""
    user = bank.user()
    orders = list(orders_of(bank.database, user, bank.now))
    chance = random.Random(11)
    command = [sys.executable, "-m", "tests.support.dying_till", database_url, user.id]
    for _ in range(5):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(chance.randrange(1, 40)):
                assert child.stdout.readline(), "it ended before it was killed"
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
        assert bank.verify().differences == ()
        assert bank.database.run_read(balances_below_zero) == []
    Till(bank.database, user.id).work_to_the_end()
    assert bank.verify().differences == ()
    for order in orders:
        assert bank.database.run_read(num_credits_of, order) == 1
    states = bank.database.run_read(event_states)
    assert list(states.values()) == ["applied"] * NUM_ORDERS
    paid = sum(order.amount_nanos for order in orders)
    assert bank.database.run_read(clearing_nanos, TopUpSource.STRIPE) == paid
