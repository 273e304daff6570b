"""The part of the proof that is about money given and taken back: refunds, chargebacks and codes
against their transfers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, func, select

from whalefall.base.money import Currency
from whalefall.billing.chargebacks import (
    CHARGEBACK_REASON,
    RETURNED_REASON,
    ChargebackState,
    chargebacks,
)
from whalefall.billing.code_batches import code_batches, code_uses, redemption_codes
from whalefall.billing.differences import Difference
from whalefall.billing.grants import grants
from whalefall.billing.refunds import (
    OPEN_STATES,
    REFUND_REASON,
    REFUND_RETURNED_REASON,
    RefundState,
    open_refund_sums,
    refunds,
)
from whalefall.billing.top_ups import TopUpSource, top_ups
from whalefall.billing.transfers import (
    AccountKind,
    TransferKind,
    account_id,
    ledger_accounts,
    transfers,
)

Nets = dict[str, dict[str, int]]
"""By what they belong to: account -> credits less debits, zeros left out."""


def check_refunds(conn: Connection) -> Iterator[Difference]:
    """Every refund and chargeback moved what its state says between the accounts it says, and
    nothing else did; top-ups count them; what is owed to customers is the sum of open refunds."""
    nets = _nets(conn, (REFUND_REASON, REFUND_RETURNED_REASON))
    for row in conn.execute(select(refunds), execution_options={"yield_per": 1000}):
        yield from _compared("refund", row.id, _refund_net(row), nets.pop(row.id, {}))
    yield from _strays("refund", nets)
    nets = _nets(conn, (CHARGEBACK_REASON, RETURNED_REASON))
    for row in conn.execute(select(chargebacks), execution_options={"yield_per": 1000}):
        yield from _compared("chargeback", row.id, _chargeback_net(row), nets.pop(row.id, {}))
    yield from _strays("chargeback", nets)
    is_counted = refunds.c.state != RefundState.FAILED.value
    refunded = _sums(conn, refunds.c.top_up_id, refunds.c.amount_nanos, is_counted)
    is_counted = chargebacks.c.state != ChargebackState.WON.value
    charged = _sums(conn, chargebacks.c.top_up_id, chargebacks.c.amount_nanos, is_counted)
    columns = (top_ups.c.id, top_ups.c.refunded_nanos, top_ups.c.charged_back_nanos)
    for top_up, refunded_nanos, charged_nanos in conn.execute(select(*columns)):
        expected = (refunded.get(top_up, 0), charged.get(top_up, 0))
        if expected != (refunded_nanos, charged_nanos):
            found = f"{refunded_nanos} refunded, {charged_nanos} charged back"
            told = f"{expected[0]} refunded, {expected[1]} charged back"
            yield Difference("returned of a top-up", top_up, told, found)
    yield from _check_payable(conn)


def check_codes(conn: Connection) -> Iterator[Difference]:
    """Every use of a code is a grant of its batch's amount to its user, and is counted once."""
    query = (
        select(
            code_uses.c.code_id,
            code_uses.c.user_id,
            redemption_codes.c.batch_id == code_uses.c.batch_id,
            code_batches.c.amount_nanos,
            code_batches.c.currency,
            grants.c.user_id,
            grants.c.amount_nanos,
            grants.c.currency,
            grants.c.idempotency_key,
        )
        .join(redemption_codes, redemption_codes.c.id == code_uses.c.code_id)
        .join(code_batches, code_batches.c.id == code_uses.c.batch_id)
        .join(grants, grants.c.id == code_uses.c.grant_id)
    )
    for code, user, is_its, amount, currency, *given in conn.execute(query):
        promised = [user, amount, currency, f"code:{code}:{user}"]
        if not is_its or given != promised:
            yield Difference("code", code, str(promised), str(given))
    used = _sums(conn, code_uses.c.code_id, None, code_uses.c.code_id.is_not(None))
    columns = (redemption_codes.c.id, redemption_codes.c.num_uses)
    for code, num_uses in conn.execute(select(*columns)):
        if used.get(code, 0) != num_uses:
            yield Difference("code", code, f"{used.get(code, 0)} uses", f"{num_uses} uses")
    yield from _uncounted_grants(conn)


def _uncounted_grants(conn: Connection) -> Iterator[Difference]:
    """Grants that say they are a code's and that no use names."""
    query = (
        select(grants.c.id)
        .join(code_uses, code_uses.c.grant_id == grants.c.id, isouter=True)
        .where(grants.c.idempotency_key.startswith("code:"), code_uses.c.code_id.is_(None))
    )
    for grant in conn.execute(query).scalars():
        yield Difference("code", grant, "a use of a code", "none")


def _nets(conn: Connection, reasons: tuple[str, ...]) -> Nets:
    nets: Nets = {}
    query = select(transfers).where(
        transfers.c.reason.in_(reasons), transfers.c.kind == TransferKind.SINGLE.value
    )
    for row in conn.execute(query, execution_options={"yield_per": 1000}):
        net = nets.setdefault(row.reference, {})
        net[row.debit_account_id] = net.get(row.debit_account_id, 0) - row.amount_nanos
        net[row.credit_account_id] = net.get(row.credit_account_id, 0) + row.amount_nanos
    return nets


def _refund_net(row: Any) -> dict[str, int]:  # noqa: ANN401 - a row
    currency, owner = Currency(row.currency), TopUpSource(row.source).owner
    paid = account_id(AccountKind.PAID, currency, row.user_id)
    is_open = row.state in OPEN_STATES
    kind = AccountKind.REFUNDS_PAYABLE if is_open else AccountKind.CASH_CLEARING
    if row.state == RefundState.FAILED:
        return {}
    return {paid: -row.amount_nanos, account_id(kind, currency, owner): row.amount_nanos}


def _chargeback_net(row: Any) -> dict[str, int]:  # noqa: ANN401 - a row
    if row.state == ChargebackState.WON:
        return {}
    currency, owner = Currency(row.currency), TopUpSource(row.source).owner
    return {
        account_id(AccountKind.PAID, currency, row.user_id): -row.taken_nanos,
        account_id(AccountKind.CHARGEBACK_LOSS, currency, owner): row.taken_nanos
        - row.amount_nanos,
        account_id(AccountKind.CASH_CLEARING, currency, owner): row.amount_nanos,
    }


def _compared(
    check: str, subject: str, expected: dict[str, int], found: dict[str, int]
) -> Iterator[Difference]:
    wanted = {name: nanos for name, nanos in sorted(expected.items()) if nanos}
    moved = {name: nanos for name, nanos in sorted(found.items()) if nanos}
    if wanted != moved:
        yield Difference(check, subject, str(wanted), str(moved))


def _strays(check: str, nets: Nets) -> Iterator[Difference]:
    for reference, net in nets.items():
        yield Difference(check, reference or "none", f"a {check} for what moved", str(net))


def _sums(
    conn: Connection,
    key: Column[str],
    nanos: Column[int] | None,
    where: Any,  # noqa: ANN401
) -> dict[str, int]:
    total = func.count() if nanos is None else func.sum(nanos)
    rows = conn.execute(select(key, total).where(where).group_by(key))
    return {name: int(value) for name, value in rows}


def _check_payable(conn: Connection) -> Iterator[Difference]:
    owed = {
        account_id(AccountKind.REFUNDS_PAYABLE, currency, owner): nanos
        for (owner, currency), nanos in open_refund_sums(conn).items()
    }
    left = ledger_accounts.c.credits_posted - ledger_accounts.c.debits_posted
    is_payable = ledger_accounts.c.kind == AccountKind.REFUNDS_PAYABLE.value
    for name, nanos in conn.execute(select(ledger_accounts.c.id, left).where(is_payable)):
        expected = owed.pop(name, 0)
        if nanos != expected:
            yield Difference("refunds payable", name, str(expected), str(nanos))
    for name, nanos in owed.items():
        yield Difference("refunds payable", name, str(nanos), "no account")
