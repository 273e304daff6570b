from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tests.support.bank import NANO_PRICE, Bank
from tests.support.fake_clock import FakeClock
from whalefall.base.errors import ServerError
from whalefall.billing.ledger import void_hold
from whalefall.billing.price_versions import register_prices, registered_prices
from whalefall.billing.pricing import PRICE_RULE, TokenCounts
from whalefall.billing.usage import charge, usage_records_of, usage_rows


def test_a_finished_request_is_charged_and_recorded_together(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    key = bank.api_key(user)
    bank.grant(user, 30)
    held = bank.hold(user, 500)
    usage = replace(bank.usage(held, key, 0), counts=TokenCounts(hit=640, miss=20, output=10))
    settlement = bank.database.run(charge, usage, bank.now)
    assert (settlement.granted_nanos, settlement.paid_nanos) == (30, 74)
    record = bank.database.run(usage_records_of, user.id)[0]
    assert record.request_id == held.hold_id
    assert (record.hit_tokens, record.miss_tokens, record.output_tokens) == (640, 20, 10)
    assert (record.granted_nanos, record.paid_nanos, record.uncollected_nanos) == (30, 74, 0)
    assert (record.price_id, record.price_rule) == (NANO_PRICE.id, PRICE_RULE)
    assert (record.model_asked, record.model_billed) == ("test", "test")
    assert record.created_at == bank.now
    assert bank.verify().is_consistent


def test_charging_again_changes_nothing(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    key = bank.api_key(user)
    held = bank.hold(user, 500)
    first = bank.charge(held, key, 100)
    again = bank.charge(held, key, 333)
    assert (again.cost_nanos, again.is_repeat) == (first.cost_nanos, True)
    assert [record.cost_nanos for record in bank.database.run(usage_records_of, user.id)] == [100]
    assert bank.balance(user).topped_up_nanos == 900
    assert bank.verify().is_consistent


def test_a_charge_after_the_hold_is_gone_is_recorded_as_uncollected(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    key = bank.api_key(user)
    held = bank.hold(user, 500)
    bank.database.run(void_hold, held.hold_id, bank.now)
    assert bank.charge(held, key, 100).cost_nanos == 0
    record = bank.database.run(usage_records_of, user.id)[0]
    assert (record.cost_nanos, record.uncollected_nanos) == (0, 100)
    assert bank.verify().is_consistent


def test_usage_of_someone_else_is_not_charged_to_a_hold(bank: Bank) -> None:
    user, other = bank.user(topped_up=1000), bank.user(topped_up=1000)
    held = bank.hold(user, 500)
    usage = replace(bank.usage(held, bank.api_key(other), 100), user_id=other.id)
    with pytest.raises(AssertionError, match="not made for this usage"):
        bank.database.run(charge, usage, bank.now)
    assert bank.balance(user).held_nanos == 500
    assert bank.verify().is_consistent


def test_days_add_up_by_key_and_model_in_utc(bank: Bank) -> None:
    user, other = bank.user(topped_up=1000), bank.user(topped_up=1000)
    key, second = bank.api_key(user), bank.api_key(user)
    late = FakeClock(datetime(2026, 1, 15, 23, 59, 59, tzinfo=UTC))
    bank.clock = late
    bank.charge(bank.hold(user, 10), key, 1)
    bank.charge(bank.hold(user, 10), key, 2)
    bank.charge(bank.hold(user, 10), second, 4)
    bank.charge(bank.hold(other, 10), bank.api_key(other), 8)
    late.advance(1)
    bank.charge(bank.hold(user, 10), key, 5)
    first, last = date(2026, 1, 15), date(2026, 1, 16)
    rows = bank.database.run_read(lambda conn: list(usage_rows(conn, first, last)))
    own = [row for row in rows if row.user_id == user.id]
    found = {(row.day, row.api_key_id): (row.num_requests, row.paid_nanos) for row in own}
    assert found == {(first, key.id): (2, 3), (first, second.id): (1, 4), (last, key.id): (1, 5)}
    assert len(rows) == 4
    assert {row.masked_key for row in own} == {key.masked, second.masked}
    assert {row.miss_micros for row in rows} == {NANO_PRICE.miss_micros}
    only = bank.database.run_read(lambda conn: list(usage_rows(conn, last, last, user_id=other.id)))
    assert only == []


def test_records_come_newest_first_and_a_page_at_a_time(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    key = bank.api_key(user)
    for cost in (1, 2, 3):
        bank.charge(bank.hold(user, 10), key, cost)
        bank.clock.advance(1)
    page = bank.database.run(usage_records_of, user.id, limit=2)
    assert [record.cost_nanos for record in page] == [3, 2]
    rest = bank.database.run(usage_records_of, user.id, before=page[-1].created_at)
    assert [record.cost_nanos for record in rest] == [1]


def test_a_price_id_never_changes_its_meaning(bank: Bank) -> None:
    bank.database.run(register_prices, [NANO_PRICE])
    assert bank.database.run(registered_prices) == [NANO_PRICE]
    with pytest.raises(ServerError, match="nano/test/CNY"):
        bank.database.run(register_prices, [replace(NANO_PRICE, miss_micros=999)])
    assert bank.database.run(registered_prices) == [NANO_PRICE]
