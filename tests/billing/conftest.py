"""A bank on either database."""

from __future__ import annotations

import pytest

from tests.support.bank import Bank
from tests.support.fake_clock import FakeClock
from whalefall.base.db import Database


@pytest.fixture
def bank(database: Database, clock: FakeClock) -> Bank:
    return Bank(database, clock)
