"""Hours of the day in which another price holds: off-peak discounts, peak surcharges.

Local time is a fixed distance from UTC: the calendars these windows follow know no daylight
saving, so no instant is ambiguous."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_OFFSET = re.compile(r"([+-])([01]\d):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days on which a rule for weekdays does not hold."""

    name: str
    holidays: frozenset[date]
    make_up_days: frozenset[date] = frozenset()
    """Days of a weekend that are worked in exchange for a holiday. Prices do not ask for them."""


@dataclass(frozen=True, slots=True)
class PriceWindow:
    """Recurring spans of local time. A span that ends at or before its start runs over midnight
    and belongs to the day on which it begins."""

    name: str
    offset: timedelta
    spans: tuple[tuple[time, time], ...]
    """(start, end) in local time; the end is outside."""
    weekdays: frozenset[int]
    """0 is Monday, as in datetime."""
    calendar: Calendar | None = None

    @property
    def rule(self) -> tuple[object, ...]:
        """What it says, whatever it is called."""
        return self.offset, self.spans, self.weekdays, self.calendar

    def contains(self, instant: datetime) -> bool:
        assert instant.tzinfo is not None, "instants are aware"
        local = instant.astimezone(timezone(self.offset)).replace(tzinfo=None)
        for day in (local.date(), local.date() - timedelta(days=1)):
            if self._holds_on(day) and any(_spans(day, *span, local) for span in self.spans):
                return True
        return False

    def _holds_on(self, day: date) -> bool:
        if self.calendar is not None and day in self.calendar.holidays:
            return False
        return day.weekday() in self.weekdays


def _spans(day: date, start: time, end: time, local: datetime) -> bool:
    first = datetime.combine(day, start)
    last = datetime.combine(day, end)
    if end <= start:
        last += timedelta(days=1)
    return first <= local < last


def window_from_table(
    name: str, table: Mapping[str, object], calendars: Mapping[str, Calendar]
) -> PriceWindow:
    """From a `[windows.NAME]` table: offset = "+08:00", spans = ["00:30-08:30"], and optionally
    weekdays = ["mon", ...] and calendar = "cn". ValueError names what is wrong."""
    unknown = set(table) - {"offset", "spans", "weekdays", "calendar"}
    if unknown:
        raise ValueError(f"window {name}: unknown {', '.join(sorted(unknown))}")
    calendar_name = table.get("calendar")
    if calendar_name is not None and calendar_name not in calendars:
        raise ValueError(f"window {name}: there is no calendar {calendar_name!r}")
    return PriceWindow(
        name=name,
        offset=_offset_from_text(name, table.get("offset", "+00:00")),
        spans=tuple(_span_from_text(name, span) for span in _texts(name, table.get("spans"))),
        weekdays=_weekdays(name, table.get("weekdays", list(WEEKDAYS))),
        calendar=None if calendar_name is None else calendars[str(calendar_name)],
    )


def table_from_window(window: PriceWindow) -> dict[str, object]:
    """The same rule as such a table, so that it can be kept whatever becomes of the file."""
    minutes = int(window.offset.total_seconds()) // 60
    table: dict[str, object] = {
        "offset": f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}",
        "spans": [f"{start.isoformat()}-{end.isoformat()}" for start, end in window.spans],
        "weekdays": [WEEKDAYS[day] for day in sorted(window.weekdays)],
    }
    if window.calendar is not None:
        table["calendar"] = window.calendar.name
    return table


def calendar_from_table(name: str, table: Mapping[str, object]) -> Calendar:
    """From a `[calendars.NAME]` table: holidays = ["2026-10-01", ...], and optionally the days
    worked in exchange, make_up_days = ["2026-10-10", ...]."""
    return Calendar(name, _days(name, table, "holidays"), _days(name, table, "make_up_days"))


def _days(name: str, table: Mapping[str, object], key: str) -> frozenset[date]:
    days = table.get(key, [])
    if not isinstance(days, list):
        raise ValueError(f"calendar {name}: {key} is a list of dates")
    try:
        return frozenset(_date(day) for day in days)
    except (ValueError, TypeError) as error:
        raise ValueError(f"calendar {name}: {key} are dates like 2026-10-01") from error


def _date(day: object) -> date:
    if isinstance(day, datetime):
        raise TypeError("a holiday is a date without a time")
    return day if isinstance(day, date) else date.fromisoformat(str(day))


def _offset_from_text(name: str, offset: object) -> timedelta:
    match = _OFFSET.fullmatch(str(offset))
    if match is None:
        raise ValueError(f"window {name}: the offset is written like +08:00")
    sign = -1 if match[1] == "-" else 1
    return sign * timedelta(hours=int(match[2]), minutes=int(match[3]))


def _span_from_text(name: str, span: str) -> tuple[time, time]:
    start, dash, end = span.partition("-")
    try:
        if not dash:
            raise ValueError(span)
        return time.fromisoformat(start), time.fromisoformat(end)
    except ValueError:
        raise ValueError(f"window {name}: a span is written like 00:30-08:30") from None


def _weekdays(name: str, days: object) -> frozenset[int]:
    texts = _texts(name, days)
    if not set(texts) <= set(WEEKDAYS):
        raise ValueError(f"window {name}: weekdays are {', '.join(WEEKDAYS)}")
    return frozenset(WEEKDAYS.index(day) for day in texts)


def _texts(name: str, value: object) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise ValueError(f"window {name}: spans and weekdays are lists of strings")
    return value
