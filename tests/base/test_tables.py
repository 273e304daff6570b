from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whalefall.base.tables import instant_from_micros, micros_from_instant


@given(st.datetimes(timezones=st.timezones()))
def test_instants_survive_the_way_there_and_back(instant: datetime) -> None:
    restored = instant_from_micros(micros_from_instant(instant))
    assert restored == instant.astimezone(UTC)
    assert restored.tzinfo is UTC


def test_one_instant_in_two_zones_is_stored_as_one() -> None:
    beijing = datetime(2026, 1, 15, 20, tzinfo=timezone(timedelta(hours=8)))
    assert micros_from_instant(beijing) == micros_from_instant(
        datetime(2026, 1, 15, 12, tzinfo=UTC)
    )


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        micros_from_instant(datetime(2026, 1, 15))  # noqa: DTZ001 - that is the point
