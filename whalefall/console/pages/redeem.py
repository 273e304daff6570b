"""Redeeming a code on the top-up page. Tries are counted, and a code that gives nothing is answered
in the same way whatever the cause."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.throttles import Limit, may_try
from whalefall.base.errors import RateLimitedError
from whalefall.billing.grants import Grant
from whalefall.billing.redemption import Redemption, redeem
from whalefall.console.pages.sign_in import TOO_MANY_TRIES
from whalefall.console.pages.top_up import TOP_UP
from whalefall.console.routing import Action
from whalefall.console.session import Visit

TRIES_PER_PERSON = Limit("redeem_person", 10, timedelta(hours=1))
TRIES_PER_ADDRESS = Limit("redeem_address", 50, timedelta(hours=1))


class Redeem(msgspec.Struct, frozen=True):
    redemption_code: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """As it was given out; dashes and small letters do not matter."""


async def redeem_code(visit: Visit, fields: Redeem) -> Grant:
    if not await visit.database.write(_may_redeem, visit.person.id, visit.address, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)
    request = Redemption(visit.person.id, fields.redemption_code, visit.now)
    return await visit.database.write(_redeem, visit.actor, request)


def _may_redeem(conn: Connection, user_id: str, address: str, now: datetime) -> bool:
    return all(
        [
            may_try(conn, TRIES_PER_PERSON, user_id, now),
            may_try(conn, TRIES_PER_ADDRESS, address, now),
        ]
    )


def _redeem(conn: Connection, actor: Actor, request: Redemption) -> Grant:
    given = redeem(conn, request)
    record_action(conn, actor, "code.redeemed", given.id, request.now)
    return given


ACTIONS = (
    Action(
        "/redeem",
        redeem_code,
        TOP_UP,
        "Redeem a code: what it is worth is added to the granted balance, once.",
        fields=Redeem,
        then="/top_up?notice=code_redeemed",
    ),
)
