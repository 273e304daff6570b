"""What providers tell about money that went back: once, and only what fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.bank import Bank
from tests.support.counterpart import paid_online
from whalefall.accounts.users import User, get_user
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.money import Currency
from whalefall.billing.chargebacks import ChargebackKind, ChargebackState, list_chargebacks
from whalefall.billing.payment_events import take_event
from whalefall.billing.payments.base import EventKind, ProviderEvent
from whalefall.billing.provider_events import EventState
from whalefall.billing.refunds import Refund, RefundRequest, RefundState, ask_refund, get_refund
from whalefall.billing.return_events import APPLIERS
from whalefall.billing.top_ups import TopUp

FEN = 10_000_000


def paid(bank: Bank) -> tuple[User, TopUp]:
    user = bank.user()
    return user, paid_online(bank, user, 100 * FEN)


def asked(bank: Bank, user: User, nanos: int = 40 * FEN) -> Refund:
    request = RefundRequest(user.id, bank.currency, nanos, f"key {nanos}", bank.now)
    return bank.database.run(ask_refund, request)[0]


def event(kind: EventKind, top_up: TopUp, nanos: int, refund_id: str = "") -> ProviderEvent:
    return ProviderEvent(
        source=top_up.source,
        event_id=f"evt {kind} {nanos}",
        kind=kind,
        top_up_id=top_up.id,
        provider_reference=top_up.provider_reference,
        currency=top_up.currency,
        amount_nanos=nanos,
        refund_id=refund_id,
    )


def tell(bank: Bank, told: ProviderEvent) -> None:
    bank.database.run(APPLIERS[told.kind], told, bank.now)


@pytest.mark.parametrize("amount", [40 * FEN, 0])
def test_a_refund_of_ours_is_confirmed_once(bank: Bank, amount: int) -> None:
    user, top_up = paid(bank)
    refund = asked(bank, user)
    told = event(EventKind.REFUNDED, top_up, amount, refund.id)
    for _ in range(3):
        tell(bank, replace(told, currency=None if amount == 0 else told.currency))
    assert bank.database.run(get_refund, refund.id).state is RefundState.DONE
    assert bank.balance(user).topped_up_nanos == 60 * FEN
    assert bank.database.run(list_chargebacks) == []
    assert bank.verify().differences == ()


def test_a_refund_that_failed_returns_before_and_after_it_was_called_done(bank: Bank) -> None:
    user, top_up = paid(bank)
    for nanos, was_done in ((40 * FEN, False), (50 * FEN, True)):
        refund = asked(bank, user, nanos)
        if was_done:
            tell(bank, event(EventKind.REFUNDED, top_up, nanos, refund.id))
        for _ in range(2):
            tell(bank, event(EventKind.REFUND_FAILED, top_up, nanos, refund.id))
        assert bank.database.run(get_refund, refund.id).state is RefundState.FAILED
        assert bank.balance(user).topped_up_nanos == 100 * FEN
        assert bank.verify().differences == ()


def test_a_refund_made_elsewhere_is_booked_without_suspending_anybody(bank: Bank) -> None:
    user, top_up = paid(bank)
    for _ in range(2):
        tell(bank, event(EventKind.REFUNDED, top_up, 30 * FEN))
    (made,) = bank.database.run(list_chargebacks)
    assert (made.kind, made.taken_nanos) == (ChargebackKind.UNASKED_REFUND, 30 * FEN)
    assert not bank.database.run(get_user, user.id).is_suspended
    assert bank.balance(user).topped_up_nanos == 70 * FEN
    assert bank.verify().differences == ()


@pytest.mark.parametrize("returned", [70 * FEN, 0])
def test_a_dispute_and_its_return(bank: Bank, returned: int) -> None:
    user, top_up = paid(bank)
    tell(bank, event(EventKind.CHARGED_BACK, top_up, 70 * FEN))
    assert bank.balance(user).topped_up_nanos == 30 * FEN
    tell(bank, event(EventKind.CHARGEBACK_RETURNED, top_up, returned))
    (made,) = bank.database.run(list_chargebacks)
    assert made.state is ChargebackState.WON
    assert bank.balance(user).topped_up_nanos == 100 * FEN
    assert bank.verify().differences == ()
    with pytest.raises(NotFoundError):
        tell(bank, event(EventKind.CHARGEBACK_RETURNED, top_up, returned))


def test_a_dispute_may_be_told_after_it_was_won(bank: Bank) -> None:
    user, top_up = paid(bank)
    won = event(EventKind.CHARGEBACK_RETURNED, top_up, 70 * FEN)
    lost = event(EventKind.CHARGED_BACK, top_up, 70 * FEN)
    states = [
        bank.database.run(take_event, told, b"{}", APPLIERS, bank.now).state
        for told in (won, lost, won, lost)
    ]
    applied = EventState.APPLIED
    assert states == [EventState.WAITING, applied, applied, applied]
    (made,) = bank.database.run(list_chargebacks)
    assert made.state is ChargebackState.WON
    assert bank.balance(user).topped_up_nanos == 100 * FEN
    assert bank.verify().differences == ()


def test_what_does_not_fit_moves_nothing(bank: Bank) -> None:
    user, top_up = paid(bank)
    other, foreign = paid(bank)
    refund = asked(bank, user)
    for told in (
        event(EventKind.REFUNDED, top_up, 41 * FEN, refund.id),
        event(EventKind.REFUNDED, foreign, 40 * FEN, refund.id),
        replace(event(EventKind.REFUNDED, top_up, 40 * FEN, refund.id), currency=Currency.USD),
        event(EventKind.REFUND_FAILED, foreign, 40 * FEN, refund.id),
        event(EventKind.REFUND_FAILED, top_up, 40 * FEN, "refund_none"),
        event(EventKind.REFUNDED, top_up, 0),
        event(EventKind.CHARGED_BACK, top_up, 0),
        event(EventKind.CHARGED_BACK, top_up, 101 * FEN),
        replace(event(EventKind.CHARGED_BACK, top_up, FEN), currency=Currency.USD),
    ):
        with pytest.raises(InvalidRequestError):
            tell(bank, told)
    assert bank.database.run(get_refund, refund.id).is_open
    assert bank.balance(user).topped_up_nanos == 60 * FEN
    assert bank.balance(other).topped_up_nanos == 100 * FEN
    assert bank.verify().differences == ()
