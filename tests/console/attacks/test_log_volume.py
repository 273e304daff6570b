"""Nobody fills the disk from outside: what is written per attempt is bounded or swept, and neither
logs nor tables hold what people sent."""

from __future__ import annotations

import io
import logging
from datetime import timedelta

import structlog
from sqlalchemy import Connection, func, select
from starlette.applications import Starlette

from tests.support.browser import Browser
from tests.support.fake_clock import FakeClock
from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, chat_body
from whalefall.accounts.audit import audit_entries
from whalefall.accounts.throttles import sweep_throttles
from whalefall.api.options import WireOptions
from whalefall.api.routes import api_routes
from whalefall.base.activity_log import (
    KEPT_DAYS,
    LoadSample,
    answer_days,
    load_samples,
    record_activity,
)
from whalefall.base.db import Database
from whalefall.base.tables import metadata
from whalefall.serving.activity import ActivityRecorder, AnswerTally

SECRET_WORDS = "the whale sings at midnight"


def num_rows(conn: Connection) -> dict[str, int]:
    tables = metadata.sorted_tables
    return {
        table.name: int(conn.execute(select(func.count()).select_from(table)).scalar_one())
        for table in tables
    }


def every_text(conn: Connection) -> str:
    rows = [row for table in metadata.sorted_tables for row in conn.execute(select(table))]
    return "\n".join(str(tuple(row)) for row in rows)


async def test_a_flood_of_refused_calls_is_one_line_per_status(
    database: Database, clock: FakeClock
) -> None:
    tally = AnswerTally(clock)
    app = Starlette(routes=api_routes(ScriptedPlatform(), WireOptions(), tally.note))
    before = await database.read(num_rows)
    for index in range(200):
        await call(app, "/models", headers={"authorization": f"Bearer sk-{index:032x}"})
    await ActivityRecorder(tally, [], database, clock).record()
    after = await database.read(num_rows)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        answer_days.name: 1
    }


async def test_guessing_addresses_writes_no_audit_entries_and_throttles_are_swept(
    browser: Browser,
) -> None:
    await browser.open("/sign_in")
    for index in range(12):
        await browser.submit("/sign_in", email=f"nobody{index}@example.org", password="x" * 12)
    counts = browser.database.run(num_rows)
    assert counts[audit_entries.name] == 0
    browser.clock.advance(timedelta(days=2).total_seconds())
    browser.database.run(sweep_throttles, browser.clock.now())
    assert browser.database.run(num_rows)["throttles"] == 0


async def test_charts_keep_a_day_of_minutes_and_a_year_of_days(
    database: Database, clock: FakeClock
) -> None:
    for days in (1, 1, KEPT_DAYS, 1):
        clock.advance(timedelta(days=days).total_seconds())
        now = clock.now()
        sample = LoadSample("tiny", now, 1, 1, 1, 1, 0, 0)
        await database.write(record_activity, {(now.date(), 200): 1}, [sample], now)
    counts = await database.read(num_rows)
    assert counts[load_samples.name] == 2
    assert counts[answer_days.name] == 2


async def test_what_was_said_is_in_no_log_and_no_table(database: Database) -> None:
    """For calls that succeed, are refused and break."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    with structlog.testing.capture_logs() as entries:
        for platform in (ScriptedPlatform(), ScriptedPlatform(refusal=RuntimeError("a bug"))):
            app = Starlette(routes=api_routes(platform, WireOptions()))
            body = chat_body(messages=[{"role": "user", "content": SECRET_WORDS}])
            await call(app, "/chat/completions", body)
            await call(app, "/chat/completions", {**body, "temperature": 9})
            await call(app, "/chat/completions", SECRET_WORDS.encode())
    logging.getLogger().removeHandler(handler)
    assert "a bug" in stream.getvalue()
    assert SECRET_WORDS not in stream.getvalue() + str(entries)
    assert SECRET_WORDS not in await database.read(every_text)
