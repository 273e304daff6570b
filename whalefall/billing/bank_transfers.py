"""The money of a bank entry: credited by itself, kept in suspense, or moved on by an operator.

    arrived and clear      cash_clearing(bank) -> paid
    arrived and unclear    cash_clearing(bank) -> bank_suspense
    attributed             bank_suspense -> paid
    returned, taken back   bank_suspense -> cash_clearing(bank)
    credited, taken back   a chargeback of the top-up

Whatever an operator decides is decided once: the entry's row is locked and its state looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from whalefall.accounts.closure import is_closed
from whalefall.accounts.users import get_user
from whalefall.accounts.verification import VerificationKind, verified_identity
from whalefall.base.errors import InvalidRequestError
from whalefall.base.ids import new_id
from whalefall.billing.bank_entries import (
    CREDITED,
    NOTE_LENGTH_MAX,
    BankEntry,
    EntryState,
    change_entry,
    lock_entry,
)
from whalefall.billing.bank_statements.entry import Direction
from whalefall.billing.chargebacks import ChargebackKind, Reversal, charge_back
from whalefall.billing.top_ups import Deposit, TopUpSource, record_top_up
from whalefall.billing.transfers import (
    AccountKind,
    Transfer,
    TransferKind,
    check_note,
    move_once,
    open_account,
)
from whalefall.billing.virtual_accounts import NOT_AN_ENTERPRISE

DECIDED_ALREADY = "This entry does not wait any more."
NEEDS_REASON = "Give a reason of 1 to 200 characters."
NOT_A_CREDIT = "This entry brought no money."
NOT_TAKEN_BACK = "Only an entry with which the bank takes a payment back can be settled."
OTHER_CURRENCY = "The account pays in another currency. Return the money."
IS_CLOSED = "The account is closed. Return the money."
DIFFERENT_PAYMENT = "The payment taken back has another amount or currency."


@dataclass(frozen=True, slots=True)
class Decision:
    entry_id: str
    reason: str
    decided_by: str
    now: datetime


def suspend_entry(conn: Connection, entry: BankEntry) -> None:
    """Money that arrived waits for an operator."""
    _move(conn, entry, _ARRIVED, entry.created_at)


def credit_entry(
    conn: Connection, entry: BankEntry, user_id: str, state: EntryState, now: datetime
) -> BankEntry:
    """The one way from a bank entry to a customer's balance. The entry's id is the key: whatever
    happens, it is credited once."""
    assert state in CREDITED
    is_new = state is EntryState.MATCHED
    top_up = record_top_up(
        conn,
        Deposit(
            user_id=user_id,
            currency=entry.currency,
            amount_nanos=entry.amount_nanos,
            idempotency_key=entry.id,
            reference=f"{entry.payer_name} {entry.reference}".strip()[:NOTE_LENGTH_MAX],
            now=now,
            source=TopUpSource.BANK,
            provider_reference=entry.id,
            taken_from=AccountKind.CASH_CLEARING if is_new else AccountKind.BANK_SUSPENSE,
        ),
    )
    return change_entry(conn, entry.id, state=state.value, user_id=user_id, top_up_id=top_up.id)


def attribute_entry(conn: Connection, decision: Decision, user_id: str) -> BankEntry:
    """Credit a waiting payment to a verified enterprise. InvalidRequestError when it does not
    wait, or is not one this customer can be given."""
    entry = _locked_credit(conn, decision)
    user = get_user(conn, user_id)
    if is_closed(user):
        raise InvalidRequestError(IS_CLOSED)
    identity = verified_identity(conn, user.id)
    if identity is None or identity.kind is not VerificationKind.ENTERPRISE:
        raise InvalidRequestError(NOT_AN_ENTERPRISE)
    if user.currency is not entry.currency:
        raise InvalidRequestError(OTHER_CURRENCY)
    credit_entry(conn, entry, user.id, EntryState.ATTRIBUTED, decision.now)
    return _decided(conn, decision, EntryState.ATTRIBUTED)


def return_entry(conn: Connection, decision: Decision) -> BankEntry:
    """A waiting payment goes back to whoever made it; that the bank sends it is not done here."""
    entry = _locked_credit(conn, decision)
    _move(conn, entry, _RETURNED, decision.now)
    return _decided(conn, decision, EntryState.RETURNED)


def leave_entry(conn: Connection, decision: Decision) -> BankEntry:
    """It goes on waiting, with a note."""
    entry = _locked(conn, decision)
    return _decided(conn, decision, entry.state)


def settle_reversal(conn: Connection, decision: Decision, payment_id: str) -> BankEntry:
    """The bank took a payment back: one that still waits, and nobody is owed it any more, or one
    that was credited, and its top-up is charged back. With an empty `payment_id` the entry is
    closed without moving anything, for what was settled elsewhere."""
    entry = _locked(conn, decision)
    if entry.direction is not Direction.DEBIT:
        raise InvalidRequestError(NOT_TAKEN_BACK)
    if payment_id:
        _take_back(conn, decision, entry, lock_entry(conn, payment_id))
    return _decided(conn, decision, EntryState.OUTGOING)


def _take_back(conn: Connection, decision: Decision, entry: BankEntry, payment: BankEntry) -> None:
    if (payment.currency, payment.amount_nanos) != (entry.currency, entry.amount_nanos):
        raise InvalidRequestError(DIFFERENT_PAYMENT)
    if payment.top_up_id is None:
        _check_waiting_credit(payment)
        _move(conn, payment, _RETURNED, decision.now)
        _decided(conn, decision, EntryState.RETURNED, payment.id)
        return
    reversal = Reversal(
        top_up_id=payment.top_up_id,
        kind=ChargebackKind.UNASKED_REFUND,
        event_id=entry.id,
        currency=entry.currency,
        amount_nanos=entry.amount_nanos,
        now=decision.now,
    )
    charge_back(conn, reversal)


def _locked(conn: Connection, decision: Decision) -> BankEntry:
    if not decision.reason.strip():
        raise InvalidRequestError(NEEDS_REASON)
    check_note("reason", decision.reason, NOTE_LENGTH_MAX)
    entry = lock_entry(conn, decision.entry_id)
    if entry.state is not EntryState.WAITING:
        raise InvalidRequestError(DECIDED_ALREADY)
    return entry


def _locked_credit(conn: Connection, decision: Decision) -> BankEntry:
    entry = _locked(conn, decision)
    _check_waiting_credit(entry)
    return entry


def _check_waiting_credit(entry: BankEntry) -> None:
    if entry.state is not EntryState.WAITING:
        raise InvalidRequestError(DECIDED_ALREADY)
    if entry.direction is not Direction.CREDIT:
        raise InvalidRequestError(NOT_A_CREDIT)


def _decided(
    conn: Connection, decision: Decision, state: EntryState, entry_id: str | None = None
) -> BankEntry:
    return change_entry(
        conn,
        entry_id or decision.entry_id,
        state=state.value,
        note=decision.reason,
        decided_by=decision.decided_by,
        decided_at=decision.now,
    )


_Way = tuple[str, AccountKind, AccountKind]
_ARRIVED: _Way = ("arrived", AccountKind.CASH_CLEARING, AccountKind.BANK_SUSPENSE)
_RETURNED: _Way = ("returned", AccountKind.BANK_SUSPENSE, AccountKind.CASH_CLEARING)


def _move(conn: Connection, entry: BankEntry, way: _Way, now: datetime) -> None:
    what, *kinds = way
    debit, credit = (
        open_account(conn, kind, entry.currency, now, owner=TopUpSource.BANK.owner)
        for kind in kinds
    )
    move_once(
        conn,
        Transfer(
            id=new_id("tr"),
            kind=TransferKind.SINGLE,
            debit_account_id=debit,
            credit_account_id=credit,
            currency=entry.currency,
            amount_nanos=entry.amount_nanos,
            idempotency_key=f"bank:{what}:{entry.id}",
            reason=f"bank transfer {what}",
            created_at=now,
            reference=entry.id,
        ),
    )
