from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from whalefall.billing.price_windows import (
    Calendar,
    PriceWindow,
    calendar_from_table,
    window_from_table,
)

BEIJING = "+08:00"
MORNINGS = {"offset": BEIJING, "spans": ["09:00-12:00", "14:00-18:00"]}


def window(**table: object) -> PriceWindow:
    return window_from_table("test", table, {"cn": Calendar("cn", frozenset({date(2026, 10, 1)}))})


def utc(day: int, hour: int, minute: int = 0, second: int = 0, month: int = 1) -> datetime:
    return datetime(2026, month, day, hour, minute, second, tzinfo=UTC)


def test_a_span_begins_on_time_and_ends_before_its_end() -> None:
    night = window(offset=BEIJING, spans=["00:30-08:30"])
    assert not night.contains(utc(15, 16, 29, 59))
    assert night.contains(utc(15, 16, 30))
    assert night.contains(utc(16, 0, 29, 59))
    assert not night.contains(utc(16, 0, 30))


def test_a_span_over_midnight_covers_both_sides() -> None:
    night = window(offset="+00:00", spans=["16:30-00:30"])
    assert night.contains(utc(15, 16, 30))
    assert night.contains(utc(15, 23, 59, 59))
    assert night.contains(utc(16, 0, 29, 59))
    assert not night.contains(utc(16, 0, 30))
    assert not night.contains(utc(16, 12))


def test_local_and_utc_spans_of_the_same_hours_agree_all_day() -> None:
    local = window(offset=BEIJING, spans=["00:30-08:30"])
    same = window(offset="+00:00", spans=["16:30-00:30"])
    for minute in range(0, 3 * 1440, 7):
        instant = utc(14, 0) + timedelta(minutes=minute)
        assert local.contains(instant) == same.contains(instant)


def test_weekdays_are_those_of_the_windows_own_place() -> None:
    workdays = window(**MORNINGS, weekdays=["mon", "tue", "wed", "thu", "fri"])
    assert workdays.contains(utc(16, 1))  # Friday, 09:00 in Beijing
    assert not workdays.contains(utc(17, 1))  # Saturday
    monday_early = window(offset=BEIJING, spans=["00:00-01:00"], weekdays=["mon"])
    assert monday_early.contains(utc(18, 16, 30))  # still Sunday in UTC


def test_a_span_over_midnight_belongs_to_the_day_it_begins() -> None:
    fridays = window(offset="+00:00", spans=["22:00-02:00"], weekdays=["fri"])
    assert fridays.contains(utc(16, 23))
    assert fridays.contains(utc(17, 1, 59))
    assert not fridays.contains(utc(16, 1))
    assert not fridays.contains(utc(17, 23))


def test_holidays_are_excluded_where_a_calendar_is_named() -> None:
    table = {**MORNINGS, "weekdays": ["mon", "tue", "wed", "thu", "fri"]}
    assert window(**table).contains(utc(1, 2, month=10))
    assert not window(**table, calendar="cn").contains(utc(1, 2, month=10))
    assert window(**table, calendar="cn").contains(utc(30, 2, month=9))


def test_a_span_may_cover_the_whole_day() -> None:
    sundays = window(offset=BEIJING, spans=["00:00-00:00"], weekdays=["sun"])
    assert sundays.contains(utc(17, 16))
    assert sundays.contains(utc(18, 15, 59, 59))
    assert not sundays.contains(utc(18, 16))


@pytest.mark.parametrize(
    "table",
    [
        {"spans": []},
        {"spans": ["25:00-26:00"]},
        {"spans": ["09:00"]},
        {"spans": "09:00-10:00"},
        {"spans": ["09:00-10:00"], "offset": "Europe/Berlin"},
        {"spans": ["09:00-10:00"], "weekdays": ["monday"]},
        {"spans": ["09:00-10:00"], "calendar": "mars"},
        {"spans": ["09:00-10:00"], "weekday": ["mon"]},
    ],
)
def test_odd_windows_are_refused_by_name(table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="window test"):
        window(**table)


@pytest.mark.parametrize("days", ["2026-10-01", ["october"], [datetime(2026, 10, 1, tzinfo=UTC)]])
def test_odd_calendars_are_refused_by_name(days: object) -> None:
    with pytest.raises(ValueError, match="calendar cn"):
        calendar_from_table("cn", {"holidays": days})


def test_holidays_may_be_dates_or_their_texts() -> None:
    made = calendar_from_table("cn", {"holidays": [date(2026, 10, 1), "2026-10-02"]})
    assert made.holidays == {date(2026, 10, 1), date(2026, 10, 2)}
