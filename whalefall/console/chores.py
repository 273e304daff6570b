"""What the console has to do besides answering: letters about low balances, and sweeping what is
over. Run it in one task per process; doing a round twice at once changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy import Connection

from whalefall.accounts.profiles import Profile, profiles_with_alert, set_profile
from whalefall.accounts.throttles import sweep_throttles
from whalefall.accounts.users import User, get_user
from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.base.mail import queue_mail
from whalefall.billing.ledger import balance
from whalefall.console.language import Catalog, Language, load_catalogs
from whalefall.console.letters import low_balance_letter
from whalefall.console.rendering import money

log = structlog.get_logger()

INTERVAL_SECONDS = 60.0


async def run_chores(database: Database, clock: Clock) -> None:
    """For ever; belongs in a task that its owner cancels."""
    catalogs = load_catalogs()
    while True:
        try:
            await database.write(do_chores, catalogs, clock.now())
        except PlatformError as error:
            log.warning("the console's chores failed; they are tried again", reason=error.message)
        await asyncio.sleep(INTERVAL_SECONDS)


def do_chores(conn: Connection, catalogs: Mapping[Language, Catalog], now: datetime) -> int:
    """One round; how many letters were written."""
    sweep_throttles(conn, now)
    return sum(_alert(conn, profile, catalogs, now) for profile in profiles_with_alert(conn))


def _alert(
    conn: Connection, profile: Profile, catalogs: Mapping[Language, Catalog], now: datetime
) -> bool:
    """Write once when the balance falls below the threshold, and again only after it has been
    above it in between."""
    assert profile.alert_nanos is not None
    user = get_user(conn, profile.user_id)
    left = balance(conn, user.id, user.currency, now).total_nanos
    is_low = left < profile.alert_nanos
    if is_low == (profile.alert_sent_at is not None):
        return False
    set_profile(conn, replace(profile, alert_sent_at=now if is_low else None))
    if is_low:
        _write(conn, user, profile, catalogs, left, now)
    return is_low


def _write(
    conn: Connection,
    user: User,
    profile: Profile,
    catalogs: Mapping[Language, Catalog],
    left_nanos: int,
    now: datetime,
) -> None:
    is_chinese = profile.language == Language.CHINESE.value
    catalog = catalogs[Language.CHINESE if is_chinese else Language.ENGLISH]
    assert profile.alert_nanos is not None
    threshold = money(profile.alert_nanos, user.currency)
    letter = low_balance_letter(catalog, user.email, money(left_nanos, user.currency), threshold)
    queue_mail(conn, letter, now)
