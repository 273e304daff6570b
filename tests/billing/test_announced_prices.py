"""Prices that operators announce: kept, merged with the files by one rule, withdrawn in time."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from tests.support.fake_clock import FakeClock
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError, NotFoundError, ServerError
from whalefall.base.money import Currency
from whalefall.billing.announced_prices import (
    LEAD_TIME,
    LIST_AGE_MAX,
    AnnouncedPrice,
    PriceDraft,
    announced_price,
    announced_prices,
    keep_announced,
    list_announced,
    withdraw_price,
)
from whalefall.billing.current_prices import CurrentPrices, merged
from whalefall.billing.price_book import PriceBook
from whalefall.billing.price_changes import PriceOrder, announce, compare
from whalefall.billing.price_timeline import timeline
from whalefall.billing.price_versions import registered_prices
from whalefall.billing.price_windows import Calendar
from whalefall.billing.pricing import micros_from_text

CHAT = "deepseek-chat"
PRO = "deepseek-v4-pro"
START = FakeClock().now()
SOON = START + LEAD_TIME
DRAFT = PriceDraft(CHAT, Currency.CNY, 100_000, 1_000_000, 2_000_000, SOON)


class Desk:
    """An operator at a database, with the files' prices."""

    def __init__(self, database: Database, files: PriceBook | None = None) -> None:
        self.database = database
        self.prices = CurrentPrices(files or PriceBook.load())

    def announce(
        self, draft: PriceDraft, now: datetime = START, digest: str = ""
    ) -> AnnouncedPrice:
        order = PriceOrder(draft, digest=digest)
        return self.database.run(announce, self.prices, order, "user_1", now)

    def id_at(self, instant: datetime, model: str = CHAT) -> str:
        book = self.database.run_read(self.prices.read, instant)
        return book.price_at(model, Currency.CNY, instant).id

    def withdraw(self, announced: AnnouncedPrice, now: datetime) -> None:
        self.database.run(withdraw_price, announced.id, now)


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_an_announced_price_counts_from_its_instant_on(desk: Desk) -> None:
    before = desk.id_at(START)
    made = desk.announce(DRAFT)
    just_before = SOON - timedelta(microseconds=1)
    assert (desk.id_at(just_before), desk.id_at(SOON)) == (before, made.price.id)
    assert made.price.id == f"{made.id}/{CHAT}/CNY"
    assert desk.database.run_read(list_announced) == [made]
    assert made.price in desk.database.run_read(registered_prices)


def test_with_an_end_the_price_before_it_comes_back(desk: Desk) -> None:
    before = desk.id_at(START)
    end = SOON + timedelta(days=7)
    made = desk.announce(dataclasses.replace(DRAFT, effective_to=end))
    ids = [desk.id_at(end - timedelta(seconds=1)), desk.id_at(end)]
    assert ids == [made.price.id, before]
    book = desk.prices.book
    told = [
        (period.entry.price.id, period.begins, period.ends)
        for period in timeline(book, CHAT, Currency.CNY)
        if period.ends is None or period.ends > START
    ]
    assert [each[0] for each in told[:3]] == [before, made.price.id, before]
    assert told[1] == (made.price.id, SOON, end)
    assert (told[0][2], told[2][1]) == (SOON, end)


def test_hours_of_the_book_can_be_used_and_keep_their_rule_and_calendar(desk: Desk) -> None:
    """A peak price on working days; 1 October is a holiday, a Saturday is none."""
    peak = dataclasses.replace(
        DRAFT,
        model=PRO,
        window="v4-peak-workdays",
        effective_from=datetime(2026, 9, 20, tzinfo=UTC),
    )
    made = desk.announce(peak)
    plain = desk.announce(
        dataclasses.replace(peak, window="", hit_micros=7, effective_from=peak.effective_from)
    )
    for day, hour, minute, expected in (
        (21, 0, 59, plain), (21, 1, 0, made), (21, 3, 59, made), (21, 4, 0, plain),
        (26, 1, 0, plain), (25, 1, 0, plain), (28, 9, 59, made), (28, 10, 0, plain),
    ):  # fmt: skip
        instant = datetime(2026, 9, day, hour, minute, tzinfo=UTC)
        assert desk.id_at(instant, PRO) == expected.price.id, instant
    # A file without such a window any more, and with one holiday more: the hours stay, the
    # calendar's new day counts.
    bare = PriceBook([], {}, {"cn": Calendar("cn", frozenset({date(2026, 9, 21)}))})
    announced = desk.database.run_read(list_announced)
    book = merged(bare, announced)
    assert book.price_at(PRO, Currency.CNY, datetime(2026, 9, 21, 1, tzinfo=UTC)) == plain.price
    assert book.price_at(PRO, Currency.CNY, datetime(2026, 9, 22, 1, tzinfo=UTC)) == made.price
    with pytest.raises(ServerError, match=r"there is no calendar 'cn'"):
        merged(PriceBook([]), announced)


def test_a_plain_announcement_ends_the_platforms_hours(desk: Desk) -> None:
    instant = datetime(2026, 9, 21, 1, tzinfo=UTC)
    assert desk.id_at(instant, PRO) == f"v4-pro-peak/{PRO}/CNY"
    made = desk.announce(
        dataclasses.replace(DRAFT, model=PRO, effective_from=datetime(2026, 9, 20, tzinfo=UTC))
    )
    assert desk.id_at(instant, PRO) == made.price.id


def price_file(folder: Path, text: str) -> PriceBook:
    path = folder / "own.toml"
    path.write_text(text, "utf-8")
    return PriceBook.load([path])


OWN = """
[windows.night]
offset = "+08:00"
spans = ["22:00-06:00"]

[[price]]
id = "own"
models = ["deepseek-chat"]
from = 2026-02-01T00:00:00Z
CNY = { hit = "1", miss = "1", output = "1" }
"""


def test_with_an_operators_file_the_later_beginning_counts(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk(database, price_file(tmp_path, OWN))
    made = desk.announce(DRAFT)
    february = datetime(2026, 2, 1, tzinfo=UTC)
    ids = [desk.id_at(SOON), desk.id_at(february)]
    assert ids == [made.price.id, "own/deepseek-chat/CNY"]
    later = desk.announce(dataclasses.replace(DRAFT, effective_from=february + timedelta(days=1)))
    assert desk.id_at(february + timedelta(days=2)) == later.price.id
    desk.announce(dataclasses.replace(DRAFT, window="night"))
    assert {"night", "v4-peak-workdays", "v3-off-peak"} <= set(desk.prices.book.windows)


def test_two_that_begin_at_one_instant_are_refused(database: Database, tmp_path: Path) -> None:
    desk = Desk(database)
    february = datetime(2026, 2, 1, tzinfo=UTC)
    at_once = dataclasses.replace(DRAFT, effective_from=february)
    made = desk.announce(at_once)
    with pytest.raises(InvalidRequestError, match="same instant"):
        desk.announce(at_once)
    desk.announce(dataclasses.replace(at_once, currency=Currency.USD))
    desk.announce(dataclasses.replace(at_once, window="v3-off-peak"))
    # The same in a file: the start is refused, and says which two and what to do.
    clash = CurrentPrices(price_file(tmp_path, OWN))
    with pytest.raises(ServerError, match=rf"{made.id}.*own/deepseek-chat/CNY \(own\.toml\)"):
        database.run_read(clash.read, START)
    desk.withdraw(made, START)
    book = database.run_read(clash.read, START)
    outside_the_hours = february + timedelta(hours=2)
    assert book.price_at(CHAT, Currency.CNY, outside_the_hours).id == "own/deepseek-chat/CNY"


def test_of_two_processes_at_once_the_second_is_told(desk: Desk) -> None:
    """Both have looked before either has written."""
    one = announced_price(DRAFT, None, "user_1", START)
    other = announced_price(DRAFT, None, "user_2", START)
    assert desk.database.run(keep_announced, one)
    assert not desk.database.run(keep_announced, other)
    assert [each.id for each in desk.database.run_read(list_announced)] == [one.id]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"hit_micros": -1}, "written like"),
        ({"miss_micros": 2**63}, "written like"),
        ({"output_micros": 10**12 + 1}, "written like"),
        ({"effective_from": SOON - timedelta(microseconds=1)}, "five minutes"),
        ({"effective_from": datetime(9999, 12, 31, tzinfo=UTC)}, "ten years"),
        ({"effective_to": datetime(9999, 12, 31, tzinfo=UTC)}, "ten years"),
        ({"effective_to": SOON}, "before it begins"),
        ({"window": "no-such-hours"}, "rule for hours"),
        ({"model": "nobody"}, "model name"),
        ({"model": "../x y"}, "model name"),
        ({"model": ""}, "model name"),
        ({"note": "x" * 201}, "remark"),
        ({"note": "two\nlines"}, "remark"),
    ],
)
def test_odd_drafts_are_refused(sqlite_url: str, change: dict[str, object], complaint: str) -> None:
    with Database.open(sqlite_url) as database:
        desk = Desk(database)
        with pytest.raises(InvalidRequestError, match=complaint):
            desk.announce(dataclasses.replace(DRAFT, **change))  # type: ignore[arg-type]
        assert database.run_read(list_announced) == []


@pytest.mark.parametrize(
    "text",
    ["-0.1", "+1", "NaN", "sNaN", "Infinity", "-inf", "1e308", "1e999999999", "9223372036854775808",
     "1000000.000001", "0.0000001", "0.1234560000000000000000000000000000001", "0x10", "1_000",
     "1,5",
     "１", "٣", " 1", "1 ", "", ".", "1.2.3", "0" * 31 + "5", "0." + "9" * 5000],
)  # fmt: skip
def test_odd_figures_are_refused_and_nothing_is_rounded(text: str) -> None:
    with pytest.raises(ValueError, match=r"price|decimal") as error:
        micros_from_text(text)
    assert len(str(error.value)) < 120


@pytest.mark.parametrize(
    ("text", "micros"),
    [("0", 0), ("0.000001", 1), ("1000000", 10**12), ("0.003625", 3625), ("1.10", 1_100_000),
     ("007", 7_000_000), ("1.1000000000", 1_100_000)],
)  # fmt: skip
def test_plain_figures_are_exact(text: str, micros: int) -> None:
    assert micros_from_text(text) == micros


def add_row(conn: Connection, row: dict[str, object]) -> None:
    conn.execute(insert(announced_prices).values(row))


def test_the_database_itself_refuses_what_the_rules_forbid(desk: Desk) -> None:
    made = desk.announce(DRAFT)
    row = dict(
        desk.database.run_read(lambda conn: conn.execute(select(announced_prices)).one())._mapping
    )
    for change in (
        {"hit_micros": -1},
        {"output_micros": 10**12 + 1},
        {"announced_at": SOON},
        {"effective_to": SOON},
        {"withdrawn_at": SOON},
        {"window_name": "x"},
        {"price_id": "nobody"},
        {},
    ):
        other = {**row, "id": "other", "effective_from": SOON, **change}
        with pytest.raises(IntegrityError):
            desk.database.run(add_row, other)
    assert desk.database.run_read(list_announced) == [made]


def test_it_can_be_withdrawn_until_everybody_may_know_of_it(desk: Desk) -> None:
    before = desk.id_at(START)
    made = desk.announce(DRAFT)
    last_moment = SOON - LIST_AGE_MAX
    with pytest.raises(InvalidRequestError, match="two minutes"):
        desk.withdraw(made, last_moment + timedelta(microseconds=1))
    with pytest.raises(InvalidRequestError, match="two minutes"):
        desk.withdraw(made, SOON + timedelta(days=1))
    assert desk.id_at(SOON) == made.price.id
    desk.withdraw(made, last_moment)
    assert desk.id_at(SOON) == before
    with pytest.raises(NotFoundError):
        desk.withdraw(made, last_moment)
    (kept,) = desk.database.run_read(list_announced, with_withdrawn=True)
    assert kept == dataclasses.replace(made, withdrawn_at=last_moment)
    # Its instant is free again.
    again = desk.announce(DRAFT)
    assert desk.id_at(SOON) == again.price.id


def test_two_processes_follow_and_one_cut_off_reads_before_it_charges(
    database_url: str,
) -> None:
    """Two programs on one database: the other one sees the change with its next reading, and at
    the latest when it charges with a list older than two minutes."""
    with Database.open(database_url) as here, Database.open(database_url) as there:
        desk, reader, sleeper = Desk(here), Desk(there), Desk(there)
        for each in (reader, sleeper):
            there.run_read(each.prices.read, START)
        made = desk.announce(DRAFT)
        assert reader.prices.book.price_at(CHAT, Currency.CNY, SOON).id != made.price.id
        there.run_read(reader.prices.read, START + timedelta(seconds=30))
        assert reader.prices.book.price_at(CHAT, Currency.CNY, SOON) == made.price
        young = there.run_read(sleeper.prices.for_charging, START + LIST_AGE_MAX)
        assert made.price.id not in {entry.price.id for entry in young.listed(CHAT)}
        book = there.run(sleeper.prices.for_charging, SOON)
        assert book.price_at(CHAT, Currency.CNY, SOON) == made.price
        # A clock that was set back makes a list no younger than it is.
        here.run(
            withdraw_price,
            desk.announce(dataclasses.replace(DRAFT, effective_from=SOON + timedelta(days=1))).id,
            START,
        )
        assert there.run(sleeper.prices.for_charging, START - timedelta(hours=1)) is not None


def test_a_list_that_contradicts_itself_is_charged_by_for_no_longer_than_it_is_fresh(
    database: Database, tmp_path: Path
) -> None:
    desk, other = Desk(database), CurrentPrices(price_file(tmp_path, OWN))
    database.run_read(other.read, START)
    desk.announce(dataclasses.replace(DRAFT, effective_from=datetime(2026, 2, 1, tzinfo=UTC)))
    with pytest.raises(ServerError, match="both begin"):
        database.run_read(other.read, START + timedelta(seconds=30))
    assert database.run_read(other.for_charging, START + timedelta(seconds=60)) is other.files
    with pytest.raises(ServerError, match="both begin"):
        database.run_read(other.for_charging, START + LIST_AGE_MAX + timedelta(seconds=1))


def test_the_comparison_shows_what_is_replaced_what_ends_it_and_what_is_displaced(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk(database, price_file(tmp_path, OWN))
    february = datetime(2026, 2, 1, tzinfo=UTC)
    change = compare(desk.prices.book, PriceOrder(DRAFT), START)
    assert [entry.price.id for entry in change.before] == ["v3.2/deepseek-chat/CNY"]
    assert [entry.price.hit_micros for entry in change.after] == [100_000]
    assert (change.ends, change.displaced) == (february, ())
    assert compare(desk.prices.book, PriceOrder(DRAFT), START).digest == change.digest
    peak = compare(
        desk.prices.book,
        PriceOrder(
            dataclasses.replace(DRAFT, model=PRO, effective_from=datetime(2026, 8, 20, tzinfo=UTC))
        ),
        START,
    )
    assert [entry.price.id.partition("/")[0] for entry in peak.before] == [
        "v4-pro-peak-daily", "v4-pro-off-peak",
    ]  # fmt: skip
    assert [entry.price.id.partition("/")[0] for entry in peak.displaced] == ["v4-pro-peak"]
    # What was looked at is what is announced, or it is refused.
    desk.announce(dataclasses.replace(DRAFT, effective_from=SOON + timedelta(hours=1)))
    with pytest.raises(InvalidRequestError, match="changed since"):
        desk.announce(DRAFT, digest=change.digest)
    again = compare(desk.prices.book, PriceOrder(DRAFT), START)
    assert again.ends == SOON + timedelta(hours=1)
    assert desk.announce(DRAFT, digest=again.digest).effective_from == SOON


def test_a_new_name_is_priced_only_where_it_is_known(database: Database) -> None:
    desk = Desk(database)
    draft = dataclasses.replace(DRAFT, model="our-model")
    order = PriceOrder(draft, models=["our-model"])
    made = database.run(announce, desk.prices, order, "user_1", START)
    assert desk.id_at(SOON, "our-model") == made.price.id


def test_ids_of_announced_prices_are_not_for_files(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="not for files"):
        price_file(tmp_path, OWN.replace('"own"', '"announced_1"'))
