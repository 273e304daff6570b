"""What the console has to do besides answering: letters about low balances, and sweeping what is
over. Run it in one task per process; doing a round twice at once changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy import Connection

from whalefall.accounts.profiles import get_profile, set_profile
from whalefall.accounts.throttles import sweep_throttles
from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.mail import queue_mail, sweep_mails
from whalefall.billing.alerts import Crossing, crossings
from whalefall.billing.sign_up_grants import (
    NO_SIGN_UP_GRANT,
    SignUpGrantRule,
    sweep_sign_up_grants,
)
from whalefall.console.invoice_papers import make_papers
from whalefall.console.language import Catalog, Language, load_catalogs
from whalefall.console.letters import low_balance_letter
from whalefall.console.rendering import money

log = structlog.get_logger()

INTERVAL_SECONDS = 60.0


async def run_chores(
    database: Database, clock: Clock, sign_up_grant: SignUpGrantRule = NO_SIGN_UP_GRANT
) -> None:
    """For ever; belongs in a task that its owner cancels."""
    catalogs = load_catalogs()
    while True:
        try:
            await do_chores(database, catalogs, clock.now())
            await make_papers(database, catalogs, clock.now())
            await database.write(sweep_sign_up_grants, sign_up_grant, clock.now())
        except Exception:
            log.exception("the console's chores failed; they are tried again")
        await asyncio.sleep(INTERVAL_SECONDS)


async def do_chores(database: Database, catalogs: Mapping[Language, Catalog], now: datetime) -> int:
    """One round; how many letters were written. Everybody's balance is looked at by a reader, so
    that no request waits for it; only what has changed is written."""
    await database.write(_sweep, now)
    crossed = await database.read(crossings, now)
    return sum([await database.write(_note, each, catalogs, now) for each in crossed])


def _sweep(conn: Connection, now: datetime) -> None:
    sweep_throttles(conn, now)
    sweep_mails(conn, now)


def _note(
    conn: Connection, crossing: Crossing, catalogs: Mapping[Language, Catalog], now: datetime
) -> bool:
    """Write once when the balance falls below the threshold, and again only after it has been
    above it in between; whether a letter was written."""
    profile = get_profile(conn, crossing.user_id)
    is_news = crossing.is_low == (profile.alert_sent_at is None)
    if not is_news or profile.alert_nanos != crossing.threshold_nanos:
        return False
    set_profile(conn, replace(profile, alert_sent_at=now if crossing.is_low else None))
    if crossing.is_low:
        is_chinese = crossing.language == Language.CHINESE.value
        catalog = catalogs[Language.CHINESE if is_chinese else Language.ENGLISH]
        left = money(crossing.left_nanos, crossing.currency)
        threshold = money(crossing.threshold_nanos, crossing.currency)
        queue_mail(conn, low_balance_letter(catalog, crossing.email, left, threshold), now)
    return crossing.is_low
