"""Reconciliation: all books that ought to agree, compared once a day, and the differences kept.

Four parts: `ledger` replays every balance and compares it with usage, top-ups, refunds and what
else has a proof of its own; `provider` compares with the statements that providers gave; `engines`
with what the engines counted. What could not be compared is a finding, too: silence proves nothing.
Fetching statements and telling people is done elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.base.days import day_from_number, number_from_day
from whalefall.base.errors import NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.tables import Instant, metadata
from whalefall.billing.differences import Difference
from whalefall.billing.engine_proof import check_engines, engine_figures
from whalefall.billing.provider_statements import check_statement, statement_sums
from whalefall.billing.top_ups import TopUpSource
from whalefall.billing.verification import verify

NUM_FINDINGS_MAX = 1000
NUM_LISTED_MAX = 100
TEXT_LENGTH_MAX = 500
LEASE = timedelta(minutes=30)
"""After this a run that did not finish is taken for dead."""
STALE = timedelta(hours=48)
"""Without a finished run for so long, somebody has to look."""
LEDGER, ENGINES, PROVIDER = "ledger", "engines", "provider"

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("claim", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("num_differences", Integer, nullable=False),
    Column("figures", Text, nullable=False),
    UniqueConstraint("claim"),
    Index(None, "started_at"),
)

reconciliation_findings = Table(
    "reconciliation_findings",
    metadata,
    Column("reconciliation_id", Text, ForeignKey("reconciliations.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("part", Text, nullable=False),
    Column("check_name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("expected", Text, nullable=False),
    Column("found", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Finding:
    part: str
    """`ledger`, `engines` or `provider:stripe`."""
    difference: Difference


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A statement that could not be had."""

    source: TopUpSource
    day: date
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one look at all books gave."""

    findings: tuple[Finding, ...]
    figures: dict[str, int]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    id: str
    day: date
    """Whose statements were compared; the other parts look at all there is."""
    asked_by: str
    """`daily`, or the address of whoever asked."""
    started_at: datetime
    finished_at: datetime | None
    num_differences: int
    figures: dict[str, int]

    @property
    def is_clean(self) -> bool:
        return self.finished_at is not None and self.num_differences == 0


def compare_books(
    conn: Connection,
    statements: Sequence[tuple[TopUpSource, date]],
    unavailable: Sequence[Unavailable],
    now: datetime,
) -> Comparison:
    """On one snapshot. `statements` are those fetched for this, oldest first; they are in the
    database already."""
    report = verify(conn)
    findings = [Finding(LEDGER, each) for each in report.differences]
    findings += [Finding(ENGINES, each) for each in check_engines(conn, now)]
    figures = {
        "ledger_accounts": report.num_accounts,
        "transfers": report.num_transfers,
        "holds": report.num_holds,
        "usage_records": report.num_usage_records,
        **asdict(engine_figures(conn, now)),
    }
    for source, day in statements:
        part = f"{PROVIDER}:{source}"
        findings += [Finding(part, each) for each in check_statement(conn, source, day)]
        for total in statement_sums(conn, source, day):
            name = f"{source}_{total.currency.lower()}"
            for kind, nanos in (("paid", total.paid_nanos), ("returned", total.returned_nanos)):
                figure = f"{name}_{kind}_nanos"
                figures[figure] = figures.get(figure, 0) + nanos
    for missing in unavailable:
        expected = f"the statement of {missing.day}"
        difference = Difference("statement", missing.source.value, expected, missing.reason)
        findings.append(Finding(f"{PROVIDER}:{missing.source}", difference))
    return Comparison(tuple(findings), figures)


def claim_daily(conn: Connection, day: date, now: datetime) -> str | None:
    """The id of this day's run, when it is to be made and by whoever asks; None when it was made,
    or another process is at it."""
    claim = f"daily:{day}"
    row = _new_row(claim, day, "daily", now)
    made = conn.execute(
        upsert(reconciliations).values(row).on_conflict_do_nothing().returning(reconciliations.c.id)
    ).scalar_one_or_none()
    if made is not None:
        return str(made)
    is_dead = (
        (reconciliations.c.claim == claim)
        & reconciliations.c.finished_at.is_(None)
        & (reconciliations.c.started_at <= now - LEASE)
    )
    taken = update(reconciliations).where(is_dead).values(started_at=now)
    found = conn.execute(taken.returning(reconciliations.c.id)).scalar_one_or_none()
    return None if found is None else str(found)


def begin_run(conn: Connection, day: date, asked_by: str, now: datetime) -> str:
    """A run that somebody asks for."""
    row = _new_row(new_id("asked"), day, asked_by, now)
    conn.execute(insert(reconciliations).values(row))
    return str(row["id"])


def finish_run(conn: Connection, run_id: str, comparison: Comparison, now: datetime) -> bool:
    """Keep what was found. False, and nothing kept, when another process has finished it."""
    is_open = (reconciliations.c.id == run_id) & reconciliations.c.finished_at.is_(None)
    values = {
        "finished_at": now,
        "num_differences": len(comparison.findings),
        "figures": msgspec.json.encode(comparison.figures).decode(),
    }
    if conn.execute(update(reconciliations).where(is_open).values(values)).rowcount == 0:
        return False
    kept = comparison.findings[:NUM_FINDINGS_MAX]
    if kept:
        rows = [_finding_row(run_id, index, each) for index, each in enumerate(kept)]
        conn.execute(insert(reconciliation_findings), rows)
    return True


def get_run(conn: Connection, run_id: str) -> Reconciliation:
    """NotFoundError when there is none."""
    row = conn.execute(_SELECT.where(reconciliations.c.id == run_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no reconciliation {run_id}")
    return _run_from_row(row)


def list_runs(conn: Connection, *, limit: int = NUM_LISTED_MAX) -> list[Reconciliation]:
    """Newest first."""
    ordered = _SELECT.order_by(reconciliations.c.started_at.desc(), reconciliations.c.id)
    return [_run_from_row(row) for row in conn.execute(ordered.limit(min(limit, NUM_LISTED_MAX)))]


def findings_of(conn: Connection, run_id: str) -> list[Finding]:
    table = reconciliation_findings.c
    query = select(table.part, table.check_name, table.subject, table.expected, table.found)
    rows = conn.execute(query.where(table.reconciliation_id == run_id).order_by(table.position))
    return [Finding(row[0], Difference(*row[1:])) for row in map(tuple, rows)]


def alarm(conn: Connection, now: datetime) -> Reconciliation | None:
    """The last finished run when it found differences; None when all is well."""
    is_over = reconciliations.c.finished_at.is_not(None)
    query = _SELECT.where(is_over).order_by(reconciliations.c.finished_at.desc()).limit(1)
    row = conn.execute(query).one_or_none()
    found = None if row is None else _run_from_row(row)
    return None if found is None or (found.is_clean and not is_stale(found, now)) else found


def is_stale(run: Reconciliation, now: datetime) -> bool:
    return run.finished_at is None or run.finished_at < now - STALE


def day_to_reconcile(now: datetime) -> date:
    """The last day that is over everywhere, in UTC."""
    return now.astimezone(UTC).date() - timedelta(days=1)


_SELECT = select(*(reconciliations.c[name] for name in Reconciliation.__slots__))


def _new_row(claim: str, day: date, asked_by: str, now: datetime) -> dict[str, object]:
    return {
        "id": new_id("reconciliation"),
        "claim": claim,
        "day": number_from_day(day),
        "asked_by": asked_by,
        "started_at": now,
        "num_differences": 0,
        "figures": "{}",
    }


def _finding_row(run_id: str, position: int, finding: Finding) -> dict[str, object]:
    each = finding.difference
    texts = {
        "part": finding.part,
        "check_name": each.check,
        "subject": each.subject,
        "expected": each.expected,
        "found": each.found,
    }
    short = {name: text[:TEXT_LENGTH_MAX].replace("\0", "") for name, text in texts.items()}
    return {"reconciliation_id": run_id, "position": position, **short}


def _run_from_row(row: Row[Any]) -> Reconciliation:
    values = dict(row._mapping)
    values["day"] = day_from_number(row.day)
    values["figures"] = msgspec.json.decode(row.figures, type=dict[str, int])
    return Reconciliation(**values)
