"""Rating past days again: looked at as a dry run, then credited exactly as it was looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.users import find_user
from whalefall.base.errors import InvalidRequestError
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.billing.price_book import PriceBook
from whalefall.billing.rerating import (
    Correction,
    Proposal,
    RatingRange,
    RatingRule,
    Run,
    apply_corrections,
    batches,
    propose,
)
from whalefall.console.forms import RefusedError
from whalefall.console.language import mark
from whalefall.console.routing import Action, View
from whalefall.console.session import Standing, Visit

NUM_SHOWN = 50
Text = Annotated[str, msgspec.Meta(max_length=200)]


class Rating(msgspec.Struct, frozen=True):
    first: date | None = None
    """The first day, in UTC; without it nothing is rated."""
    last: date | None = None
    email: Annotated[str, msgspec.Meta(max_length=254)] = ""
    """Only this user; empty: everybody."""
    model: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """Only this model, as billed."""
    price: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """An id of the price list such as `v3.2`; empty: what today's list says of each instant."""
    hit_percent: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    """At least this share of every prompt is taken as cached."""


class Apply(Rating, frozen=True, kw_only=True):
    digest: Annotated[str, msgspec.Meta(max_length=64)]
    """Of the dry run that was looked at; another figure since then is a refusal."""
    reason: Text = ""
    days: Annotated[int, msgspec.Meta(ge=1, le=3650)] | None = None
    """How long the credit lasts; none: it does not expire."""


@dataclass(frozen=True, slots=True)
class UserCredit:
    user_id: str
    currency: Currency
    num_requests: int
    credit_nanos: int


@dataclass(frozen=True, slots=True)
class DryRun:
    num_requests: int
    num_corrections: int
    credit_nanos: dict[Currency, int]
    num_dearer: int
    dearer_nanos: dict[Currency, int]
    num_unpriced: int
    users: tuple[UserCredit, ...]
    """Those with the largest credits."""
    num_users: int
    examples: tuple[Correction, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class ReratingPage:
    prices: tuple[str, ...]
    models: tuple[str, ...]
    asked: Rating
    dry_run: DryRun | None


@dataclass(frozen=True, slots=True)
class Applied:
    run_id: str
    num_corrections: int
    credit_nanos: dict[Currency, int]


async def load_rerating(visit: Visit, query: Rating) -> ReratingPage:
    book = visit.context.price_book
    names = dict.fromkeys(entry.price.id.partition("/")[0] for entry in book.listed())
    dry_run = None
    if query.first is not None:
        dry_run = summed_up(await _propose(visit, query))
    return ReratingPage(tuple(names), book.models(), query, dry_run)


async def apply(visit: Visit, fields: Apply) -> Applied:
    proposal = await _propose(visit, fields)
    if proposal.digest != fields.digest:
        raise RefusedError(mark("The figures have changed since. Please look at them again."))
    if not proposal.corrections:
        raise RefusedError(mark("There is nothing to credit."))
    expires_at = visit.now + timedelta(days=fields.days) if fields.days else None
    run = Run(new_id("rerating"), fields.reason, visit.now, expires_at)
    # Each batch is durable by itself. What is missing after a crash is found by the next dry run.
    given: dict[Currency, int] = {}
    for batch in batches(proposal.corrections):
        nanos = await visit.database.write(apply_corrections, run, batch)
        given[batch[0].currency] = given.get(batch[0].currency, 0) + nanos
    applied = Applied(run.run_id, len(proposal.corrections), given)
    await visit.database.write(_record, visit.actor, fields, applied, visit.now)
    return applied


def summed_up(proposal: Proposal) -> DryRun:
    users = _by_user(proposal.corrections)
    credit: dict[Currency, int] = {}
    for each in users:
        credit[each.currency] = credit.get(each.currency, 0) + each.credit_nanos
    return DryRun(
        num_requests=proposal.num_requests,
        num_corrections=len(proposal.corrections),
        credit_nanos=credit,
        num_dearer=proposal.num_dearer,
        dearer_nanos=dict(proposal.dearer_nanos),
        num_unpriced=proposal.num_unpriced,
        users=tuple(sorted(users, key=lambda each: -each.credit_nanos)[:NUM_SHOWN]),
        num_users=len({each.user_id for each in users}),
        examples=proposal.corrections[:NUM_SHOWN],
        digest=proposal.digest,
    )


async def _propose(visit: Visit, fields: Rating) -> Proposal:
    if fields.first is None or fields.last is None:
        raise RefusedError(mark("Choose the first and the last day."))
    return await visit.database.read(_proposal, visit.context.price_book, fields)


def _proposal(conn: Connection, book: PriceBook, fields: Rating) -> Proposal:
    assert fields.first is not None
    assert fields.last is not None
    user = find_user(conn, fields.email) if fields.email else None
    if fields.email and user is None:
        raise InvalidRequestError(mark("There is no user with that address."))
    span = RatingRange(fields.first, fields.last, user.id if user else None, fields.model or None)
    return propose(conn, book, span, RatingRule(fields.price, fields.hit_percent))


def _by_user(corrections: Iterable[Correction]) -> list[UserCredit]:
    sums: dict[tuple[str, Currency], list[int]] = {}
    for each in corrections:
        entry = sums.setdefault((each.user_id, each.currency), [0, 0])
        entry[0] += 1
        entry[1] += each.credit_nanos
    return [UserCredit(user, currency, *entry) for (user, currency), entry in sums.items()]


def _record(conn: Connection, actor: Actor, fields: Apply, applied: Applied, now: datetime) -> None:
    given = ", ".join(
        f"{nanos} nanos {currency}" for currency, nanos in applied.credit_nanos.items()
    )
    detail = f"{fields.first} to {fields.last}: {applied.num_corrections} requests, {given}"
    record_action(conn, actor, "usage.rerated", applied.run_id, now, detail)


RERATING = View(
    "/operator/rerating",
    "operator/rerating.html",
    load_rerating,
    "A dry run: what past days would cost by another rule, and who would be credited how much.",
    query=Rating,
    standing=Standing.OPERATOR,
)

VIEWS = (RERATING,)
ACTIONS = (
    Action(
        "/operator/rerating",
        apply,
        RERATING,
        "Credit what a dry run showed, one posting per request.",
        fields=Apply,
        standing=Standing.OPERATOR,
    ),
)
