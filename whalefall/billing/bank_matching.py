"""Which entries of a statement are known already, and to whom a payment belongs.

The rule of identity, for statements that overlap and come in several formats. Two entries can only
be the same if they agree in account, day of booking, direction, currency and amount. Among those,
each entry that is stored answers for one entry of a statement, and is sought in this order:

1. the same reference of the bank (the same payer first: a bundle shares one reference);
2. with a reference now and none then: the same payer;
3. with none now: the same payer, whatever reference is stored.

Entries left over are new. So two equal payments on one day are two as soon as one statement shows
both, and a statement imported again, in whatever format, adds nothing. Payers are compared as
names are, and whether an entry is marked as a reversal does not matter."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from itertools import islice

from sqlalchemy import Connection, select

from whalefall.accounts.closure import is_closed
from whalefall.accounts.users import get_user, users
from whalefall.accounts.verification import (
    VerificationKind,
    VerificationState,
    verifications,
    verified_identity,
)
from whalefall.base.money import Currency
from whalefall.billing.bank_entries import WaitReason
from whalefall.billing.bank_statements.cells import plain_name
from whalefall.billing.bank_statements.entry import Direction, StatementEntry
from whalefall.billing.virtual_accounts import (
    find_virtual_account,
    is_well_formed,
    numbers_in,
)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """As much of a stored entry as tells it from others of its kind."""

    id: str
    reference: str
    name: str
    """The payer's, plain."""


@dataclass(frozen=True, slots=True)
class Comparison:
    new: tuple[StatementEntry, ...]
    num_known: int
    learnt: dict[str, str]
    """References that stored entries turn out to have, by their ids."""


@dataclass(frozen=True, slots=True)
class Verdict:
    user_id: str | None
    """Whose number it names, if it names one."""
    wait_reason: WaitReason
    """NONE: it is credited to that user."""


def kind_of(entry: StatementEntry) -> tuple[date, Direction, Currency, int]:
    """Entries that differ in this are different."""
    return entry.booked_on, entry.direction, entry.currency, entry.amount_nanos


def content_key(entry: StatementEntry, base_number: str) -> str:
    """Entries with the same payer, too, are told apart by a number of their own."""
    name = plain_name(entry.payer_name)
    parts = (base_number, *map(str, kind_of(entry)), name)
    return sha256("\n".join(parts).encode()).hexdigest()


def compare(stored: Sequence[StoredEntry], entries: Sequence[StatementEntry]) -> Comparison:
    """Entries of one kind against those stored of that kind."""
    left = {each.id: each for each in stored}
    unknown = list(entries)
    learnt: dict[str, str] = {}
    for key_of_stored, key_of_entry in _STEPS:
        waiting = defaultdict[object, deque[StoredEntry]](deque)
        for each in left.values():
            waiting[key_of_stored(each)].append(each)
        still_unknown = []
        for entry in unknown:
            key = key_of_entry(entry)
            if key is None or not waiting[key]:
                still_unknown.append(entry)
                continue
            match = left.pop(waiting[key].popleft().id)
            if entry.reference and not match.reference:
                learnt[match.id] = entry.reference
        unknown = still_unknown
    return Comparison(tuple(unknown), len(entries) - len(unknown), learnt)


_Key = tuple[str, ...] | None
_Step = tuple[Callable[[StoredEntry], _Key], Callable[[StatementEntry], _Key]]


def _name(entry: StatementEntry) -> str:
    return plain_name(entry.payer_name)


_STEPS: tuple[_Step, ...] = (
    (
        lambda stored: (stored.reference, stored.name),
        lambda entry: (entry.reference, _name(entry)) if entry.reference else None,
    ),
    (
        lambda stored: (stored.reference,),
        lambda entry: (entry.reference,) if entry.reference else None,
    ),
    (
        lambda stored: None if stored.reference else (stored.name,),
        lambda entry: (_name(entry),),
    ),
    (
        lambda stored: (stored.name,),
        lambda entry: None if entry.reference else (_name(entry),),
    ),
)
"""The rule's steps, the first in two: by what a stored entry is found, and what an entry seeks.
None: not by this step."""


def judge(conn: Connection, entry: StatementEntry, base_number: str) -> Verdict:
    """Whether a credit is credited by itself, and to whom: only what names one enterprise's number
    and comes from that enterprise."""
    assert entry.direction is Direction.CREDIT
    if entry.is_reversal:
        return Verdict(None, WaitReason.REVERSAL)
    numbers = numbers_in(entry.credited_account, base_number)
    numbers |= numbers_in(entry.text, base_number)
    if len(numbers) != 1:
        many = WaitReason.SEVERAL_NUMBERS if numbers else WaitReason.NO_NUMBER
        return Verdict(None, many)
    (number,) = numbers
    account = find_virtual_account(conn, number) if is_well_formed(number) else None
    if account is None:
        return Verdict(None, WaitReason.UNKNOWN_NUMBER)
    return Verdict(account.user_id, _objection(conn, entry, account.user_id))


def _objection(conn: Connection, entry: StatementEntry, user_id: str) -> WaitReason:
    user = get_user(conn, user_id)
    if is_closed(user):
        return WaitReason.ACCOUNT_CLOSED
    identity = verified_identity(conn, user_id)
    if identity is None or identity.kind is not VerificationKind.ENTERPRISE:
        return WaitReason.NOT_VERIFIED
    if plain_name(entry.payer_name) != plain_name(identity.name):
        return WaitReason.OTHER_NAME
    is_theirs = entry.currency is user.currency
    return WaitReason.NONE if is_theirs else WaitReason.OTHER_CURRENCY


@dataclass(frozen=True, slots=True)
class EnterpriseNamed:
    user_id: str
    email: str
    name: str


def enterprises_named(
    conn: Connection, payer_name: str, *, limit: int = 10
) -> list[EnterpriseNamed]:
    """Verified enterprises with this name, for an operator to choose from."""
    name = plain_name(payer_name)
    query = (
        select(users.c.id, users.c.email, verifications.c.name)
        .join(users, users.c.id == verifications.c.user_id)
        .where(
            verifications.c.state == VerificationState.APPROVED.value,
            verifications.c.kind == VerificationKind.ENTERPRISE.value,
        )
    )
    rows = conn.execute(query, execution_options={"yield_per": 1000})
    found = (EnterpriseNamed(*row) for row in map(tuple, rows) if plain_name(row[2]) == name)
    return list(islice(found, limit))
