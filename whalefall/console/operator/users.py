"""The operator's view of people: find, look, grant, record a payment, suspend, reinstate. Every
action is in the audit log with the one who did it."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.account_limits import account_limits_of, set_account_limits
from whalefall.accounts.api_keys import LIMIT_MAX, APIKey, KeyLimits, list_api_keys
from whalefall.accounts.audit import Actor, AuditEntry, list_actions, record_action
from whalefall.accounts.closure import is_closed
from whalefall.accounts.directory import QUERY_LENGTH_MAX, search_users
from whalefall.accounts.logins import revoke_logins
from whalefall.accounts.second_factor import remove_second_factor, second_factor_of
from whalefall.accounts.users import User, get_user, reinstate_user, suspend_user
from whalefall.accounts.verification import Identity, verified_identity
from whalefall.base.errors import InvalidRequestError
from whalefall.base.money import Currency, nanos_from_text
from whalefall.billing.grants import Grant, GrantRequest, grant, list_grants
from whalefall.billing.ledger import Balance
from whalefall.billing.top_ups import Deposit, TopUp, TopUpState, list_top_ups, record_top_up
from whalefall.console.forms import RefusedError
from whalefall.console.language import mark
from whalefall.console.pages.usage import shown_balances
from whalefall.console.routing import Action, Load, View
from whalefall.console.session import Standing, Visit

PAGE_LENGTH = 50
NOT_AN_AMOUNT = mark("That is not an amount; write it like 12.50.")
Id = Annotated[str, msgspec.Meta(max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=200)]


class UsersQuery(msgspec.Struct, frozen=True):
    q: Annotated[str, msgspec.Meta(max_length=QUERY_LENGTH_MAX)] = ""
    """Part of an address, or an id."""
    after: Annotated[str, msgspec.Meta(max_length=QUERY_LENGTH_MAX)] = ""


class UserId(msgspec.Struct, frozen=True):
    user_id: Id


class Reasoned(msgspec.Struct, frozen=True):
    user_id: Id
    reason: Text = ""


class GiveMoney(msgspec.Struct, frozen=True):
    user_id: Id
    amount: Annotated[str, msgspec.Meta(max_length=30)]
    idempotency_key: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    """Chosen by the caller: the same key gives once, however often it is sent."""
    currency: Currency | None = None
    """The account's own when left out."""
    reason: Text = ""
    days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """For grants: how long it lasts."""


Limit = Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)]


class SetLimits(msgspec.Struct, frozen=True):
    """What is left out is not limited."""

    user_id: Id
    requests_per_minute: Limit | None = None
    tokens_per_minute: Limit | None = None
    concurrency: Limit | None = None


@dataclass(frozen=True, slots=True)
class UsersPage:
    q: str
    users: tuple[User, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class UserPage:
    user: User
    is_closed: bool
    identity: Identity | None
    has_second_factor: bool
    balances: tuple[Balance, ...]
    limits: KeyLimits
    """Over all keys of the account."""
    api_keys: tuple[APIKey, ...]
    grants: tuple[Grant, ...]
    top_ups: tuple[TopUp, ...]
    actions: tuple[AuditEntry, ...]
    new_idempotency_key: str


async def load_users(visit: Visit, query: UsersQuery) -> UsersPage:
    found = await visit.database.read(
        search_users, query.q, after_email=query.after, limit=PAGE_LENGTH
    )
    next_after = found[-1].email if len(found) == PAGE_LENGTH else None
    return UsersPage(query.q, tuple(found), next_after)


async def load_user(visit: Visit, query: UserId) -> UserPage:
    return await visit.database.read(_user_page, query.user_id, visit.now)


async def suspend(visit: Visit, fields: Reasoned) -> User:
    return await visit.database.write(_suspend, visit.actor, fields, visit.now)


async def reinstate(visit: Visit, fields: Reasoned) -> User:
    return await visit.database.write(_reinstate, visit.actor, fields, visit.now)


async def end_logins(visit: Visit, fields: UserId) -> None:
    await visit.database.write(_end_logins, visit.actor, fields.user_id, visit.now)


async def reset_second_factor(visit: Visit, fields: UserId) -> None:
    await visit.database.write(_reset_second_factor, visit.actor, fields.user_id, visit.now)


async def set_limits(visit: Visit, fields: SetLimits) -> KeyLimits:
    limits = KeyLimits(fields.requests_per_minute, fields.tokens_per_minute, fields.concurrency)
    await visit.database.write(_set_limits, visit.actor, fields.user_id, limits, visit.now)
    await visit.context.limits_changed()
    return limits


async def give_grant(visit: Visit, fields: GiveMoney) -> Grant:
    return await visit.database.write(_grant, visit.actor, fields, _nanos(fields), visit.now)


async def record_payment(visit: Visit, fields: GiveMoney) -> None:
    await visit.database.write(_deposit, visit.actor, fields, _nanos(fields), visit.now)


def _nanos(fields: GiveMoney) -> int:
    try:
        nanos = nanos_from_text(fields.amount)
    except ValueError:
        raise RefusedError(NOT_AN_AMOUNT) from None
    if nanos <= 0:
        raise RefusedError(mark("An amount is greater than zero."))
    return nanos


def _user_page(conn: Connection, user_id: str, now: datetime) -> UserPage:
    user = get_user(conn, user_id)
    return UserPage(
        user=user,
        is_closed=is_closed(user),
        identity=verified_identity(conn, user_id),
        has_second_factor=second_factor_of(conn, user_id).is_on,
        balances=shown_balances(conn, user, now),
        limits=account_limits_of(conn, user_id),
        api_keys=tuple(list_api_keys(conn, user_id)),
        grants=tuple(reversed(list_grants(conn, user_id))),
        top_ups=tuple(list_top_ups(conn, user_id, state=TopUpState.PAID)),
        actions=tuple(list_actions(conn, subject=user_id, limit=50)),
        new_idempotency_key=secrets.token_hex(16),
    )


def _changeable(conn: Connection, actor: Actor, user_id: str) -> User:
    """An operator stands above users, not above operators, nor above himself."""
    user = get_user(conn, user_id)
    if user.is_admin or user.id == actor.id:
        raise InvalidRequestError(NOT_ABOVE)
    return user


NOT_ABOVE = mark("Operators are changed from the command line only.")


def _suspend(conn: Connection, actor: Actor, fields: Reasoned, now: datetime) -> User:
    user = _changeable(conn, actor, fields.user_id)
    record_action(conn, actor, "user.suspended", user.id, now, fields.reason)
    return suspend_user(conn, user.id, now)


def _reinstate(conn: Connection, actor: Actor, fields: Reasoned, now: datetime) -> User:
    user = _changeable(conn, actor, fields.user_id)
    if is_closed(user):
        raise InvalidRequestError(mark("This account was deleted by its owner."))
    record_action(conn, actor, "user.reinstated", user.id, now, fields.reason)
    return reinstate_user(conn, user.id)


def _end_logins(conn: Connection, actor: Actor, user_id: str, now: datetime) -> None:
    user = _changeable(conn, actor, user_id)
    revoke_logins(conn, user.id, now)
    record_action(conn, actor, "login.revoked_all", user.id, now)


def _reset_second_factor(conn: Connection, actor: Actor, user_id: str, now: datetime) -> None:
    user = _changeable(conn, actor, user_id)
    remove_second_factor(conn, user.id)
    revoke_logins(conn, user.id, now)
    record_action(conn, actor, "second_factor.reset", user.id, now)


def _set_limits(
    conn: Connection, actor: Actor, user_id: str, limits: KeyLimits, now: datetime
) -> None:
    set_account_limits(conn, user_id, limits)
    words = [f"{name}={value}" for name, value in asdict(limits).items() if value is not None]
    record_action(conn, actor, "limits.set", user_id, now, " ".join(words) or "none")


def _grant(conn: Connection, actor: Actor, fields: GiveMoney, nanos: int, now: datetime) -> Grant:
    user = get_user(conn, fields.user_id)
    given = grant(
        conn,
        GrantRequest(
            user_id=user.id,
            currency=fields.currency or user.currency,
            amount_nanos=nanos,
            idempotency_key=f"operator:{fields.idempotency_key}",
            reason=fields.reason,
            now=now,
            expires_at=now + timedelta(days=fields.days),
        ),
    )
    detail = f"{fields.amount} {given.currency} {fields.reason}"
    record_action(conn, actor, "balance.granted", user.id, now, detail)
    return given


def _deposit(conn: Connection, actor: Actor, fields: GiveMoney, nanos: int, now: datetime) -> None:
    user = get_user(conn, fields.user_id)
    currency = fields.currency or user.currency
    key = f"operator:{fields.idempotency_key}"
    record_top_up(conn, Deposit(user.id, currency, nanos, key, fields.reason, now))
    detail = f"{fields.amount} {currency} {fields.reason}"
    record_action(conn, actor, "balance.topped_up", user.id, now, detail)


USERS = View(
    "/operator/users",
    "operator/users.html",
    load_users,
    "Users by address, fifty at a time.",
    query=UsersQuery,
    standing=Standing.OPERATOR,
)
USER = View(
    "/operator/users/{user_id}",
    "operator/user.html",
    load_user,
    "One user with balances, keys (masked) and what was done.",
    query=UserId,
    standing=Standing.OPERATOR,
)
VIEWS = (USERS, USER)


def _action(name: str, run: Load, fields: type[msgspec.Struct], notice: str, text: str) -> Action:
    return Action(
        f"/operator/users/{{user_id}}/{name}",
        run,
        USER,
        text,
        fields=fields,
        then=f"/operator/users/{{user_id}}?notice={notice}",
        standing=Standing.OPERATOR,
    )


ACTIONS = (
    _action("suspend", suspend, Reasoned, "user_suspended", "Suspend: keys and logins stop."),
    _action("reinstate", reinstate, Reasoned, "user_reinstated", "End a suspension."),
    _action("sign_out", end_logins, UserId, "logins_revoked", "End all logins of a user."),
    _action(
        "reset_second_factor",
        reset_second_factor,
        UserId,
        "second_factor_off",
        "Take away a lost second factor; ends all logins.",
    ),
    _action("limits", set_limits, SetLimits, "limits_set", "Limit an account over all its keys."),
    _action("grant", give_grant, GiveMoney, "granted", "Give money with an end date."),
    _action("top_up", record_payment, GiveMoney, "topped_up", "Record a payment that arrived."),
)
