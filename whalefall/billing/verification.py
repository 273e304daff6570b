"""Proves the books: works everything out again from the transfers and the usage records, and
lists every difference from what is stored. Reads only, on one snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, select

from whalefall.base.money import MAX_AMOUNT_NANOS, Currency
from whalefall.billing.bank_proof import check_bank_entries
from whalefall.billing.differences import Difference
from whalefall.billing.grants import grants
from whalefall.billing.holds import HoldState, holds
from whalefall.billing.invoice_proof import check_invoices
from whalefall.billing.price_versions import registered_prices
from whalefall.billing.pricing import Price, TokenCounts, cost_nanos
from whalefall.billing.refund_proof import check_codes, check_refunds
from whalefall.billing.rerating import corrections
from whalefall.billing.top_up_proof import check_top_ups
from whalefall.billing.transfers import (
    CUSTOMER_KINDS,
    AccountKind,
    TransferKind,
    ledger_accounts,
    transfers,
)
from whalefall.billing.usage import SUMMED, number_from_day, usage_daily, usage_records

COUNTERS = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
RESOLUTIONS = (TransferKind.POST, TransferKind.VOID, TransferKind.EXPIRE)
_ROWS_AT_A_TIME = 1000

AnyRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    currency: Currency
    revenue_nanos: int
    usage_nanos: int
    customers_nanos: int
    """What all customers together still have."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    num_accounts: int
    num_transfers: int
    num_holds: int
    num_usage_records: int
    totals: tuple[CurrencyTotal, ...]
    differences: tuple[Difference, ...]

    @property
    def is_consistent(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class _Account:
    row: AnyRow
    stored: tuple[int, ...]
    replayed: list[int]
    """Both in the order of COUNTERS."""


def verify(conn: Connection) -> VerifyReport:
    """Check that

    - debits equal credits in every currency, posted and pending;
    - every account's counters equal the replay of its transfers, and no customer is overdrawn;
    - every transfer stays within one currency, and resolves at most one pending one, once;
    - every hold's transfers add up to it and ended as it did;
    - every grant is the sum of the transfers that gave it;
    - every top-up was paid by one transfer from its source, and every such transfer is a top-up;
    - every refund, chargeback and use of a code moved what it says, and nothing else did;
    - what waits of bank statements is what lies in suspense, and every credited entry is a top-up;
    - every correction was given by a transfer that names its request, and none exceeds its charge;
    - invoices are numbered without a gap, unchanged, and no more than what was paid and used;
    - what was used equals what was earned, per request, user and currency, at the stored price;
    - the daily sums equal the records.
    """
    accounts = {
        row.id: _Account(row, tuple(getattr(row, name) for name in COUNTERS), [0, 0, 0, 0])
        for row in conn.execute(select(ledger_accounts))
    }
    differences: list[Difference] = []
    differences += _check_transfers(conn, accounts)
    differences += _check_resolved_once(conn)
    differences += _check_accounts(accounts)
    differences += _check_currencies(accounts)
    differences += _check_holds(conn, accounts)
    differences += _check_grants(conn)
    differences += _check_corrections(conn)
    differences += check_top_ups(conn)
    differences += check_refunds(conn)
    differences += check_codes(conn)
    differences += check_bank_entries(conn)
    differences += check_invoices(conn)
    sums = _UsageSums({}, {})
    differences += _check_usage(conn, sums)
    differences += _check_days(conn, sums.by_day)
    differences += _check_revenue(accounts, sums.by_user)
    return VerifyReport(
        num_accounts=len(accounts),
        num_transfers=_count(conn, select(func.count()).select_from(transfers)),
        num_holds=_count(conn, select(func.count()).select_from(holds)),
        num_usage_records=_count(conn, select(func.count()).select_from(usage_records)),
        totals=_totals(accounts, sums.by_user),
        differences=tuple(differences),
    )


def _count(conn: Connection, query: Select[int]) -> int:
    return conn.execute(query).scalar_one()


def _stream(conn: Connection, query: Select[*tuple[Any, ...]]) -> Iterator[AnyRow]:
    yield from conn.execute(query, execution_options={"yield_per": _ROWS_AT_A_TIME})


def _check_transfers(conn: Connection, accounts: dict[str, _Account]) -> Iterator[Difference]:
    """Each transfer by itself; on the way their sums are built up in the accounts."""
    pending = transfers.alias("pending")
    query = select(
        transfers,
        pending.c.id.label("resolved_id"),
        pending.c.kind.label("resolved_kind"),
        pending.c.amount_nanos.label("resolved_nanos"),
        pending.c.debit_account_id.label("resolved_debit"),
        pending.c.credit_account_id.label("resolved_credit"),
        pending.c.hold_id.label("resolved_hold"),
    ).join(pending, pending.c.id == transfers.c.pending_id, isouter=True)
    for row in _stream(conn, query):
        yield from _check_transfer(row, accounts)
        _replay(row, accounts)


def _check_transfer(row: AnyRow, accounts: dict[str, _Account]) -> Iterator[Difference]:
    if not 0 < row.amount_nanos <= MAX_AMOUNT_NANOS:
        yield Difference("transfer amount", row.id, "above zero", str(row.amount_nanos))
    for account in (row.debit_account_id, row.credit_account_id):
        if account not in accounts:
            yield Difference("transfer account", row.id, "an existing account", account)
        elif accounts[account].row.currency != row.currency:
            found = f"{accounts[account].row.currency} account {account}"
            yield Difference("transfer currency", row.id, row.currency, found)
    if row.kind in RESOLUTIONS:
        yield from _check_resolution(row)
    elif row.pending_id is not None:
        yield Difference("transfer kind", row.id, "resolves nothing", row.pending_id)
    elif row.kind == TransferKind.PENDING and row.hold_id is None:
        yield Difference("transfer hold", row.id, "a hold it belongs to", "none")


def _check_resolution(row: AnyRow) -> Iterator[Difference]:
    if row.resolved_id is None or row.resolved_kind != TransferKind.PENDING:
        found = f"{row.resolved_kind} {row.pending_id}"
        yield Difference("resolution", row.id, "a pending transfer to resolve", found)
        return
    own = (row.debit_account_id, row.credit_account_id, row.hold_id)
    theirs = (row.resolved_debit, row.resolved_credit, row.resolved_hold)
    if own != theirs:
        yield Difference("resolution accounts", row.id, str(theirs), str(own))
    is_partial = row.kind == TransferKind.POST and row.amount_nanos < row.resolved_nanos
    if row.amount_nanos != row.resolved_nanos and not is_partial:
        expected = f"{'at most ' if row.kind == TransferKind.POST else ''}{row.resolved_nanos}"
        yield Difference("resolution amount", row.id, expected, str(row.amount_nanos))


def _replay(row: AnyRow, accounts: dict[str, _Account]) -> None:
    pending, posted = 0, 0
    if row.kind == TransferKind.PENDING:
        pending = row.amount_nanos
    elif row.kind == TransferKind.SINGLE:
        posted = row.amount_nanos
    else:
        pending = -(row.resolved_nanos or 0)
        posted = row.amount_nanos if row.kind == TransferKind.POST else 0
    for account, side in ((row.debit_account_id, 0), (row.credit_account_id, 2)):
        if account in accounts:
            accounts[account].replayed[side] += pending
            accounts[account].replayed[side + 1] += posted


def _check_resolved_once(conn: Connection) -> Iterator[Difference]:
    for column, check in (
        (transfers.c.pending_id, "resolved once"),
        (transfers.c.idempotency_key, "idempotency key"),
    ):
        repeated = (
            select(column, func.count())
            .where(column.is_not(None))
            .group_by(column)
            .having(func.count() > 1)
        )
        for subject, count in conn.execute(repeated):
            yield Difference(check, str(subject), "one transfer", f"{count} transfers")


def _check_accounts(accounts: dict[str, _Account]) -> Iterator[Difference]:
    for name, account in accounts.items():
        for counter, stored, replayed in zip(
            COUNTERS, account.stored, account.replayed, strict=True
        ):
            if stored != replayed:
                yield Difference("account replay", f"{name} {counter}", str(replayed), str(stored))
        is_customer = account.row.kind in CUSTOMER_KINDS
        if is_customer != bool(account.row.is_customer):
            found = str(account.row.is_customer)
            yield Difference("account guard", f"{name} is_customer", str(is_customer), found)
        available = account.stored[3] - account.stored[1] - account.stored[0]
        if is_customer and available < 0:
            yield Difference("overdraft", name, "zero or more", str(available))


def _check_currencies(accounts: dict[str, _Account]) -> Iterator[Difference]:
    for currency in sorted({account.row.currency for account in accounts.values()}):
        sums = [0, 0, 0, 0]
        for account in accounts.values():
            if account.row.currency == currency:
                sums = [total + value for total, value in zip(sums, account.stored, strict=True)]
        for name, debits, credits in (
            ("pending", sums[0], sums[2]),
            ("posted", sums[1], sums[3]),
        ):
            if debits != credits:
                subject = f"{currency} {name} debits less credits"
                yield Difference("currency sum", subject, "0", str(debits - credits))


def _check_holds(conn: Connection, accounts: dict[str, _Account]) -> Iterator[Difference]:
    columns = [holds.c[name].label(f"hold_{name}") for name in _HOLD_COLUMNS]
    parts = select(
        *columns,
        transfers.c.id.label("transfer_id"),
        transfers.c.kind,
        transfers.c.amount_nanos,
        transfers.c.debit_account_id,
        usage_records.c.granted_nanos,
        usage_records.c.paid_nanos,
    ).join(transfers, transfers.c.hold_id == holds.c.id, isouter=True)
    query = parts.join(usage_records, usage_records.c.request_id == holds.c.id, isouter=True)
    ordered = _stream(conn, query.order_by(holds.c.id))
    for _, rows in groupby(ordered, key=lambda row: row.hold_id):
        yield from _check_hold(list(rows), accounts)
    orphans = (
        select(transfers.c.id, transfers.c.hold_id)
        .join(holds, holds.c.id == transfers.c.hold_id, isouter=True)
        .where(transfers.c.hold_id.is_not(None), holds.c.id.is_(None))
    )
    for transfer, hold in conn.execute(orphans):
        yield Difference("transfer hold", transfer, f"the hold {hold}", "no such hold")


_HOLD_COLUMNS = ("id", "user_id", "state", "held_nanos", "cost_nanos")

_ENDINGS: dict[str, set[TransferKind]] = {
    HoldState.OPEN: set(),
    HoldState.POSTED: {TransferKind.POST, TransferKind.VOID},
    HoldState.VOIDED: {TransferKind.VOID},
    HoldState.EXPIRED: {TransferKind.EXPIRE},
}


def _check_hold(rows: list[AnyRow], accounts: dict[str, _Account]) -> Iterator[Difference]:
    hold = rows[0]
    by_kind: dict[str, list[AnyRow]] = {kind: [] for kind in TransferKind}
    for row in rows:
        if row.transfer_id is not None:
            by_kind.setdefault(row.kind, []).append(row)
            account = accounts.get(row.debit_account_id)
            if account is not None and account.row.user_id != hold.hold_user_id:
                owner = str(account.row.user_id)
                yield Difference("hold owner", hold.hold_id, hold.hold_user_id, owner)
    reserved = _sum(by_kind[TransferKind.PENDING])
    if reserved != hold.hold_held_nanos:
        found = str(hold.hold_held_nanos)
        yield Difference("hold reserved", hold.hold_id, str(reserved), found)
    posted = _sum(by_kind[TransferKind.POST])
    if posted != hold.hold_cost_nanos:
        yield Difference("hold cost", hold.hold_id, str(posted), str(hold.hold_cost_nanos))
    yield from _check_ending(hold, by_kind)
    yield from _check_charge(hold, by_kind[TransferKind.POST], accounts)


def _check_ending(hold: AnyRow, by_kind: dict[str, list[AnyRow]]) -> Iterator[Difference]:
    ended = {kind for kind in RESOLUTIONS if by_kind[kind]}
    allowed = _ENDINGS.get(hold.hold_state, set())
    if not ended <= allowed:
        yield Difference("hold state", hold.hold_id, ", ".join(sorted(ended)), hold.hold_state)
    num_ended = sum(len(by_kind[kind]) for kind in RESOLUTIONS)
    expected = 0 if hold.hold_state == HoldState.OPEN else len(by_kind[TransferKind.PENDING])
    if num_ended != expected:
        found = f"{num_ended} resolutions of a hold that is {hold.hold_state}"
        yield Difference("hold resolved", hold.hold_id, f"{expected} resolutions", found)


def _check_charge(
    hold: AnyRow, posts: list[AnyRow], accounts: dict[str, _Account]
) -> Iterator[Difference]:
    """What the transfers took from either wallet is what the usage record says."""
    granted = _sum(
        [
            row
            for row in posts
            if row.debit_account_id in accounts
            and accounts[row.debit_account_id].row.kind == AccountKind.GRANTED
        ]
    )
    paid = _sum(posts) - granted
    if hold.granted_nanos is None:
        if posts:
            cost = f"a record of {granted + paid}"
            yield Difference("usage of a hold", hold.hold_id, cost, "no usage record")
    elif (hold.granted_nanos, hold.paid_nanos) != (granted, paid):
        expected = f"granted {granted}, paid {paid}"
        found = f"granted {hold.granted_nanos}, paid {hold.paid_nanos}"
        yield Difference("usage of a hold", hold.hold_id, expected, found)


def _sum(rows: list[AnyRow]) -> int:
    return sum(row.amount_nanos for row in rows)


def _check_grants(conn: Connection) -> Iterator[Difference]:
    """A grant is the sum of what was moved to its account."""
    moved = func.coalesce(func.sum(transfers.c.amount_nanos), 0)
    is_its = and_(
        transfers.c.credit_account_id == grants.c.ledger_account_id,
        transfers.c.kind == TransferKind.SINGLE.value,
    )
    query = (
        select(grants.c.id, grants.c.amount_nanos, moved)
        .join(transfers, is_its, isouter=True)
        .group_by(grants.c.id, grants.c.amount_nanos)
    )
    for grant, amount, given in _stream(conn, query):
        if given != amount:
            yield Difference("grant", grant, str(given), str(amount))


def _check_corrections(conn: Connection) -> Iterator[Difference]:
    """Each names its request in a posting of its amount, and no request was credited more than it
    was charged."""
    query = select(
        corrections.c.request_id,
        corrections.c.amount_nanos,
        transfers.c.amount_nanos,
        transfers.c.reference,
        ledger_accounts.c.user_id,
        corrections.c.user_id,
    )
    joined = query.join(transfers, transfers.c.id == corrections.c.transfer_id, isouter=True).join(
        ledger_accounts, ledger_accounts.c.id == transfers.c.credit_account_id, isouter=True
    )
    for request, amount, moved, reference, receiver, user in _stream(conn, joined):
        if (moved, reference, receiver) != (amount, request, user):
            expected, found = f"{amount} to {user}", f"{moved} to {receiver} for {reference}"
            yield Difference("correction", request, expected, found)
    charged = usage_records.c.granted_nanos + usage_records.c.paid_nanos
    credited = func.sum(corrections.c.amount_nanos)
    too_much = (
        select(usage_records.c.request_id, charged, credited)
        .join(corrections, corrections.c.request_id == usage_records.c.request_id)
        .group_by(usage_records.c.request_id, charged)
        .having(credited > charged)
    )
    for request, paid, back in conn.execute(too_much):
        yield Difference("correction", request, f"at most {paid}", str(back))


@dataclass(frozen=True, slots=True)
class _UsageSums:
    by_day: dict[tuple[Any, ...], list[int]]
    by_user: dict[tuple[str, str], int]


def _check_usage(conn: Connection, sums: _UsageSums) -> Iterator[Difference]:
    """Each record against its price; on the way the sums are built up."""
    prices = {price.id: price for price in registered_prices(conn)}
    query = select(usage_records, holds.c.id.label("hold_id")).join(
        holds, holds.c.id == usage_records.c.request_id, isouter=True
    )
    for row in _stream(conn, query):
        cost = row.granted_nanos + row.paid_nanos
        _add_usage(row, cost, sums)
        if row.hold_id is None and cost:
            yield Difference("usage hold", row.request_id, "the hold it settled", "none")
        yield from _check_rating(row, cost, prices.get(row.price_id))


def _check_rating(row: AnyRow, cost: int, price: Price | None) -> Iterator[Difference]:
    if price is None:
        yield Difference("usage price", row.request_id, "a registered price", row.price_id)
        return
    try:
        counts = TokenCounts(row.hit_tokens, row.miss_tokens, row.output_tokens)
    except ValueError as error:
        yield Difference("usage tokens", row.request_id, "counts of tokens", str(error))
        return
    rated = cost_nanos(price, counts)
    if rated != cost + row.uncollected_nanos:
        found = str(cost + row.uncollected_nanos)
        yield Difference("usage cost", row.request_id, str(rated), found)


def _add_usage(row: AnyRow, cost: int, sums: _UsageSums) -> None:
    day = number_from_day(row.created_at.astimezone(UTC).date())
    key = (day, row.user_id, row.api_key_id, row.model_asked, row.price_id, row.currency)
    values = (
        1,
        row.hit_tokens,
        row.miss_tokens,
        row.output_tokens,
        row.granted_nanos,
        row.paid_nanos,
    )
    day_sums = sums.by_day.setdefault(key, [0] * len(SUMMED))
    for index, value in enumerate(values):
        day_sums[index] += value
    user = (row.user_id, row.currency)
    sums.by_user[user] = sums.by_user.get(user, 0) + cost


def _check_days(
    conn: Connection, expected: dict[tuple[Any, ...], list[int]]
) -> Iterator[Difference]:
    unseen = dict(expected)
    columns = [*usage_daily.primary_key.columns, *(usage_daily.c[name] for name in SUMMED)]
    for row in _stream(conn, select(*columns)):
        key, found = tuple(row[:6]), list(row[6:])
        counted = unseen.pop(key, [0] * len(SUMMED))
        for name, right, wrong in zip(SUMMED, counted, found, strict=True):
            if right != wrong:
                yield Difference("daily sum", f"{_subject(key)} {name}", str(right), str(wrong))
    for key in unseen:
        yield Difference("daily sum", _subject(key), "a row", "none")


def _subject(key: tuple[Any, ...]) -> str:
    return " ".join(str(part) for part in key)


def _check_revenue(
    accounts: dict[str, _Account], used: dict[tuple[str, str], int]
) -> Iterator[Difference]:
    unseen = dict(used)
    for name, account in accounts.items():
        if account.row.kind == AccountKind.REVENUE:
            earned = account.stored[3] - account.stored[1]
            expected = unseen.pop((account.row.user_id, account.row.currency), 0)
            if earned != expected:
                yield Difference("revenue", name, f"{expected} used", f"{earned} earned")
    for (user, currency), nanos in unseen.items():
        if nanos:
            yield Difference("revenue", f"{user} {currency}", f"{nanos} used", "no account")


def _totals(
    accounts: dict[str, _Account], used: dict[tuple[str, str], int]
) -> tuple[CurrencyTotal, ...]:
    def credit(currency: Currency, *kinds: AccountKind) -> int:
        return sum(
            account.stored[3] - account.stored[1]
            for account in accounts.values()
            if account.row.kind in kinds and account.row.currency == currency
        )

    return tuple(
        CurrencyTotal(
            currency=currency,
            revenue_nanos=credit(currency, AccountKind.REVENUE),
            usage_nanos=sum(nanos for key, nanos in used.items() if key[1] == currency),
            customers_nanos=credit(currency, *CUSTOMER_KINDS),
        )
        for currency in Currency
        if any(account.row.currency == currency for account in accounts.values())
    )
