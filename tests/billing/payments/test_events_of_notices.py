"""From notices as Alipay and WeChat Pay sign them to the books: once, and only what fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.billing.payments.conftest import FEN, alipay_account, wechatpay_account
from tests.support.bank import Bank
from tests.support.fake_clock import FakeClock
from tests.support.provider_notices import (
    Keys,
    alipay_body,
    alipay_fields,
    wechatpay_body,
    wechatpay_content,
    wechatpay_headers,
    wechatpay_resource,
)
from whalefall.accounts.users import User
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.billing.payment_events import take_event
from whalefall.billing.payments.alipay import Alipay
from whalefall.billing.payments.base import EventKind, ProviderEvent
from whalefall.billing.payments.wechatpay import WechatPay
from whalefall.billing.provider_events import EventState, NotedEvent
from whalefall.billing.return_events import APPLIERS
from whalefall.billing.top_ups import TopUp, TopUpRequest, TopUpSource, open_top_up
from whalefall.sandbox.alipay import AlipayParty
from whalefall.sandbox.merchants import AlipayMerchant, WechatPayMerchant
from whalefall.sandbox.wechatpay import WechatPayParty

NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)


@dataclass
class AlipayTeller:
    """Writes signed notices of Alipay and has the adapter read them."""

    party: AlipayParty
    adapter: Alipay
    source = TopUpSource.ALIPAY

    def paid(
        self, order: TopUp, fen: int, payment: int = 1, currency: str = "CNY"
    ) -> ProviderEvent:
        return self._read(
            order,
            trade_no=f"20261127220014730310000000{payment:04}",
            total_amount=f"{fen // 100}.{fen % 100:02}",
            trans_currency=currency,
        )

    def refunded(self, order: TopUp, fen: int, refund_id: str) -> ProviderEvent:
        return self._read(
            order,
            trade_no="202611272200147303100000000001",
            gmt_refund="2026-11-27 11:59:00",
            refund_fee=f"{fen // 100}.{fen % 100:02}",
            out_biz_no=refund_id,
        )

    def _read(self, order: TopUp, **changes: str) -> ProviderEvent:
        number = order.id.removeprefix("topup_")
        fields = alipay_fields(self.party.app_id, self.party.seller_id, number, NOW) | changes
        return self.adapter.read_notice({}, alipay_body(fields, self.party.alipay_private_key))


@dataclass
class WechatPayTeller:
    """Writes signed and encrypted notices of WeChat Pay and has the adapter read them."""

    party: WechatPayParty
    adapter: WechatPay
    source = TopUpSource.WECHATPAY

    def paid(
        self, order: TopUp, fen: int, payment: int = 1, currency: str = "CNY"
    ) -> ProviderEvent:
        number = order.id.removeprefix("topup_")
        content = wechatpay_content(self.party.app_id, self.party.merchant_id, number)
        content["transaction_id"] = self._transaction(payment)
        content["amount"] = {"total": fen, "currency": currency}
        return self._read(content, "transaction", "TRANSACTION.SUCCESS")

    def refunded(self, order: TopUp, fen: int, refund_id: str) -> ProviderEvent:
        content = {
            "mchid": self.party.merchant_id,
            "out_trade_no": order.id.removeprefix("topup_"),
            "transaction_id": self._transaction(1),
            "out_refund_no": refund_id,
            "refund_id": "50300000000000000000000000000001",
            "refund_status": "SUCCESS",
            "amount": {"total": 8880, "refund": fen, "payer_total": 8880, "payer_refund": fen},
        }
        return self._read(content, "refund", "REFUND.SUCCESS")

    def _transaction(self, payment: int) -> str:
        return f"420000202611270000000000{payment:04}"

    def _read(self, content: dict[str, Any], kind: str, event_type: str) -> ProviderEvent:
        party = self.party
        keys = Keys(party.platform_private_key, party.public_key_id, party.api_v3_key)
        body = wechatpay_body(wechatpay_resource(content, keys, kind), event_type)
        return self.adapter.read_notice(wechatpay_headers(body, keys, NOW), body)


Teller = AlipayTeller | WechatPayTeller


@pytest.fixture(params=["alipay", "wechatpay"])
def teller(
    request: pytest.FixtureRequest,
    alipay_halves: tuple[AlipayParty, AlipayMerchant],
    wechatpay_halves: tuple[WechatPayParty, WechatPayMerchant],
) -> Teller:
    if request.param == "alipay":
        adapter = Alipay(alipay_account(alipay_halves[1]), FakeClock(NOW))
        return AlipayTeller(alipay_halves[0], adapter)
    account = wechatpay_account(wechatpay_halves[1])
    return WechatPayTeller(wechatpay_halves[0], WechatPay(account, FakeClock(NOW)))


def order(bank: Bank, user: User, source: TopUpSource, fen: int = 8880) -> TopUp:
    key = new_id("key")
    expires_at = bank.now + timedelta(hours=1)
    return bank.database.run(
        open_top_up,
        TopUpRequest(user.id, source, Currency.CNY, fen * FEN, key, bank.now, expires_at),
    )


def take(bank: Bank, event: ProviderEvent) -> NotedEvent:
    return bank.database.run(take_event, event, b"body", APPLIERS, bank.now)


def test_payment_told_again_and_again_is_credited_once(bank: Bank, teller: Teller) -> None:
    user = bank.user()
    opened = order(bank, user, teller.source)
    for _ in range(3):
        assert take(bank, teller.paid(opened, 8880)).state is EventState.APPLIED
    assert bank.balance(user).topped_up_nanos == 8880 * FEN
    assert bank.verify().differences == ()


@pytest.mark.parametrize(
    ("fen", "currency"), [(1, "CNY"), (8879, "CNY"), (8881, "CNY"), (888_000, "CNY"), (8880, "USD")]
)
def test_wrong_amount_or_currency_is_kept_for_the_operator_and_credits_nothing(
    bank: Bank, teller: Teller, fen: int, currency: str
) -> None:
    user = bank.user()
    noted = take(bank, teller.paid(order(bank, user, teller.source), fen, currency=currency))
    assert noted.state is EventState.REFUSED
    assert noted.problem
    assert bank.balance(user).topped_up_nanos == 0
    assert bank.verify().differences == ()


def test_one_payment_pays_one_order_whoever_owns_the_others(bank: Bank, teller: Teller) -> None:
    ann, bob = bank.user(), bank.user()
    hers, his = order(bank, ann, teller.source), order(bank, bob, teller.source)
    assert take(bank, teller.paid(hers, 8880)).state is EventState.APPLIED
    assert take(bank, teller.paid(his, 8880)).event.top_up_id == hers.id, "known, and not his"
    assert take(bank, teller.paid(hers, 8880, payment=2)).state is EventState.REFUSED
    assert bank.balance(ann).topped_up_nanos == 8880 * FEN
    assert bank.balance(bob).topped_up_nanos == 0
    assert bank.verify().differences == ()


def test_order_of_another_provider_and_an_unknown_order_are_not_paid(
    bank: Bank, teller: Teller
) -> None:
    user = bank.user()
    assert (
        take(bank, teller.paid(order(bank, user, TopUpSource.STRIPE), 8880)).state
        is EventState.REFUSED
    )
    nowhere = replace(order(bank, user, teller.source), id="topup_" + "0" * 32)
    assert take(bank, teller.paid(nowhere, 8880, payment=2)).state is EventState.REFUSED
    assert bank.balance(user).topped_up_nanos == 0


def test_refund_told_before_the_payment_waits_for_it(bank: Bank, teller: Teller) -> None:
    """One that nobody here asked for: WeChat Pay says how much it was, Alipay only the sum of all
    refunds, so that somebody has to look."""
    user = bank.user()
    opened = order(bank, user, teller.source)
    early = teller.refunded(opened, 8880, "refund_unknown")
    assert early.kind is EventKind.REFUNDED
    assert take(bank, early).state is EventState.WAITING
    assert bank.balance(user).topped_up_nanos == 0
    assert take(bank, teller.paid(opened, 8880)).state is EventState.APPLIED
    after = take(bank, early)
    is_told = teller.source is TopUpSource.WECHATPAY
    assert after.state is (EventState.APPLIED if is_told else EventState.REFUSED)
    assert bank.balance(user).topped_up_nanos == (0 if is_told else 8880 * FEN)
    assert bank.verify().differences == ()
