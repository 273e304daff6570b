"""The clock that promises are counted by, over all calendars, and over the one that ships."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whalefall.billing.price_windows import Calendar, calendar_from_table
from whalefall.billing.working_days import WorkingDays, load_calendar

ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine makes up examples slowly."""
DAYS = st.dates(date(2026, 1, 1), date(2026, 12, 31))
CALENDARS = st.builds(
    WorkingDays,
    st.builds(
        Calendar,
        st.just("any"),
        st.frozensets(DAYS, max_size=12),
        st.frozensets(DAYS, max_size=5),
    ),
)


@ANY_SPEED
@given(CALENDARS, DAYS, st.integers(1, 30))
def test_the_day_is_worked_and_so_many_days_away(clock: WorkingDays, day: date, count: int) -> None:
    due = clock.after(day, count)
    assert due > day
    assert clock.is_working_day(due)
    assert clock.between(day, due) == count
    assert clock.between(day, due - timedelta(days=1)) == count - 1
    assert clock.between(due, day) == -count


@ANY_SPEED
@given(CALENDARS, DAYS, st.integers(1, 20), st.integers(1, 20))
def test_waiting_twice_is_waiting_for_both(
    clock: WorkingDays, day: date, first: int, second: int
) -> None:
    assert clock.after(clock.after(day, first), second) == clock.after(day, first + second)


@ANY_SPEED
@given(CALENDARS, DAYS, DAYS, st.integers(1, 20))
def test_who_asks_later_is_not_due_earlier(
    clock: WorkingDays, one: date, other: date, count: int
) -> None:
    earlier, later = sorted((one, other))
    assert clock.after(earlier, count) <= clock.after(later, count)


@ANY_SPEED
@given(CALENDARS, DAYS, st.integers(1, 20))
def test_another_holiday_never_helps_and_another_make_up_day_never_hurts(
    clock: WorkingDays, day: date, count: int
) -> None:
    calendar, due = clock.calendar, clock.after(day, count)
    more_off = Calendar("any", calendar.holidays | {due}, calendar.make_up_days)
    more_work = Calendar("any", calendar.holidays, calendar.make_up_days | {day + timedelta(1)})
    assert WorkingDays(more_off).after(day, count) >= due
    assert WorkingDays(more_work).after(day, count) <= due


def test_the_week_of_the_national_day() -> None:
    """Seven working days from the last of September 2026 lead over the holidays, with the Saturday
    that is worked in exchange: 8, 9, 10 (a Saturday), 12, 13, 14, 15 October."""
    clock = WorkingDays(load_calendar("cn"))
    assert clock.after(date(2026, 9, 30), 7) == date(2026, 10, 15)
    assert clock.is_working_day(date(2026, 10, 10))
    assert not clock.is_working_day(date(2026, 10, 11))
    assert not clock.is_working_day(date(2026, 10, 7))


def test_the_day_is_the_local_one() -> None:
    clock = WorkingDays(Calendar("none", frozenset()))
    assert clock.day_of(datetime(2026, 1, 15, 15, 59, tzinfo=UTC)) == date(2026, 1, 15)
    assert clock.day_of(datetime(2026, 1, 15, 16, tzinfo=UTC)) == date(2026, 1, 16)


def test_an_operators_calendar_replaces_the_shipped_one(tmp_path: Path) -> None:
    own = Calendar("cn", frozenset({date(2027, 1, 1)}))
    assert load_calendar("cn", {"cn": own}) is own
    assert load_calendar("moon", directory=tmp_path) == Calendar("moon", frozenset())


def test_a_calendar_is_read_with_its_make_up_days() -> None:
    read = calendar_from_table("x", {"holidays": ["2027-01-01"], "make_up_days": ["2027-01-03"]})
    assert read.make_up_days == {date(2027, 1, 3)}
    with pytest.raises(ValueError, match="make_up_days"):
        calendar_from_table("x", {"make_up_days": ["Sunday"]})
