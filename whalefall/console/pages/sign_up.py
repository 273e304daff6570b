"""Creating an account: a code by mail, then the code with a password. Nothing here tells whether an
address has an account; its owner is told by mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.logins import Device, create_login
from whalefall.accounts.signup import CodePurpose, NewAccount, issue_code
from whalefall.accounts.signup import sign_up as open_account
from whalefall.accounts.throttles import Limit, may_try
from whalefall.accounts.users import find_user, normal_email
from whalefall.base.errors import InvalidRequestError, RateLimitedError
from whalefall.base.mail import queue_mail
from whalefall.base.money import Currency
from whalefall.billing.sign_up_grants import SignUpGrantRule, grant_at_sign_up
from whalefall.console.forms import RefusedError
from whalefall.console.language import Catalog, Language, mark
from whalefall.console.letters import already_registered_letter, sign_up_letter
from whalefall.console.pages.sign_in import TOO_MANY_TRIES, SignedIn, to_next
from whalefall.console.routing import Action, View
from whalefall.console.session import Standing, Visit

CODES_PER_EMAIL = Limit("code_email", 5, timedelta(hours=1))
CODES_PER_ADDRESS = Limit("code_address", 20, timedelta(hours=1))
ACCOUNTS_PER_ADDRESS = Limit("account_address", 20, timedelta(hours=1))
DOMAIN_REFUSED = mark(
    "Sign-up failed: this e-mail domain is not supported. Please use another address, or write "
    "to %(service_email)s."
)
NOT_AN_ADDRESS = mark("That is not an e-mail address; write it like ann@example.org.")
WRONG_CODE = mark("The verification code is wrong or has expired.")


class SignUpQuery(msgspec.Struct, frozen=True):
    email: str = ""


class SendCode(msgspec.Struct, frozen=True):
    email: str = ""


class SignUp(msgspec.Struct, frozen=True):
    email: str = ""
    code: str = ""
    password: str = ""
    currency: Currency = Currency.CNY


@dataclass(frozen=True, slots=True)
class SignUpPage:
    currencies: tuple[Currency, ...]
    preferred_currency: Currency
    shows_outbox: bool


@dataclass(frozen=True, slots=True)
class CodeSent:
    email: str


async def load_sign_up(visit: Visit, _query: SignUpQuery) -> SignUpPage:
    preferred = Currency.CNY if visit.language is Language.CHINESE else Currency.USD
    return SignUpPage(tuple(Currency), preferred, visit.context.shows_outbox)


async def send_code(visit: Visit, fields: SendCode) -> CodeSent:
    email = checked_address(fields.email)
    if not visit.context.email_domains.admits(email):
        raise RefusedError(DOMAIN_REFUSED, service_email=visit.context.service_email)
    if not await visit.database.write(may_send_code, email, visit.address, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)
    await visit.database.write(_send, visit.catalog, email, visit.now)
    return CodeSent(email)


async def sign_up(visit: Visit, fields: SignUp) -> SignedIn:
    email = checked_address(fields.email)
    if not visit.context.email_domains.admits(email):
        raise RefusedError(DOMAIN_REFUSED, service_email=visit.context.service_email)
    if not await visit.database.write(may_try, ACCOUNTS_PER_ADDRESS, visit.address, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)
    password_hash = await visit.console.passwords.hash(fields.password)
    account = NewAccount(email, fields.code, password_hash, fields.currency, visit.language.value)
    rule = visit.context.sign_up_grant
    signed_in = await visit.database.write(_open, account, visit.device, rule, visit.now)
    if signed_in is None:
        raise RefusedError(WRONG_CODE)
    return signed_in


def checked_address(email: str) -> str:
    try:
        return normal_email(email)
    except InvalidRequestError:
        raise RefusedError(NOT_AN_ADDRESS) from None


def may_send_code(conn: Connection, email: str, address: str, now: datetime) -> bool:
    return all(
        [
            may_try(conn, CODES_PER_EMAIL, email, now),
            may_try(conn, CODES_PER_ADDRESS, address, now),
        ]
    )


def _send(conn: Connection, catalog: Catalog, email: str, now: datetime) -> None:
    if find_user(conn, email) is None:
        code = issue_code(conn, CodePurpose.SIGN_UP, email, now)
        letter = sign_up_letter(catalog, email, code)
    else:
        letter = already_registered_letter(catalog, email)
    queue_mail(conn, letter, now)


def _open(
    conn: Connection, account: NewAccount, device: Device, rule: SignUpGrantRule, now: datetime
) -> SignedIn | None:
    user = open_account(conn, account, now)
    if user is None:
        return None
    grant_at_sign_up(conn, rule, user, now)
    login, token = create_login(conn, user.id, device, now, needs_second_factor=False)
    actor = Actor(user.id, user.email, device.address)
    record_action(conn, actor, "user.signed_up", user.id, now)
    return SignedIn(token, login.expires_at, False, False, "/")


SIGN_UP = View(
    "/sign_up",
    "sign_up.html",
    load_sign_up,
    "What signing up asks for.",
    query=SignUpQuery,
    standing=Standing.VISITOR,
)
SEND_CODE_ACTION = Action(
    "/sign_up/code",
    send_code,
    SIGN_UP,
    "Send a verification code to an address.",
    fields=SendCode,
    standing=Standing.VISITOR,
)
SIGN_UP_ACTION = Action(
    "/sign_up",
    sign_up,
    SIGN_UP,
    "Create an account with the code; signs in.",
    fields=SignUp,
    then=to_next,
    standing=Standing.VISITOR,
)

VIEWS = (SIGN_UP,)
ACTIONS = (SEND_CODE_ACTION, SIGN_UP_ACTION)
