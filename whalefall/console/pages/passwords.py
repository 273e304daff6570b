"""Changing a password while signed in, and choosing a new one by mail. Either ends all other
logins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.logins import revoke_logins
from whalefall.accounts.passwords import PASSWORD_LENGTH_MIN
from whalefall.accounts.signup import (
    CodePurpose,
    issue_code,
    reset_password,
    set_own_password,
)
from whalefall.accounts.throttles import Limit, may_try
from whalefall.accounts.users import User, find_user, password_hash_of
from whalefall.base.errors import RateLimitedError
from whalefall.base.mail import queue_mail
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.language import Catalog, mark
from whalefall.console.letters import (
    password_changed_letter,
    reset_letter,
    unknown_reset_letter,
)
from whalefall.console.pages.sign_in import TOO_MANY_TRIES
from whalefall.console.pages.sign_up import (
    WRONG_CODE,
    CodeSent,
    SendCode,
    checked_address,
    may_send_code,
)
from whalefall.console.routing import Action, View
from whalefall.console.session import Standing, Visit

PASSWORD_TRIES = Limit("password_check", 10, timedelta(minutes=15))
RESETS_PER_ADDRESS = Limit("reset_address", 20, timedelta(hours=1))
WRONG_PASSWORD = mark("The password is not right.")


class ChangePassword(msgspec.Struct, frozen=True):
    password: str = ""
    new_password: str = ""


class ResetPassword(msgspec.Struct, frozen=True):
    email: str = ""
    code: str = ""
    new_password: str = ""


@dataclass(frozen=True, slots=True)
class PasswordPage:
    must_change: bool
    length_min: int = PASSWORD_LENGTH_MIN


@dataclass(frozen=True, slots=True)
class ResetPage:
    shows_outbox: bool
    length_min: int = PASSWORD_LENGTH_MIN


async def load_change(visit: Visit, _query: NoFields) -> PasswordPage:
    return PasswordPage(visit.standing is Standing.WITH_GENERATED_PASSWORD)


async def load_reset(visit: Visit, _query: NoFields) -> ResetPage:
    return ResetPage(visit.context.shows_outbox)


async def change_password(visit: Visit, fields: ChangePassword) -> None:
    await check_password(visit, fields.password)
    if fields.password == fields.new_password:
        raise RefusedError(mark("The new password must differ from the old one."))
    password_hash = await visit.console.passwords.hash(fields.new_password)
    await visit.database.write(
        _set_password,
        visit.person,
        password_hash,
        visit.current_login.id,
        visit.now,
        visit.catalog,
        visit.actor,
    )


async def check_password(visit: Visit, password: str) -> None:
    """Before what cannot be undone, the person at the keyboard proves to be the one who signed
    in. RefusedError when not, RateLimitedError when guessing."""
    if not await visit.database.write(may_try, PASSWORD_TRIES, visit.person.id, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)
    stored = await visit.database.read(password_hash_of, visit.person.id)
    if not await visit.console.passwords.verify(stored, password):
        raise RefusedError(WRONG_PASSWORD)


async def send_reset_code(visit: Visit, fields: SendCode) -> CodeSent:
    email = checked_address(fields.email)
    if not await visit.database.write(may_send_code, email, visit.address, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)
    await visit.database.write(_send_reset, visit.catalog, email, visit.now)
    return CodeSent(email)


async def reset(visit: Visit, fields: ResetPassword) -> None:
    email = checked_address(fields.email)
    if not await visit.database.write(may_try, RESETS_PER_ADDRESS, visit.address, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)
    password_hash = await visit.console.passwords.hash(fields.new_password)
    is_done = await visit.database.write(
        _reset, email, fields.code, password_hash, visit.now, visit.catalog, visit.address
    )
    if not is_done:
        raise RefusedError(WRONG_CODE)


def _set_password(
    conn: Connection,
    user: User,
    password_hash: str,
    login_id: str,
    now: datetime,
    catalog: Catalog,
    actor: Actor,
) -> None:
    set_own_password(conn, user.id, password_hash)
    revoke_logins(conn, user.id, now, except_login_id=login_id)
    queue_mail(conn, password_changed_letter(catalog, user.email), now)
    record_action(conn, actor, "password.changed", user.id, now)


def _send_reset(conn: Connection, catalog: Catalog, email: str, now: datetime) -> None:
    if find_user(conn, email) is None:
        letter = unknown_reset_letter(catalog, email)
    else:
        code = issue_code(conn, CodePurpose.RESET_PASSWORD, email, now)
        letter = reset_letter(catalog, email, code)
    queue_mail(conn, letter, now)


def _reset(
    conn: Connection,
    email: str,
    code: str,
    password_hash: str,
    now: datetime,
    catalog: Catalog,
    address: str,
) -> bool:
    user = reset_password(conn, email, code, password_hash, now)
    if user is None:
        return False
    revoke_logins(conn, user.id, now)
    queue_mail(conn, password_changed_letter(catalog, user.email), now)
    record_action(conn, Actor(user.id, user.email, address), "password.reset", user.id, now)
    return True


CHANGE_PASSWORD = View(
    "/change_password",
    "change_password.html",
    load_change,
    "What a password must be like.",
    standing=Standing.WITH_GENERATED_PASSWORD,
)
RESET_PASSWORD = View(
    "/reset_password",
    "reset_password.html",
    load_reset,
    "What a password must be like.",
    standing=Standing.VISITOR,
)

VIEWS = (CHANGE_PASSWORD, RESET_PASSWORD)
ACTIONS = (
    Action(
        "/change_password",
        change_password,
        CHANGE_PASSWORD,
        "Change the password; ends all other logins.",
        fields=ChangePassword,
        then="/profile?notice=password_changed",
        standing=Standing.WITH_GENERATED_PASSWORD,
    ),
    Action(
        "/reset_password/code",
        send_reset_code,
        RESET_PASSWORD,
        "Send a code to choose a new password with.",
        fields=SendCode,
        standing=Standing.VISITOR,
    ),
    Action(
        "/reset_password",
        reset,
        RESET_PASSWORD,
        "Choose a new password with a code; ends all logins.",
        fields=ResetPassword,
        then="/sign_in?notice=password_changed",
        standing=Standing.VISITOR,
    ),
)
