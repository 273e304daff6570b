"""Rating the past again: who paid too much is credited once, and each posting names its request."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.support.bank import Bank
from whalefall.accounts.api_keys import APIKey
from whalefall.accounts.closure import close_account
from whalefall.accounts.users import User
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError
from whalefall.base.money import Currency
from whalefall.billing.grants import list_grants
from whalefall.billing.price_book import ListedPrice, PriceBook
from whalefall.billing.price_versions import register_prices
from whalefall.billing.pricing import Price, TokenCounts, cost_nanos
from whalefall.billing.rerating import (
    Proposal,
    RatingRange,
    RatingRule,
    Run,
    apply_corrections,
    batches,
    corrections,
    list_corrections,
    propose,
)
from whalefall.billing.transfers import transfers
from whalefall.billing.usage import Usage, charge

LIST_PRICE = Price("list/test/CNY", "test", Currency.CNY, 100, 1000, 2000)
CHEAPER = Price("promo/test/CNY", "test", Currency.CNY, 50, 500, 2000)
DEARER = Price("dear/test/CNY", "test", Currency.CNY, 100, 3000, 9000)
START = datetime(2026, 1, 1, tzinfo=UTC)
JANUARY = RatingRange(date(2026, 1, 1), date(2026, 1, 31))
PLAIN = RatingRule()


def listed(price: Price, first: datetime = START, last: datetime | None = None) -> ListedPrice:
    return ListedPrice(price, first, last, None, "", 0)


BOOK = PriceBook([listed(LIST_PRICE)])
PROMOTED = PriceBook(
    [listed(LIST_PRICE), ListedPrice(CHEAPER, START, START + timedelta(days=20), None, "", 1)]
)


class Past:
    """A bank with a customer, and requests charged at the list price."""

    def __init__(self, database: Database) -> None:
        self.bank = Bank(database)
        self.database = database
        database.run(register_prices, [LIST_PRICE, CHEAPER, DEARER])
        self.user = self.bank.user(topped_up=10**9)
        self.key = self.bank.api_key(self.user)

    def use(
        self, counts: TokenCounts, user: User | None = None, key: APIKey | None = None
    ) -> tuple[str, int]:
        """One charged request: its id and cost."""
        user, key = user or self.user, key or self.key
        held = self.bank.hold(user, 10_000_000)
        now = self.bank.now
        usage = Usage(held.hold_id, user.id, key.id, "test", LIST_PRICE, counts, now)
        cost = self.database.run(charge, usage, now).cost_nanos
        self.bank.clock.advance(60)
        return held.hold_id, cost

    def propose(
        self, book: PriceBook, rule: RatingRule = PLAIN, span: RatingRange = JANUARY
    ) -> Proposal:
        return self.database.run_read(propose, book, span, rule)

    def apply(self, proposal: Proposal, run_id: str = "run_1") -> int:
        run = Run(run_id, "a promotion came late", self.bank.now, None)
        return sum(
            self.database.run(apply_corrections, run, batch)
            for batch in batches(proposal.corrections)
        )


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database)


def test_by_the_rule_they_were_charged_by_nothing_is_found(past: Past) -> None:
    for index in range(5):
        past.use(TokenCounts(64 * index, 1000 + index, 333))
    proposal = past.propose(BOOK)
    assert (proposal.num_requests, proposal.corrections, proposal.num_dearer) == (5, (), 0)


def test_a_dry_run_changes_nothing_and_equals_what_is_given(past: Past) -> None:
    counts = TokenCounts(640, 1001, 333)
    request, cost = past.use(counts)
    before = past.bank.balance(past.user)
    proposal = past.propose(PROMOTED)
    assert past.bank.balance(past.user) == before
    (found,) = proposal.corrections
    expected = cost - cost_nanos(CHEAPER, counts)
    assert (found.request_id, found.credit_nanos, found.price_id) == (request, expected, CHEAPER.id)
    assert past.apply(proposal) == expected
    after = past.bank.balance(past.user)
    assert after.granted_nanos - before.granted_nanos == expected
    assert after.topped_up_nanos == before.topped_up_nanos
    assert past.bank.verify().is_consistent


def test_every_posting_names_its_request(past: Past) -> None:
    made = dict(past.use(TokenCounts(0, 100 + index, 10)) for index in range(7))
    past.apply(past.propose(PROMOTED))
    rows = past.database.run_read(
        lambda conn: conn.execute(
            select(transfers.c.reference, transfers.c.amount_nanos)
            .join(corrections, corrections.c.transfer_id == transfers.c.id)
            .where(transfers.c.reason == "correction")
        ).all()
    )
    assert {row[0] for row in rows} == set(made)
    assert len(rows) == 7
    (given,) = past.database.run(list_grants, past.user.id)
    assert given.amount_nanos == sum(row[1] for row in rows)
    assert given.reason == "a promotion came late"
    listed_ones = past.database.run(list_corrections, past.user.id)
    assert {each.request_id for each in listed_ones} == set(made)


def test_a_second_run_gives_only_what_is_missing(past: Past) -> None:
    past.use(TokenCounts(0, 1000, 10))
    first = past.propose(PROMOTED)
    given = past.apply(first)
    assert given > 0
    assert past.apply(first) == 0
    assert past.apply(first, "run_2") == 0
    assert past.propose(PROMOTED).corrections == ()
    past.use(TokenCounts(0, 1000, 10))
    assert len(past.propose(PROMOTED).corrections) == 1
    all_cached = past.propose(PROMOTED, RatingRule(hit_percent=100))
    assert [each.credited_before_nanos for each in all_cached.corrections] == [given, 0]
    past.apply(all_cached, "run_3")
    assert past.bank.verify().is_consistent


def test_two_runs_at_once_credit_once(past: Past, database_url: str) -> None:
    past.use(TokenCounts(0, 1000, 10))
    proposal = past.propose(PROMOTED)
    with Database.open(database_url) as elsewhere:
        other = Past.__new__(Past)
        other.bank, other.database = past.bank, elsewhere
        assert past.apply(proposal, "run_1") > 0
        assert other.apply(proposal, "run_2") == 0
    assert past.bank.verify().is_consistent


def test_who_paid_too_little_is_told_of_and_not_charged(past: Past) -> None:
    counts = TokenCounts(0, 1000, 10)
    _, cost = past.use(counts)
    before = past.bank.balance(past.user)
    proposal = past.propose(PriceBook([listed(DEARER)]))
    assert proposal.corrections == ()
    assert proposal.num_dearer == 1
    assert proposal.dearer_nanos == {Currency.CNY: cost_nanos(DEARER, counts) - cost}
    assert past.apply(proposal) == 0
    assert past.bank.balance(past.user) == before


def test_counts_that_were_wrong_are_repaid_as_cached(past: Past) -> None:
    """The cache accounting was broken: at least 90 of 100 prompt tokens had been hits."""
    _, cost = past.use(TokenCounts(0, 1000, 100))
    past.use(TokenCounts(950, 50, 100))
    (found,) = past.propose(BOOK, RatingRule(hit_percent=90)).corrections
    assert found.hit_tokens == 900
    assert found.credit_nanos == cost - cost_nanos(LIST_PRICE, TokenCounts(900, 100, 100))


def test_one_named_price_can_be_used_for_all(past: Past) -> None:
    past.use(TokenCounts(0, 1000, 100))
    proposal = past.propose(PROMOTED, RatingRule(price_name="promo"))
    assert [each.price_id for each in proposal.corrections] == [CHEAPER.id]
    nobody = past.propose(PriceBook([listed(Price("x/y/CNY", "y", Currency.CNY, 1, 1, 1))]))
    assert (nobody.num_requests, nobody.num_unpriced) == (1, 1)


def test_only_the_days_user_and_model_asked_for(past: Past) -> None:
    other = past.bank.user(topped_up=10**9)
    past.use(TokenCounts(0, 1000, 100), other, past.bank.api_key(other))
    past.use(TokenCounts(0, 1000, 100))
    day = past.bank.now.date()

    def found(first: date, last: date, user: str | None = None, model: str | None = None) -> int:
        span = RatingRange(first, last, user, model)
        return past.propose(PROMOTED, span=span).num_requests

    assert found(day, day) == 2
    assert found(day, day, past.user.id) == 1
    assert found(day, day, None, "test") == 2
    assert found(day, day, None, "other") == 0
    assert found(day + timedelta(days=1), day + timedelta(days=9)) == 0
    assert found(day - timedelta(days=9), day - timedelta(days=1)) == 0


def test_a_deleted_account_is_left_alone(past: Past) -> None:
    past.use(TokenCounts(0, 1000, 100))
    past.database.run(close_account, past.user.id, past.bank.now)
    assert past.propose(PROMOTED).num_requests == 0


@pytest.mark.parametrize(
    ("span", "rule"),
    [
        (RatingRange(date(2026, 1, 2), date(2026, 1, 1)), PLAIN),
        (JANUARY, RatingRule(price_name="no such price")),
        (JANUARY, RatingRule(hit_percent=101)),
        (JANUARY, RatingRule(hit_percent=-1)),
    ],
)
def test_odd_ranges_and_rules_are_refused(past: Past, span: RatingRange, rule: RatingRule) -> None:
    with pytest.raises(InvalidRequestError):
        past.propose(BOOK, rule, span)


def test_many_requests_go_in_batches_of_one_user_and_currency(past: Past) -> None:
    chance = random.Random(3)
    users = [past.user, *(past.bank.user(topped_up=10**9) for _ in range(2))]
    keys = {user.id: past.bank.api_key(user) for user in users}
    for _ in range(40):
        user = chance.choice(users)
        past.use(TokenCounts(0, chance.randrange(1, 5000), 1), user, keys[user.id])
    proposal = past.propose(PROMOTED)
    groups = [
        {(each.user_id, each.currency) for each in batch} for batch in batches(proposal.corrections)
    ]
    assert all(len(group) == 1 for group in groups)
    assert past.apply(proposal) == sum(each.credit_nanos for each in proposal.corrections)
    assert past.propose(PROMOTED).corrections == ()
    assert past.bank.verify().is_consistent
    for user in users:
        assert len(past.database.run(list_grants, user.id)) == 1


def test_a_tampered_correction_is_found(past: Past) -> None:
    past.use(TokenCounts(0, 1000, 10))
    past.apply(past.propose(PROMOTED))
    past.database.run(
        lambda conn: (
            conn.execute(
                corrections.update().values(amount_nanos=corrections.c.amount_nanos + 1)
            ).rowcount
        )
    )
    assert {each.check for each in past.bank.verify().differences} == {"correction"}
