"""The operator's redemption codes: made in batches, shown once, withdrawn when need be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.base.money import Currency, nanos_from_text
from whalefall.billing.code_batches import (
    GRANT_DAYS_MAX,
    NUM_CODES_MAX,
    NUM_USES_MAX,
    CodeBatch,
    NewBatch,
    create_codes,
    list_batches,
    revoke_batch,
)
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.language import mark
from whalefall.console.operator.users import NOT_AN_AMOUNT
from whalefall.console.routing import Action, View
from whalefall.console.session import Standing, Visit

Text = Annotated[str, msgspec.Meta(max_length=200)]


class MakeCodes(msgspec.Struct, frozen=True):
    amount: Annotated[str, msgspec.Meta(max_length=30)]
    currency: Currency
    num_codes: Annotated[int, msgspec.Meta(ge=1, le=NUM_CODES_MAX)] = 1
    num_uses: Annotated[int, msgspec.Meta(ge=1, le=NUM_USES_MAX)] = 1
    """How many accounts may use each code."""
    days: Annotated[int, msgspec.Meta(ge=1, le=GRANT_DAYS_MAX)] | None = None
    """How long what was given lasts, from the redemption on."""
    last_day: date | None = None
    """Until when the codes can be redeemed, in UTC."""
    reason: Text = ""


class BatchId(msgspec.Struct, frozen=True):
    batch_id: Annotated[str, msgspec.Meta(max_length=64)]


@dataclass(frozen=True, slots=True)
class CodesPage:
    batches: tuple[CodeBatch, ...]


@dataclass(frozen=True, slots=True)
class MadeCodes:
    """The only time the codes are seen."""

    batch: CodeBatch
    codes: tuple[str, ...]

    @property
    def csv(self) -> str:
        return "".join(f"{line}\r\n" for line in ("code", *self.codes))


async def load_codes(visit: Visit, _query: NoFields) -> CodesPage:
    return CodesPage(tuple(await visit.database.read(list_batches)))


async def make_codes(visit: Visit, fields: MakeCodes) -> MadeCodes:
    new = NewBatch(
        reason=fields.reason,
        currency=fields.currency,
        amount_nanos=_nanos(fields.amount),
        num_codes=fields.num_codes,
        now=visit.now,
        num_uses_max=fields.num_uses,
        grant_days=fields.days,
        expires_at=_end_of(fields.last_day, visit.now),
    )
    return await visit.database.write(_make, visit.actor, new)


async def revoke(visit: Visit, fields: BatchId) -> CodeBatch:
    return await visit.database.write(_revoke, visit.actor, fields.batch_id, visit.now)


def _nanos(text: str) -> int:
    try:
        nanos = nanos_from_text(text)
    except ValueError:
        raise RefusedError(NOT_AN_AMOUNT) from None
    if nanos <= 0:
        raise RefusedError(mark("An amount is greater than zero."))
    return nanos


def _end_of(day: date | None, now: datetime) -> datetime | None:
    if day is None:
        return None
    if day < now.date() or day.year >= now.year + 100:
        raise RefusedError(mark("The last day lies in the past, or too far ahead."))
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def _make(conn: Connection, actor: Actor, new: NewBatch) -> MadeCodes:
    batch, codes = create_codes(conn, new)
    detail = f"{new.num_codes} codes of {new.amount_nanos} nanos {new.currency} {new.reason}"
    record_action(conn, actor, "codes.created", batch.id, new.now, detail)
    return MadeCodes(batch, codes)


def _revoke(conn: Connection, actor: Actor, batch_id: str, now: datetime) -> CodeBatch:
    batch = revoke_batch(conn, batch_id, now)
    record_action(conn, actor, "codes.revoked", batch_id, now)
    return batch


CODES = View(
    "/operator/codes",
    "operator/codes.html",
    load_codes,
    "Batches of redemption codes and how often they were used; no code itself.",
    standing=Standing.OPERATOR,
)

VIEWS = (CODES,)
ACTIONS = (
    Action(
        "/operator/codes",
        make_codes,
        CODES,
        "Make a batch of redemption codes; they are answered this once only.",
        fields=MakeCodes,
        standing=Standing.OPERATOR,
    ),
    Action(
        "/operator/codes/{batch_id}/revoke",
        revoke,
        CODES,
        "Withdraw a batch: its codes give nothing any more.",
        fields=BatchId,
        then="/operator/codes?notice=codes_revoked",
        standing=Standing.OPERATOR,
    ),
)
