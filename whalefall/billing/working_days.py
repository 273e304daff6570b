"""Working days, as promises are counted in them: weekdays without the holidays, and the days of
weekends that are worked in exchange for one.

The calendars are those of the price lists. Days are local: a fixed distance from UTC."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from whalefall.billing.price_book import PRICES_DIRECTORY
from whalefall.billing.price_windows import Calendar, calendar_from_table

CHINA = timedelta(hours=8)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WorkingDays:
    calendar: Calendar
    offset: timedelta = CHINA

    def day_of(self, instant: datetime) -> date:
        """The local day."""
        assert instant.tzinfo is not None, "instants are aware"
        return instant.astimezone(timezone(self.offset)).date()

    def is_working_day(self, day: date) -> bool:
        if day in self.calendar.make_up_days:
            return True
        return day.weekday() < 5 and day not in self.calendar.holidays

    def after(self, day: date, count: int) -> date:
        """The count-th working day after `day`, which itself never counts."""
        assert count >= 1
        while count:
            day += ONE_DAY
            count -= self.is_working_day(day)
        return day

    def between(self, day: date, end: date) -> int:
        """How many working days come after `day` up to `end`; negative where `end` lies before."""
        if end < day:
            return -self.between(end, day)
        days = (day + index * ONE_DAY for index in range(1, (end - day).days + 1))
        return sum(self.is_working_day(each) for each in days)


def load_calendar(
    name: str,
    given: Mapping[str, Calendar] | None = None,
    directory: Path = PRICES_DIRECTORY,
) -> Calendar:
    """The calendar of that name: the operator's where one is given, else what the shipped price
    lists say of it, else one without holidays."""
    if given and name in given:
        return given[name]
    holidays: frozenset[date] = frozenset()
    make_up_days: frozenset[date] = frozenset()
    for path in sorted(directory.glob("*.toml")):
        tables = tomllib.loads(path.read_text("utf-8")).get("calendars", {})
        if name in tables:
            found = calendar_from_table(name, tables[name])
            holidays |= found.holidays
            make_up_days |= found.make_up_days
    return Calendar(name, holidays, make_up_days)
