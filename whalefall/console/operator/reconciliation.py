"""Whether all books agree: every run with what it found, and a run of one's own at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.billing.reconciliation import (
    Finding,
    Reconciliation,
    findings_of,
    get_run,
    is_stale,
    list_runs,
)
from whalefall.billing.top_ups import TopUpSource
from whalefall.console.forms import NoFields
from whalefall.console.reconciler import Reconciler
from whalefall.console.routing import Action, View
from whalefall.console.session import Standing, Visit


class RunId(msgspec.Struct, frozen=True):
    run_id: Annotated[str, msgspec.Meta(max_length=64)]


@dataclass(frozen=True, slots=True)
class RunsPage:
    runs: tuple[Reconciliation, ...]
    sources: tuple[TopUpSource, ...]
    """Whose statements are compared."""
    is_stale: bool
    """The last one is too long ago, or there was none."""


@dataclass(frozen=True, slots=True)
class RunPage:
    run: Reconciliation
    findings: tuple[Finding, ...]


async def load_runs(visit: Visit, _query: NoFields) -> RunsPage:
    runs = await visit.database.read(list_runs)
    finished = [each for each in runs if each.finished_at is not None]
    stale = not finished or is_stale(finished[0], visit.now)
    return RunsPage(tuple(runs), tuple(visit.context.payment_providers), stale)


async def load_run(visit: Visit, query: RunId) -> RunPage:
    return await visit.database.read(_run_page, query.run_id)


async def reconcile(visit: Visit, _fields: NoFields) -> Reconciliation:
    context = visit.context
    reconciler = Reconciler(
        context.database, context.clock, context.payment_providers, visit.console.catalogs
    )
    done = await reconciler.reconcile(visit.person.email)
    await visit.database.write(_record, visit.actor, done, visit.now)
    return done


def _run_page(conn: Connection, run_id: str) -> RunPage:
    return RunPage(get_run(conn, run_id), tuple(findings_of(conn, run_id)))


def _record(conn: Connection, actor: Actor, done: Reconciliation, now: datetime) -> None:
    detail = f"{done.day}: {done.num_differences} differences"
    record_action(conn, actor, "books.reconciled", done.id, now, detail)


RUNS = View(
    "/operator/reconciliation",
    "operator/reconciliation.html",
    load_runs,
    "Reconciliations, newest first, with how many differences each found.",
    standing=Standing.OPERATOR,
)
RUN = View(
    "/operator/reconciliation/{run_id}",
    "operator/reconciliation_run.html",
    load_run,
    "One reconciliation: its figures and its differences.",
    query=RunId,
    standing=Standing.OPERATOR,
)

VIEWS = (RUNS, RUN)
ACTIONS = (
    Action(
        "/operator/reconciliation",
        reconcile,
        RUNS,
        "Reconcile now: fetch statements, compare all books, keep what differs.",
        then="/operator/reconciliation?notice=reconciled",
        standing=Standing.OPERATOR,
    ),
)
