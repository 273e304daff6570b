"""`whalefall users …`: create, set a password, list, suspend, reinstate, promote, demote."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.logins import revoke_logins
from whalefall.accounts.passwords import hash_password
from whalefall.accounts.roles import give_role
from whalefall.accounts.signup import set_own_password
from whalefall.accounts.users import (
    Role,
    User,
    create_user,
    find_user,
    list_users,
    reinstate_user,
    suspend_user,
)
from whalefall.base.clock import SystemClock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.base.money import Currency
from whalefall.cli.audited import Deed, run_audited
from whalefall.cli.output import AsJSON, DataDir, fail, open_database, write_record, write_rows

app = typer.Typer(help="People with an account.", no_args_is_help=True)
Email = Annotated[str, typer.Argument(help="The person's e-mail address.")]


@app.command()
def create(
    email: Email,
    currency: Annotated[Currency, typer.Option(help="What the account pays in.")] = Currency.CNY,
    admin: Annotated[bool, typer.Option(help="May operate the platform.")] = False,
    password: Annotated[
        str | None, typer.Option(help="For the console; without one there is no sign-in.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Create a user. The account starts empty; see `grant`."""
    with open_database(data_dir) as database:
        try:
            user = run_audited(
                database,
                Deed("user.created", _id, f"role={'admin' if admin else 'user'}"),
                create_user,
                email=email,
                now=SystemClock().now(),
                currency=currency,
                is_admin=admin,
                password_hash=hash_password(password) if password is not None else None,
            )
        except PlatformError as error:
            fail(error.message)
    write_record("User", _row(user), as_json=as_json)


@app.command()
def password(email: Email, data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """Set a password for the console, asked for or read from standard input. Ends all logins."""
    given = _asked_password()
    with open_database(data_dir) as database:
        user = user_by_email(database, email)
        try:
            database.run(_set_password, user, hash_password(given), SystemClock().now())
        except PlatformError as error:
            fail(error.message)
    write_record("User", _row(user), as_json=as_json)


def _asked_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _set_password(conn: Connection, user: User, password_hash: str, now: datetime) -> None:
    set_own_password(conn, user.id, password_hash)
    revoke_logins(conn, user.id, now)
    record_action(conn, Actor(None, "command line", "local"), "password.set", user.id, now)


@app.command("list")
def list_(data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """List all users."""
    with open_database(data_dir) as database:
        users: list[User] = []
        while page := database.run(list_users, after_email=users[-1].email if users else ""):
            users += page
    write_rows("Users", [_row(user) for user in users], as_json=as_json)


@app.command()
def suspend(email: Email, data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """Suspend a user: all their keys stop working at once; nothing is deleted."""
    with open_database(data_dir) as database:
        user_id = user_by_email(database, email).id
        suspended = Deed("user.suspended", _id)
        user = run_audited(database, suspended, suspend_user, user_id, SystemClock().now())
    write_record("User", _row(user), as_json=as_json)


@app.command()
def reinstate(email: Email, data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """End a suspension."""
    with open_database(data_dir) as database:
        user_id = user_by_email(database, email).id
        user = run_audited(database, Deed("user.reinstated", _id), reinstate_user, user_id)
    write_record("User", _row(user), as_json=as_json)


@app.command()
def promote(email: Email, data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """Make a user an operator: they may see and change everything in the console."""
    _give_role(email, Role.ADMIN, data_dir, as_json=as_json)


@app.command()
def demote(email: Email, data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """Make an operator a plain user. The last operator stays one."""
    _give_role(email, Role.USER, data_dir, as_json=as_json)


def _give_role(email: str, role: Role, data_dir: DataDir, *, as_json: bool) -> None:
    with open_database(data_dir) as database:
        user_id = user_by_email(database, email).id
        deed = Deed("user.role_changed", _id, f"role={role}")
        try:
            user = run_audited(database, deed, give_role, user_id, role)
        except PlatformError as error:
            fail(error.message)
    write_record("User", _row(user), as_json=as_json)


def user_by_email(database: Database, email: str) -> User:
    """Ends the command with an error when there is no such user."""
    user = database.run(find_user, email)
    if user is None:
        fail(f"there is no user {email}; see `whalefall users list`")
    return user


def _id(user: User) -> str:
    return user.id


def _row(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "currency": user.currency.value,
        "role": user.role.value,
        "created_at": user.created_at.isoformat(),
        "is_suspended": user.is_suspended,
    }
