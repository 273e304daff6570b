"""Signing in and out. The answer to a wrong password is the same as to an unknown address, in words
and in time; both are counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection
from starlette.responses import Response

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.logins import Device, Login, create_login, end_login, revoke_login
from whalefall.accounts.profiles import get_profile
from whalefall.accounts.second_factor import second_factor_of
from whalefall.accounts.throttles import Limit, forget_tries, may_try
from whalefall.accounts.users import User, find_user, password_hash_of
from whalefall.base.errors import PermissionDeniedError, RateLimitedError
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.language import mark
from whalefall.console.routing import Action, View, local_path, redirect
from whalefall.console.session import Standing, Visit, sign_in_browser, sign_out_browser

PER_ADDRESS = Limit("sign_in_address", 60, timedelta(minutes=15))
PER_PERSON_AND_ADDRESS = Limit("sign_in_person_address", 8, timedelta(minutes=15))
PER_PERSON = Limit("sign_in_person", 100, timedelta(hours=1))
"""High enough that a stranger cannot lock someone out from one place, low enough that many places
together cannot guess."""

TOO_MANY_TRIES = mark("Too many attempts. Please wait a while and try again.")
WRONG = mark("The e-mail or the password is not right.")
SUSPENDED = mark("Your account has been temporarily suspended.")


class SignInQuery(msgspec.Struct, frozen=True):
    next: str = ""


class SignIn(msgspec.Struct, frozen=True):
    email: str = ""
    password: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class SignInPage:
    next: str
    signed_in_as: str | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    token: str
    expires_at: datetime
    needs_second_factor: bool
    must_change_password: bool
    next: str


async def load_sign_in(visit: Visit, query: SignInQuery) -> SignInPage:
    is_in = visit.standing >= Standing.WITH_GENERATED_PASSWORD
    return SignInPage(local_path(query.next, ""), visit.person.email if is_in else None)


async def sign_in(visit: Visit, fields: SignIn) -> SignedIn:
    email = fields.email.strip().lower()[:300]
    if not await visit.database.write(_count_try, email, visit.address, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)
    user, password_hash = await visit.database.read(_find_person, email)
    is_right = await visit.console.passwords.verify(password_hash, fields.password)
    if user is None or not is_right:
        await visit.database.write(_record_refusal, email, user, visit.address, visit.now)
        raise RefusedError(WRONG)
    if user.is_suspended:
        raise PermissionDeniedError(SUSPENDED)
    old = visit.login.id if visit.login else None
    signed_in = await visit.database.write(_let_in, user, visit.device, old, visit.now)
    return replace(signed_in, next=local_path(fields.next, "/"))


def to_next(visit: Visit, signed_in: SignedIn) -> Response:
    response = redirect(visit, signed_in.next)
    sign_in_browser(response, visit.context, signed_in.token)
    return response


async def sign_out(visit: Visit, _fields: NoFields) -> None:
    await visit.database.write(_end, visit.current_login, visit.actor, visit.now)


def to_sign_in(visit: Visit, _result: None) -> Response:
    response = redirect(visit, "/sign_in?notice=signed_out")
    sign_out_browser(response, visit.context)
    return response


def _count_try(conn: Connection, email: str, address: str, now: datetime) -> bool:
    return all(
        [
            may_try(conn, PER_ADDRESS, address, now),
            may_try(conn, PER_PERSON_AND_ADDRESS, f"{email}\0{address}", now),
            may_try(conn, PER_PERSON, email, now),
        ]
    )


def _find_person(conn: Connection, email: str) -> tuple[User | None, str | None]:
    user = find_user(conn, email)
    return user, password_hash_of(conn, user.id) if user else None


def _record_refusal(
    conn: Connection, email: str, user: User | None, address: str, now: datetime
) -> None:
    """What strangers type is not written down, only that a known account was tried."""
    if user is not None:
        record_action(conn, Actor(None, email, address), "login.refused", user.id, now)


def _let_in(
    conn: Connection, user: User, device: Device, old_login_id: str | None, now: datetime
) -> SignedIn:
    if old_login_id is not None:
        # The browser changes hands: its former login must not outlive that.
        end_login(conn, old_login_id, now)
    needs_second_factor = second_factor_of(conn, user.id).is_on
    login, token = create_login(conn, user.id, device, now, needs_second_factor=needs_second_factor)
    forget_tries(conn, PER_PERSON_AND_ADDRESS, f"{user.email}\0{device.address}")
    actor = Actor(user.id, user.email, device.address)
    record_action(conn, actor, "login.created", user.id, now, login.agent)
    must_change = get_profile(conn, user.id).must_change_password
    return SignedIn(token, login.expires_at, needs_second_factor, must_change, "/")


def _end(conn: Connection, login: Login, actor: Actor, now: datetime) -> None:
    revoke_login(conn, login.id, login.user_id, now)
    record_action(conn, actor, "login.ended", login.user_id, now)


SIGN_IN = View(
    "/sign_in",
    "sign_in.html",
    load_sign_in,
    "Who is signed in.",
    query=SignInQuery,
    standing=Standing.VISITOR,
)
SIGN_IN_ACTION = Action(
    "/sign_in",
    sign_in,
    SIGN_IN,
    "Sign in; `token` is the bearer token of later calls.",
    fields=SignIn,
    then=to_next,
    standing=Standing.VISITOR,
)
SIGN_OUT_ACTION = Action(
    "/sign_out",
    sign_out,
    SIGN_IN,
    "End this login.",
    then=to_sign_in,
    standing=Standing.HALF_SIGNED_IN,
)

VIEWS = (SIGN_IN,)
ACTIONS = (SIGN_IN_ACTION, SIGN_OUT_ACTION)
