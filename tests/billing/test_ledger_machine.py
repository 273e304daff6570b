"""The ledger against a model of it in plain Python: whatever is done in whatever order, balances
agree with the model, nobody is overdrawn, repeats change nothing, and the books can be proven."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from tests.support.bank import Bank
from tests.support.postgresql import PostgreSQLServer
from whalefall.accounts.api_keys import APIKey
from whalefall.accounts.users import User
from whalefall.base.db import Database
from whalefall.base.errors import InsufficientBalanceError, InvalidRequestError
from whalefall.billing.grants import expire_grants
from whalefall.billing.holds import Hold, HoldState
from whalefall.billing.ledger import expire_holds, void_hold

NUM_USERS = 3
amounts = st.integers(1, 1000) | st.integers(1, 10**9)
people = st.integers(0, NUM_USERS - 1)
odd_amounts = st.sampled_from([0, -1, -(2**63), 2**63, 2**64, True])


@dataclass
class Source:
    """A grant, or a customer's paid money."""

    account: str
    left: int
    expires_at: datetime | None = None
    is_grant: bool = True
    pending: int = 0

    def is_live(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at > now

    @property
    def order(self) -> tuple[bool, bool, float, str]:
        expiry = self.expires_at.timestamp() if self.expires_at else 0.0
        return not self.is_grant, self.expires_at is None, expiry, self.account


@dataclass
class Person:
    user: User
    key: APIKey
    paid: Source = field(default_factory=lambda: Source("paid", 0, is_grant=False))
    grants: list[Source] = field(default_factory=list)
    spent: int = 0

    def sources(self, now: datetime) -> list[Source]:
        live = [grant for grant in self.grants if grant.is_live(now)]
        return sorted([*live, self.paid], key=lambda source: source.order)

    def available(self, now: datetime) -> int:
        return sum(source.left - source.pending for source in self.sources(now))


@dataclass
class Reservation:
    held: Hold
    person: Person
    draws: list[tuple[Source, int]]
    state: HoldState = HoldState.OPEN
    cost: int = 0

    def end(self, state: HoldState, cost: int = 0) -> None:
        self.state, self.cost = state, cost
        self.person.spent += cost
        for source, amount in self.draws:
            source.pending -= amount
            charged = min(cost, amount)
            source.left -= charged
            cost -= charged
        assert cost == 0


Held = Reservation | MultipleResults[Reservation]


class LedgerMachine(RuleBasedStateMachine):
    reservations: Bundle[Reservation] = Bundle("reservations")

    open_database: ClassVar[Callable[[], tuple[Database, Callable[[], None]]]]
    """A fresh database, and what removes it again."""

    def __init__(self) -> None:
        super().__init__()
        database, self._drop = type(self).open_database()
        self.bank = Bank(database)
        self.people: list[Person] = []
        self.known: list[Reservation] = []
        self.payments: list[tuple[Person, int, str]] = []

    @initialize()
    def people_come(self) -> None:
        for _ in range(NUM_USERS):
            user = self.bank.user()
            self.people.append(Person(user, self.bank.api_key(user)))

    @rule(person=people, amount=amounts)
    def top_up(self, person: int, amount: int) -> None:
        who = self.people[person]
        key = f"payment-{len(self.payments)}"
        self.bank.top_up(who.user, amount, key)
        self.payments.append((who, amount, key))
        who.paid.left += amount

    @precondition(lambda self: self.payments)
    @rule(data=st.data())
    def top_up_again(self, data: st.DataObject) -> None:
        who, amount, key = data.draw(st.sampled_from(self.payments))
        self.bank.top_up(who.user, amount, key)

    @rule(person=people, amount=amounts, days=st.integers(1, 3) | st.none())
    def give(self, person: int, amount: int, days: int | None) -> None:
        who = self.people[person]
        made = self.bank.grant(who.user, amount, days)
        who.grants.append(Source(made.ledger_account_id, amount, made.expires_at))

    @rule(target=reservations, person=people, wanted=amounts, part=st.integers(1, 100))
    def hold(self, person: int, wanted: int, part: int) -> Held:
        who = self.people[person]
        minimum = max(1, wanted * part // 100)
        available = who.available(self.bank.now)
        if available < minimum:
            with pytest.raises(InsufficientBalanceError):
                self.bank.hold(who.user, wanted, minimum)
            return multiple()
        held = self.bank.hold(who.user, wanted, minimum)
        assert held.held_nanos == min(wanted, available)
        made = Reservation(held, who, self._draw(who, held.held_nanos))
        self.known.append(made)
        return made

    def _draw(self, who: Person, rest: int) -> list[tuple[Source, int]]:
        draws = []
        for source in who.sources(self.bank.now):
            amount = min(rest, source.left - source.pending)
            source.pending += amount
            rest -= amount
            draws.append((source, amount))
        return draws

    @rule(made=reservations)
    def hold_again(self, made: Reservation) -> None:
        held = made.held
        again = self.bank.hold(
            made.person.user, held.wanted_nanos, held.held_nanos, hold_id=held.hold_id
        )
        assert (again.state, again.held_nanos) == (made.state, held.held_nanos)

    @rule(made=reservations, part=st.integers(0, 130))
    def charge(self, made: Reservation, part: int) -> None:
        cost = min(made.held.held_nanos * part // 100, 10**9)
        settlement = self.bank.charge(made.held, made.person.key, cost)
        assert settlement.is_repeat == (made.state is not HoldState.OPEN)
        if made.state is HoldState.OPEN:
            made.end(HoldState.POSTED, min(cost, made.held.held_nanos))
            assert settlement.shortfall_nanos == cost - made.cost
        assert settlement.cost_nanos == made.cost
        assert settlement.hold.state is made.state

    @rule(made=reservations)
    def void(self, made: Reservation) -> None:
        settlement = self.bank.database.run(void_hold, made.held.hold_id, self.bank.now)
        if made.state is HoldState.OPEN:
            made.end(HoldState.VOIDED)
        assert settlement.hold.state is made.state

    @rule(hours=st.sampled_from([1 / 60, 0.3, 5, 24, 40]))
    def time_passes(self, hours: float) -> None:
        self.bank.clock.advance(hours * 3600)

    @rule()
    def holds_expire(self) -> None:
        expired = {hold.hold_id for hold in self.bank.database.run(expire_holds, self.bank.now)}
        due = [
            made
            for made in self.known
            if made.state is HoldState.OPEN and made.held.expires_at <= self.bank.now
        ]
        assert expired == {made.held.hold_id for made in due}
        for made in due:
            made.end(HoldState.EXPIRED)

    @rule()
    def grants_expire(self) -> None:
        over = [
            grant
            for person in self.people
            for grant in person.grants
            if not grant.is_live(self.bank.now) and grant.left > grant.pending
        ]
        assert self.bank.database.run(expire_grants, self.bank.now) == len(over)
        for grant in over:
            grant.left = grant.pending

    @rule(person=people, amount=odd_amounts)
    def odd_amounts_are_refused(self, person: int, amount: int) -> None:
        user = self.people[person].user
        for attempt in (self.bank.top_up, self.bank.grant):
            with pytest.raises(InvalidRequestError):
                attempt(user, amount)
        with pytest.raises(InvalidRequestError):
            self.bank.hold(user, amount, 1)

    @invariant()
    def balances_agree(self) -> None:
        now = self.bank.now
        for person in self.people:
            found = self.bank.balance(person.user)
            grants = [grant for grant in person.grants if grant.is_live(now)]
            assert found.topped_up_nanos == person.paid.left
            assert found.granted_nanos == sum(grant.left for grant in grants)
            assert found.available_nanos == person.available(now) >= 0
            pending = person.paid.pending + sum(grant.pending for grant in person.grants)
            assert found.held_nanos == pending

    @invariant()
    def books_are_proven(self) -> None:
        report = self.bank.verify()
        assert report.differences == ()
        assert sum(total.revenue_nanos for total in report.totals) == sum(
            person.spent for person in self.people
        )

    @override
    def teardown(self) -> None:
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
def test_the_ledger_behaves_like_its_model_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    def fresh() -> tuple[Database, Callable[[], None]]:
        path = tmp_path / f"{uuid.uuid4().hex}.db"
        shutil.copyfile(sqlite_template, path)
        return Database.open(f"sqlite:///{path}"), path.unlink

    class OnSQLite(LedgerMachine):
        open_database = staticmethod(fresh)

    run_state_machine_as_test(OnSQLite, settings=_settings(12, 25))


@pytest.mark.slow
def test_the_ledger_behaves_like_its_model_on_postgresql(
    postgresql_server: PostgreSQLServer,
) -> None:
    def fresh() -> tuple[Database, Callable[[], None]]:
        name = f"machine_{uuid.uuid4().hex}"
        url = postgresql_server.create(name, template="template")
        return Database.open(url), lambda: postgresql_server.drop(name)

    class OnPostgreSQL(LedgerMachine):
        open_database = staticmethod(fresh)

    run_state_machine_as_test(OnPostgreSQL, settings=_settings(4, 15))
