"""Bank transfers from statement to balance, on either database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from tests.support.bank import Bank
from tests.support.bank_counter import ACCOUNT, NAME, PAYMENT, YUAN, BankCounter, paid_to
from tests.support.identities import verified
from whalefall.accounts.closure import close_account
from whalefall.accounts.verification import VerificationKind
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError
from whalefall.base.money import Currency
from whalefall.billing.bank_entries import (
    BankEntry,
    EntryFilter,
    EntryState,
    WaitReason,
    count_entries,
    list_entries,
)
from whalefall.billing.bank_imports import batches, begin_import, import_batch, new_import
from whalefall.billing.bank_statements.entry import Direction, Statement, StatementFormat
from whalefall.billing.bank_transfers import (
    attribute_entry,
    leave_entry,
    return_entry,
    settle_reversal,
)
from whalefall.billing.top_ups import TopUpSource, list_top_ups
from whalefall.billing.transfers import AccountKind, account_id, ledger_accounts
from whalefall.billing.virtual_accounts import number_from_serial


@pytest.fixture
def counter(database: Database) -> BankCounter:
    return BankCounter(Bank(database))


def suspense(counter: BankCounter, currency: Currency = Currency.CNY) -> int:
    """What waits, by the ledger."""
    name = account_id(AccountKind.BANK_SUSPENSE, currency, "bank")
    columns = ledger_accounts.c
    query = select(columns.credits_posted - columns.debits_posted).where(columns.id == name)
    return counter.database.run_read(lambda conn: conn.execute(query).scalar_one_or_none() or 0)


def only_entry(counter: BankCounter) -> BankEntry:
    (entry,) = counter.entries()
    return entry


def test_a_payment_with_number_and_name_is_credited_once(counter: BankCounter) -> None:
    user, number = counter.enterprise()
    entry = paid_to(number, reference="R1", payer_name="深海数据(上海) 有限公司")
    first = counter.take_in([entry])
    assert first.num_by_state[EntryState.MATCHED] == 1
    assert first.credited_nanos == {Currency.CNY: 1000 * YUAN}
    again = counter.take_in([entry])
    assert (again.num_known, again.entries) == (1, ())
    assert counter.bank.balance(user).topped_up_nanos == 1000 * YUAN
    (top_up,) = counter.database.run(list_top_ups, user.id)
    assert top_up.source is TopUpSource.BANK
    assert top_up.id == only_entry(counter).top_up_id
    assert [entry.user_id for entry in counter.told] == [user.id]
    assert counter.bank.verify().is_consistent


def test_the_number_may_stand_in_the_text(counter: BankCounter) -> None:
    user, number = counter.enterprise()
    spaced = f"{number[:4]} {number[4:12]}-{number[12:]}"
    counter.take_in([replace(PAYMENT, text=f"充值 {spaced}")])
    assert counter.bank.balance(user).topped_up_nanos == 1000 * YUAN


Change = Callable[[str], dict[str, object]]
UNCLEAR: dict[WaitReason, Change] = {
    WaitReason.NO_NUMBER: lambda _: {"credited_account": ACCOUNT.number},
    WaitReason.SEVERAL_NUMBERS: lambda _: {"text": number_from_serial(ACCOUNT.number, 7)},
    WaitReason.UNKNOWN_NUMBER: lambda number: {
        "credited_account": number[:-1] + str((int(number[-1]) + 1) % 10)
    },
    WaitReason.OTHER_NAME: lambda _: {"payer_name": NAME.removesuffix("公司")},
    WaitReason.OTHER_CURRENCY: lambda _: {"currency": Currency.USD},
    WaitReason.REVERSAL: lambda _: {"is_reversal": True},
}


@pytest.mark.parametrize("reason", list(UNCLEAR))
def test_what_is_unclear_waits_in_suspense(counter: BankCounter, reason: WaitReason) -> None:
    user, number = counter.enterprise()
    entry = replace(paid_to(number), **UNCLEAR[reason](number))  # type: ignore[arg-type]
    counter.take_in([entry])
    found = only_entry(counter)
    assert (found.state, found.wait_reason) == (EntryState.WAITING, reason)
    assert counter.bank.balance(user).total_nanos == 0
    assert suspense(counter, entry.currency) == 1000 * YUAN
    assert counter.told == []
    assert counter.bank.verify().is_consistent


def test_a_closed_account_gets_nothing(counter: BankCounter) -> None:
    user, number = counter.enterprise()
    counter.database.run(close_account, user.id, counter.bank.now)
    counter.take_in([paid_to(number)])
    assert only_entry(counter).wait_reason is WaitReason.ACCOUNT_CLOSED
    decision = counter.decision(only_entry(counter))
    with pytest.raises(InvalidRequestError, match="closed"):
        counter.database.run(attribute_entry, decision, user.id)


def test_a_dry_run_says_the_same_and_changes_nothing(counter: BankCounter) -> None:
    _, number = counter.enterprise()
    entries = [paid_to(number), PAYMENT, replace(PAYMENT, direction=Direction.DEBIT)]
    looked = counter.take_in(entries, is_dry_run=True)
    assert counter.entries() == []
    done = counter.take_in(entries)
    assert looked.num_by_state == done.num_by_state
    assert looked.credited_nanos == done.credited_nanos
    assert looked.num_by_state[EntryState.OUTGOING] == 1
    repeated = counter.take_in(entries, is_dry_run=True)
    assert (repeated.num_known, repeated.entries) == (3, ())


def test_an_operator_credits_what_waits_once(counter: BankCounter) -> None:
    user, _ = counter.enterprise()
    counter.take_in([PAYMENT])
    decision = counter.decision(only_entry(counter), "they told us by telephone")
    made = counter.database.run(attribute_entry, decision, user.id)
    assert (made.state, made.note) == (EntryState.ATTRIBUTED, "they told us by telephone")
    assert counter.bank.balance(user).topped_up_nanos == 1000 * YUAN
    assert suspense(counter) == 0
    for repeat in (return_entry, leave_entry):
        with pytest.raises(InvalidRequestError, match="does not wait"):
            counter.database.run(repeat, decision)
    with pytest.raises(InvalidRequestError, match="does not wait"):
        counter.database.run(attribute_entry, decision, user.id)
    assert counter.take_in([PAYMENT]).num_known == 1
    assert counter.bank.balance(user).topped_up_nanos == 1000 * YUAN
    assert counter.bank.verify().is_consistent


def test_nobody_but_a_verified_enterprise_is_credited(counter: BankCounter) -> None:
    counter.take_in([PAYMENT])
    decision = counter.decision(only_entry(counter))
    person = counter.bank.user()
    verified(counter.database, person, VerificationKind.PERSONAL, "Ann Example")
    for user in (person, counter.bank.user()):
        with pytest.raises(InvalidRequestError, match="verified enterprise"):
            counter.database.run(attribute_entry, decision, user.id)
    for reason in ("", "  ", "x" * 201, "a\nb"):
        with pytest.raises(InvalidRequestError, match="reason"):
            counter.database.run(return_entry, replace(decision, reason=reason))


def test_what_is_returned_leaves_the_books_clean(counter: BankCounter) -> None:
    counter.take_in([PAYMENT])
    left = counter.database.run(leave_entry, counter.decision(only_entry(counter), "asked them"))
    assert (left.state, left.note) == (EntryState.WAITING, "asked them")
    returned = counter.database.run(return_entry, counter.decision(left, "unknown payer"))
    assert returned.state is EntryState.RETURNED
    assert suspense(counter) == 0
    assert counter.bank.verify().is_consistent


def test_the_bank_takes_a_waiting_payment_back(counter: BankCounter) -> None:
    user, number = counter.enterprise()
    taken = replace(PAYMENT, direction=Direction.DEBIT, is_reversal=True)
    counter.take_in([PAYMENT, taken, paid_to(number, payer_name=NAME, amount_nanos=YUAN)])
    by_direction = {(each.direction, each.amount_nanos): each for each in counter.entries()}
    debit = by_direction[Direction.DEBIT, 1000 * YUAN]
    payment = by_direction[Direction.CREDIT, 1000 * YUAN]
    credited = by_direction[Direction.CREDIT, YUAN]
    assert debit.wait_reason is WaitReason.TAKEN_BACK
    assert counter.bank.verify().is_consistent
    decision = counter.decision(debit)
    with pytest.raises(InvalidRequestError, match="another amount"):
        counter.database.run(settle_reversal, decision, credited.id)
    with pytest.raises(InvalidRequestError, match="brought no money"):
        counter.database.run(attribute_entry, decision, user.id)
    counter.database.run(settle_reversal, decision, payment.id)
    states = {each.id: each.state for each in counter.entries()}
    assert states[debit.id] is EntryState.OUTGOING
    assert states[payment.id] is EntryState.RETURNED
    assert suspense(counter) == 0
    assert counter.bank.verify().is_consistent


def test_the_bank_takes_a_credited_payment_back(counter: BankCounter) -> None:
    """What is left of it is taken, what is spent is the platform's loss; once."""
    user, number = counter.enterprise()
    payment = paid_to(number, amount_nanos=1000)
    counter.take_in([payment])
    (credited,) = counter.entries()
    counter.bank.charge(counter.bank.hold(user, 300), counter.bank.api_key(user), 300)
    taken = replace(payment, direction=Direction.DEBIT, is_reversal=True)
    counter.take_in([payment, taken])
    (debit,) = [each for each in counter.entries() if each.direction is Direction.DEBIT]
    counter.database.run(settle_reversal, counter.decision(debit), credited.id)
    assert counter.bank.balance(user).total_nanos == 0
    (top_up,) = counter.database.run(list_top_ups, user.id)
    assert top_up.charged_back_nanos == 1000
    with pytest.raises(InvalidRequestError, match="does not wait"):
        counter.database.run(settle_reversal, counter.decision(debit), credited.id)
    assert counter.bank.verify().is_consistent


def test_entries_are_found_by_what_stands_in_them(counter: BankCounter) -> None:
    user, number = counter.enterprise()
    one = paid_to(number, reference="R_1%")
    counter.take_in([one, replace(PAYMENT, payer_name="某人", text="购 AI 服务")])

    def search(text: str, *states: EntryState) -> list[str]:
        wanted = EntryFilter(states, text)
        return [each.payer_name for each in counter.database.run_read(list_entries, wanted)]

    assert search("_1%") == search(number) == search(user.id) == [NAME]
    assert search("ai") == search("某") == ["某人"]
    assert search("%") == [NAME]
    assert search("", EntryState.WAITING) == ["某人"]
    assert search("某", EntryState.MATCHED) == []
    pages: list[str] = []
    place = None
    while page := counter.database.run_read(list_entries, EntryFilter(before=place), limit=1):
        pages += [each.id for each in page]
        place = page[-1].created_at, page[-1].id
    assert pages == [each.id for each in counter.entries()]
    counts = counter.database.run_read(count_entries)
    assert (counts[EntryState.MATCHED], counts[EntryState.WAITING]) == (1, 1)


def test_a_failed_batch_leaves_nothing_and_is_made_good_later(counter: BankCounter) -> None:
    """As if the process had died between two batches, or in the middle of one."""
    user, number = counter.enterprise()
    days = [date(2026, 1, 1) + timedelta(days=index) for index in range(60)]
    entries = [paid_to(number, booked_on=day) for day in days]
    seen: list[BankEntry] = []

    def die_at_last(_conn: object, entry: BankEntry) -> None:
        seen.append(entry)
        if len(seen) == 55:
            raise RuntimeError("power cut")

    with contextlib.suppress(RuntimeError):
        counter.take_in(entries, notify=die_at_last)
    assert counter.bank.balance(user).topped_up_nanos == 50 * 1000 * YUAN
    assert counter.bank.verify().is_consistent
    report = counter.take_in(entries)
    assert (report.num_known, report.num_by_state[EntryState.MATCHED]) == (50, 10)
    assert counter.bank.balance(user).topped_up_nanos == 60 * 1000 * YUAN
    assert counter.bank.verify().is_consistent


async def test_two_processes_import_the_same_statement_at_once(
    counter: BankCounter, database_url: str
) -> None:
    user, number = counter.enterprise()
    days = [date(2026, 1, 1) + timedelta(days=index) for index in range(6)]
    entries = tuple(paid_to(number, booked_on=day) for day in days for _ in range(2))
    statement = Statement(StatementFormat.CMB, ACCOUNT.number, entries)

    async def take_in(database: Database) -> int:
        made = new_import(statement, "a.csv", "operator@example.org", counter.bank.now)
        await database.write(begin_import, made)
        outcomes = [
            await database.write(import_batch, made, ACCOUNT.number, batch)
            for whole in batches(statement)
            for batch in (whole[:4], whole[4:8], whole[8:])
        ]
        return sum(len(outcome.entries) for outcome in outcomes)

    with Database.open(database_url) as other:
        taken = await asyncio.gather(*(take_in(each) for each in (counter.database, other) * 3))
    assert sum(taken) == 12
    assert counter.bank.balance(user).topped_up_nanos == 12 * 1000 * YUAN
    assert counter.bank.verify().is_consistent


async def test_two_operators_decide_at_once(counter: BankCounter, database_url: str) -> None:
    user, _ = counter.enterprise()
    counter.take_in([PAYMENT])
    decision = counter.decision(only_entry(counter))

    async def attribute(database: Database) -> bool:
        try:
            await database.write(attribute_entry, decision, user.id)
        except InvalidRequestError:
            return False
        return True

    async def give_back(database: Database) -> bool:
        try:
            await database.write(return_entry, decision)
        except InvalidRequestError:
            return False
        return True

    with Database.open(database_url) as other:
        done = await asyncio.gather(
            *(run(each) for each in (counter.database, other) for run in (attribute, give_back))
        )
    assert sum(done) == 1
    entry = only_entry(counter)
    credited = entry.state is EntryState.ATTRIBUTED
    assert counter.bank.balance(user).topped_up_nanos == (1000 * YUAN if credited else 0)
    assert suspense(counter) == 0
    assert counter.bank.verify().is_consistent
