"""Reconciles once a day, and whenever somebody asks: fetches the providers' statements, compares
all books, keeps what differs, and writes to the operators when something does.

No transaction is open while a provider is talked to. The day's run belongs to whichever process
claims it first; one that dies leaves it to the next. A statement that is not there yet is asked for
again until noon (UTC), then its absence is a finding."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import structlog
from sqlalchemy import Connection

from whalefall.accounts.directory import operators
from whalefall.accounts.profiles import get_profile
from whalefall.base.clock import Clock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.base.mail import queue_mail
from whalefall.billing.payments.base import PaymentProvider
from whalefall.billing.provider_statements import keep_statement, missing_days
from whalefall.billing.reconciliation import (
    Comparison,
    Reconciliation,
    Unavailable,
    begin_run,
    claim_daily,
    compare_books,
    day_to_reconcile,
    finish_run,
    get_run,
)
from whalefall.billing.top_ups import TopUpSource
from whalefall.console.language import Catalog, Language
from whalefall.console.letters import reconciliation_letter

log = structlog.get_logger()

INTERVAL_SECONDS = 600.0
FIRST_HOUR = 3
"""In UTC: by then every provider has made up its books of the day before."""
LAST_HOUR = 12
Providers = Mapping[TopUpSource, PaymentProvider]
Catalogs = Mapping[Language, Catalog]


@dataclass(frozen=True, slots=True)
class _Fetched:
    statements: list[tuple[TopUpSource, date]]
    unavailable: list[Unavailable]


class Reconciler:
    def __init__(
        self, database: Database, clock: Clock, providers: Providers, catalogs: Catalogs
    ) -> None:
        self._database = database
        self._clock = clock
        self._providers = providers
        self._catalogs = catalogs

    async def run(self) -> None:
        """For ever; belongs in a task that its owner cancels."""
        while True:
            try:
                await self.round()
            except Exception:
                log.exception("the books were not reconciled; it is tried again")
            await asyncio.sleep(INTERVAL_SECONDS)

    async def round(self) -> Reconciliation | None:
        """The day's run, when it is due and nobody has made it."""
        now = self._clock.now()
        day, hour = day_to_reconcile(now), now.astimezone(UTC).hour
        if hour < FIRST_HOUR:
            return None
        run_id = await self._database.write(claim_daily, day, now)
        if run_id is None:
            return None
        fetched = await self._fetch(day)
        if fetched.unavailable and hour < LAST_HOUR:
            log.warning("a statement is missing; it is asked for again", day=str(day))
            return None
        return await self._compare(run_id, fetched, self._catalogs)

    async def reconcile(self, asked_by: str) -> Reconciliation:
        """Now, for whoever asks and looks at it. Nobody is written to."""
        now = self._clock.now()
        day = day_to_reconcile(now)
        run_id = await self._database.write(begin_run, day, asked_by, now)
        return await self._compare(run_id, await self._fetch(day), {})

    async def _fetch(self, day: date) -> _Fetched:
        """Whatever statements are missing up to this day."""
        fetched = _Fetched([], [])
        for source, provider in self._providers.items():
            for each in await self._database.read(missing_days, source, day):
                problem = await self._fetch_day(source, provider, each)
                if problem:
                    fetched.unavailable.append(Unavailable(source, each, problem))
                else:
                    fetched.statements.append((source, each))
        return fetched

    async def _fetch_day(self, source: TopUpSource, provider: PaymentProvider, day: date) -> str:
        """Empty when all went well."""
        try:
            lines = await asyncio.to_thread(provider.statement, day)
        except PlatformError as error:
            return error.message
        now = self._clock.now()
        await self._database.write(keep_statement, source, day, lines, now)
        return ""

    async def _compare(self, run_id: str, fetched: _Fetched, catalogs: Catalogs) -> Reconciliation:
        comparison = await self._database.read(
            compare_books, fetched.statements, fetched.unavailable, self._clock.now()
        )
        return await self._database.write(_finish, run_id, comparison, catalogs, self._clock.now())


def _finish(
    conn: Connection, run_id: str, comparison: Comparison, catalogs: Catalogs, now: datetime
) -> Reconciliation:
    """With the letters, in the transaction that keeps what they tell of."""
    is_first = finish_run(conn, run_id, comparison, now)
    done = get_run(conn, run_id)
    if is_first and comparison.findings and catalogs:
        _tell(conn, done, comparison, catalogs, now)
    return done


def _tell(
    conn: Connection,
    done: Reconciliation,
    comparison: Comparison,
    catalogs: Catalogs,
    now: datetime,
) -> None:
    first = [each.difference for each in comparison.findings[:10]]
    lines = [
        f"{each.check}: {each.subject}: {each.expected} / {each.found}"[:300] for each in first
    ]
    for operator in operators(conn):
        is_chinese = get_profile(conn, operator.id).language == Language.CHINESE.value
        catalog = catalogs[Language.CHINESE if is_chinese else Language.ENGLISH]
        letter = reconciliation_letter(
            catalog, operator.email, str(done.day), done.num_differences, lines
        )
        queue_mail(conn, letter, now)
