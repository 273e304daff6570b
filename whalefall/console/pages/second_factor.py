"""The second step of signing in, and turning it on and off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from markupsafe import Markup
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.logins import Login
from whalefall.accounts.second_factor import (
    authenticator_url,
    complete_login,
    confirm_second_factor,
    prepare_second_factor,
    remove_second_factor,
    renew_recovery_codes,
    second_factor_of,
    use_second_factor,
)
from whalefall.accounts.throttles import Limit, forget_tries, may_try
from whalefall.base.errors import RateLimitedError
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.language import mark
from whalefall.console.pages.passwords import check_password
from whalefall.console.pages.sign_in import TOO_MANY_TRIES
from whalefall.console.qr_codes import qr_code
from whalefall.console.routing import Action, View
from whalefall.console.session import Standing, Visit

TRIES = Limit("second_factor", 8, timedelta(minutes=15))
WRONG = mark("That code is not right, or was used already.")


class Code(msgspec.Struct, frozen=True):
    code: str = ""


class PasswordAndCode(msgspec.Struct, frozen=True):
    password: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class SecondFactorPage:
    is_on: bool
    num_recovery_codes: int
    secret: str | None
    """To be typed into an authenticator; only until the factor is on."""
    url: str | None

    @property
    def qr_code(self) -> Markup:
        """The same to be scanned."""
        assert self.url is not None
        return qr_code(self.url)


@dataclass(frozen=True, slots=True)
class RecoveryCodes:
    codes: list[str]
    """Shown once."""


async def load_question(_visit: Visit, _query: NoFields) -> None:
    return None


async def answer(visit: Visit, fields: Code) -> None:
    await _check_tries(visit)
    if not await visit.database.write(
        _complete, visit.current_login, fields.code, visit.actor, visit.now
    ):
        raise RefusedError(WRONG)


async def load_settings(visit: Visit, _query: NoFields) -> SecondFactorPage:
    state = await visit.database.read(second_factor_of, visit.person.id)
    if state.is_on:
        return SecondFactorPage(True, state.num_recovery_codes, None, None)
    secret = await visit.database.write(prepare_second_factor, visit.person.id, visit.now)
    url = authenticator_url(secret, visit.person.email)
    return SecondFactorPage(False, 0, secret, url)


async def turn_on(visit: Visit, fields: Code) -> RecoveryCodes:
    await _check_tries(visit)
    codes = await visit.database.write(_turn_on, fields.code, visit.actor, visit.now)
    if codes is None:
        raise RefusedError(WRONG)
    return RecoveryCodes(codes)


async def renew_codes(visit: Visit, fields: PasswordAndCode) -> RecoveryCodes:
    await _check_both(visit, fields)
    return RecoveryCodes(
        await visit.database.write(renew_recovery_codes, visit.person.id, visit.now)
    )


async def turn_off(visit: Visit, fields: PasswordAndCode) -> None:
    await _check_both(visit, fields)
    await visit.database.write(_turn_off, visit.actor, visit.now)


async def _check_both(visit: Visit, fields: PasswordAndCode) -> None:
    await check_password(visit, fields.password)
    await _check_tries(visit)
    if not await visit.database.write(use_second_factor, visit.person.id, fields.code, visit.now):
        raise RefusedError(WRONG)


async def _check_tries(visit: Visit) -> None:
    if not await visit.database.write(may_try, TRIES, visit.person.id, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)


def _complete(conn: Connection, login: Login, code: str, actor: Actor, now: datetime) -> bool:
    if not use_second_factor(conn, login.user_id, code, now):
        return False
    complete_login(conn, login.id, now)
    forget_tries(conn, TRIES, login.user_id)
    record_action(conn, actor, "login.completed", login.user_id, now)
    return True


def _turn_on(conn: Connection, code: str, actor: Actor, now: datetime) -> list[str] | None:
    assert actor.id is not None
    codes = confirm_second_factor(conn, actor.id, code, now)
    if codes is not None:
        record_action(conn, actor, "second_factor.on", actor.id, now)
    return codes


def _turn_off(conn: Connection, actor: Actor, now: datetime) -> None:
    assert actor.id is not None
    remove_second_factor(conn, actor.id)
    record_action(conn, actor, "second_factor.off", actor.id, now)


QUESTION = View(
    "/second_factor",
    "second_factor.html",
    load_question,
    "Nothing; the second step is a call of its own.",
    standing=Standing.HALF_SIGNED_IN,
)
SETTINGS = View(
    "/profile/second_factor",
    "second_factor_settings.html",
    load_settings,
    "Whether two-step sign-in is on, and the secret to turn it on with.",
)

VIEWS = (QUESTION, SETTINGS)
ACTIONS = (
    Action(
        "/second_factor",
        answer,
        QUESTION,
        "Complete a login with a code of the authenticator or a recovery code.",
        fields=Code,
        then="/",
        standing=Standing.HALF_SIGNED_IN,
    ),
    Action(
        "/profile/second_factor",
        turn_on,
        SETTINGS,
        "Turn two-step sign-in on; answers with the recovery codes.",
        fields=Code,
    ),
    Action(
        "/profile/second_factor/codes",
        renew_codes,
        SETTINGS,
        "Replace the recovery codes.",
        fields=PasswordAndCode,
    ),
    Action(
        "/profile/second_factor/off",
        turn_off,
        SETTINGS,
        "Turn two-step sign-in off.",
        fields=PasswordAndCode,
        then="/profile?notice=second_factor_off",
    ),
)
