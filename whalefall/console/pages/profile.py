"""The person's own page: who they are here, where they are signed in, and the way out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

import msgspec
from sqlalchemy import Connection
from starlette.responses import Response

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.closure import close_account
from whalefall.accounts.logins import Login, list_logins, revoke_login, revoke_logins
from whalefall.accounts.profiles import Profile, get_profile, set_profile
from whalefall.accounts.second_factor import second_factor_of
from whalefall.accounts.users import User
from whalefall.accounts.verification import Identity, verified_identity
from whalefall.base.money import Currency, nanos_from_text
from whalefall.billing.history import forfeit_balances
from whalefall.billing.ledger import Balance
from whalefall.console.forms import NoFields, RefusedError
from whalefall.console.language import mark
from whalefall.console.pages.passwords import check_password
from whalefall.console.pages.usage import shown_balances
from whalefall.console.routing import Action, View, redirect
from whalefall.console.session import Visit, sign_out_browser


class LoginId(msgspec.Struct, frozen=True):
    login_id: Annotated[str, msgspec.Meta(max_length=64)]


class BalanceAlert(msgspec.Struct, frozen=True):
    threshold: Annotated[str, msgspec.Meta(max_length=30)] = ""
    """An amount in the account's currency; empty: no letter."""


class DeleteAccount(msgspec.Struct, frozen=True):
    email: str = ""
    """The account's own address, typed out, as the confirmation."""
    password: str = ""


@dataclass(frozen=True, slots=True)
class ProfilePage:
    user_id: str
    email: str
    currency: Currency
    created_at: datetime
    identity: Identity | None
    has_second_factor: bool
    alert_nanos: int | None
    logins: tuple[Login, ...]
    current_login_id: str


@dataclass(frozen=True, slots=True)
class DeletePage:
    email: str
    balances: tuple[Balance, ...]


async def load_profile(visit: Visit, _query: NoFields) -> ProfilePage:
    return await visit.database.read(_profile, visit.person, visit.current_login.id, visit.now)


async def load_delete(visit: Visit, _query: NoFields) -> DeletePage:
    wallets = await visit.database.read(shown_balances, visit.person, visit.now)
    return DeletePage(visit.person.email, wallets)


async def end_one_login(visit: Visit, fields: LoginId) -> None:
    await visit.database.write(_end_login, visit.actor, fields.login_id, visit.now)


async def end_other_logins(visit: Visit, _fields: NoFields) -> None:
    await visit.database.write(
        revoke_logins, visit.person.id, visit.now, except_login_id=visit.current_login.id
    )


async def set_alert(visit: Visit, fields: BalanceAlert) -> None:
    nanos = None
    if fields.threshold.strip():
        try:
            nanos = nanos_from_text(fields.threshold)
        except ValueError:
            raise RefusedError(mark("That is not an amount; write it like 12.50.")) from None
        if nanos < 0:
            raise RefusedError(mark("That is not an amount; write it like 12.50."))
    await visit.database.write(_set_alert, visit.person.id, nanos)


async def delete_account(visit: Visit, fields: DeleteAccount) -> None:
    if fields.email.strip().lower() != visit.person.email:
        raise RefusedError(mark("Type the account's e-mail address to confirm."))
    await check_password(visit, fields.password)
    if visit.person.is_admin:
        raise RefusedError(mark("An operator's account cannot be deleted here."))
    await visit.database.write(_delete, visit.actor, visit.now)


def after_deletion(visit: Visit, _result: None) -> Response:
    response = redirect(visit, "/sign_in?notice=account_deleted")
    sign_out_browser(response, visit.context)
    return response


def _profile(conn: Connection, user: User, login_id: str, now: datetime) -> ProfilePage:
    profile = get_profile(conn, user.id)
    return ProfilePage(
        user_id=user.id,
        email=user.email,
        currency=user.currency,
        created_at=user.created_at,
        identity=verified_identity(conn, user.id),
        has_second_factor=second_factor_of(conn, user.id).is_on,
        alert_nanos=profile.alert_nanos,
        logins=tuple(list_logins(conn, user.id, now)),
        current_login_id=login_id,
    )


def _end_login(conn: Connection, actor: Actor, login_id: str, now: datetime) -> None:
    assert actor.id is not None
    revoke_login(conn, login_id, actor.id, now)
    record_action(conn, actor, "login.revoked", login_id, now)


def _set_alert(conn: Connection, user_id: str, nanos: int | None) -> None:
    profile: Profile = get_profile(conn, user_id)
    set_profile(conn, replace(profile, alert_nanos=nanos, alert_sent_at=None))


def _delete(conn: Connection, actor: Actor, now: datetime) -> None:
    """Money, keys and the person, together or not at all."""
    assert actor.id is not None
    given_up = forfeit_balances(conn, actor.id, now)
    close_account(conn, actor.id, now)
    detail = ", ".join(f"{each.amount_nanos} nanos {each.currency}" for each in given_up)
    record_action(conn, Actor(actor.id, "", actor.address), "user.deleted", actor.id, now, detail)


PROFILE = View("/profile", "profile.html", load_profile, "The account and where it is signed in.")
DELETE = View("/profile/delete", "delete_account.html", load_delete, "What would be given up.")

VIEWS = (PROFILE, DELETE)
ACTIONS = (
    Action(
        "/profile/logins/revoke",
        end_one_login,
        PROFILE,
        "Sign one login out.",
        fields=LoginId,
        then="/profile?notice=login_revoked",
    ),
    Action(
        "/profile/logins/revoke_others",
        end_other_logins,
        PROFILE,
        "Sign out everywhere else.",
        then="/profile?notice=logins_revoked",
    ),
    Action(
        "/profile/alert",
        set_alert,
        PROFILE,
        "Below which balance to write a letter.",
        fields=BalanceAlert,
        then="/profile?notice=saved",
    ),
    Action(
        "/profile/delete",
        delete_account,
        DELETE,
        "Delete the account for good: the balance is given up, keys stop at once.",
        fields=DeleteAccount,
        then=after_deletion,
    ),
)
