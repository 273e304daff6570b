"""The operator's view of money that goes back: refunds under way, failed or made by hand, and what
payers' banks took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.base.errors import InvalidRequestError
from whalefall.billing.chargebacks import (
    Chargeback,
    list_chargebacks,
    lose_chargeback,
    win_chargeback,
)
from whalefall.billing.refund_queue import try_soon
from whalefall.billing.refunds import (
    Refund,
    RefundState,
    ask_again,
    confirm_refund,
    fail_refund,
    get_refund,
    list_refunds,
)
from whalefall.billing.top_ups import TopUpSource
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.language import mark
from whalefall.console.refund_sender import give_up
from whalefall.console.routing import Action, Load, View
from whalefall.console.session import Standing, Visit

Id = Annotated[str, msgspec.Meta(max_length=64)]


class RefundId(msgspec.Struct, frozen=True):
    refund_id: Id


class ByHand(msgspec.Struct, frozen=True):
    refund_id: Id
    outcome: Literal["done", "failed"]
    note: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """The bank's reference of the transfer, or why it cannot be made."""


class ChargebackId(msgspec.Struct, frozen=True):
    chargeback_id: Id


@dataclass(frozen=True, slots=True)
class OperatorRefundsPage:
    refunds: tuple[Refund, ...]
    chargebacks: tuple[Chargeback, ...]
    sources: tuple[TopUpSource, ...]
    """Those that a provider is set up for; the rest is returned by hand."""


async def load_refunds(visit: Visit, _query: NoFields) -> OperatorRefundsPage:
    sources = tuple(visit.context.payment_providers)
    return await visit.database.read(_page, sources)


async def retry(visit: Visit, fields: RefundId) -> Refund:
    return await visit.database.write(_retry, visit.actor, fields.refund_id, visit.now)


async def give_up_refund(visit: Visit, fields: RefundId) -> Refund:
    """What the provider says is known only afterwards, so the note in the audit log follows."""
    providers = visit.context.payment_providers
    ended = await give_up(visit.database, providers, fields.refund_id, visit.now)
    await visit.database.write(
        record_action, visit.actor, "refund.given_up", ended.id, visit.now, ended.state.value
    )
    if ended.is_open:
        raise RefusedError(mark("The provider has this refund under way. It stays as it is."))
    return ended


async def settle(visit: Visit, fields: ByHand) -> Refund:
    sources = tuple(visit.context.payment_providers)
    return await visit.database.write(_settle, visit.actor, fields, sources, visit.now)


async def won(visit: Visit, fields: ChargebackId) -> Chargeback:
    return await visit.database.write(_won, visit.actor, fields.chargeback_id, visit.now)


async def lost(visit: Visit, fields: ChargebackId) -> Chargeback:
    return await visit.database.write(_lost, visit.actor, fields.chargeback_id, visit.now)


def _page(conn: Connection, sources: tuple[TopUpSource, ...]) -> OperatorRefundsPage:
    return OperatorRefundsPage(
        refunds=tuple(list_refunds(conn)),
        chargebacks=tuple(list_chargebacks(conn)),
        sources=sources,
    )


def _retry(conn: Connection, actor: Actor, refund_id: str, now: datetime) -> Refund:
    """A failed one is asked for anew; any other is talked about at the next round."""
    found = get_refund(conn, refund_id)
    is_over = found.state is RefundState.FAILED
    made = ask_again(conn, refund_id, now) if is_over else try_soon(conn, refund_id, now)
    record_action(conn, actor, "refund.retried", refund_id, now, made.id)
    return made


def _settle(
    conn: Connection,
    actor: Actor,
    fields: ByHand,
    sources: tuple[TopUpSource, ...],
    now: datetime,
) -> Refund:
    """Only where no provider does it: nobody's hand and a provider pay the same refund."""
    found = get_refund(conn, fields.refund_id)
    if found.source in sources:
        raise InvalidRequestError(mark("This refund is made by its payment provider."))
    if not found.is_open:
        raise InvalidRequestError(mark("This refund has ended already."))
    end = confirm_refund if fields.outcome == "done" else fail_refund
    ended = end(conn, found.id, fields.note, now)
    detail = f"{fields.outcome}: {fields.note}"
    record_action(conn, actor, "refund.settled", found.id, now, detail)
    return ended


def _won(conn: Connection, actor: Actor, chargeback_id: str, now: datetime) -> Chargeback:
    done = win_chargeback(conn, chargeback_id, now)
    record_action(conn, actor, "chargeback.won", done.id, now)
    return done


def _lost(conn: Connection, actor: Actor, chargeback_id: str, now: datetime) -> Chargeback:
    done = lose_chargeback(conn, chargeback_id, now)
    record_action(conn, actor, "chargeback.lost", done.id, now)
    return done


OPERATOR_REFUNDS = View(
    "/operator/refunds",
    "operator/refunds.html",
    load_refunds,
    "Refunds and chargebacks of everybody, open ones first.",
    standing=Standing.OPERATOR,
)


def _action(path: str, run: Load, fields: type[msgspec.Struct], text: str) -> Action:
    return Action(
        f"/operator/{path}",
        run,
        OPERATOR_REFUNDS,
        text,
        fields=fields,
        then="/operator/refunds?notice=saved",
        standing=Standing.OPERATOR,
    )


VIEWS = (OPERATOR_REFUNDS,)
ACTIONS = (
    _action(
        "refunds/{refund_id}/retry", retry, RefundId, "Try a refund again, or ask for it anew."
    ),
    _action(
        "refunds/{refund_id}/give_up",
        give_up_refund,
        RefundId,
        "Return the money to the balance, unless the provider has the refund under way or done.",
    ),
    _action(
        "refunds/{refund_id}/settle",
        settle,
        ByHand,
        "Note that a refund was returned by hand, or cannot be.",
    ),
    _action(
        "chargebacks/{chargeback_id}/won",
        won,
        ChargebackId,
        "A dispute was won: everybody has again what was taken.",
    ),
    _action(
        "chargebacks/{chargeback_id}/lost",
        lost,
        ChargebackId,
        "A dispute was lost: it stays as it is.",
    ),
)
