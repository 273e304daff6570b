"""`whalefall keys …`: create (shown once), list, revoke."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from whalefall.accounts.api_keys import (
    APIKey,
    KeyLimits,
    create_api_key,
    list_api_keys,
    revoke_api_key,
)
from whalefall.accounts.key_rules import checked_rules
from whalefall.base.clock import SystemClock
from whalefall.base.errors import PlatformError
from whalefall.base.money import nanos_from_text, text_from_nanos
from whalefall.cli.audited import Deed, run_audited
from whalefall.cli.output import (
    AsJSON,
    DataDir,
    fail,
    instant_from_text,
    open_database,
    write_json,
    write_record,
    write_rows,
)
from whalefall.cli.users import user_by_email

app = typer.Typer(help="API keys. Only a digest is stored.", no_args_is_help=True)
UserEmail = Annotated[str, typer.Option("--user", help="E-mail address of the key's owner.")]


@app.command()
def create(
    user: UserEmail,
    name: Annotated[str, typer.Option(help="What the key is for; shown in lists and exports.")],
    expires: Annotated[
        str | None, typer.Option(help="Date or instant after which it stops, e.g. 2027-01-31.")
    ] = None,
    rpm: Annotated[int | None, typer.Option(help="At most so many requests a minute.")] = None,
    tpm: Annotated[int | None, typer.Option(help="At most so many tokens a minute.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="At most so many requests at a time.")
    ] = None,
    models: Annotated[str, typer.Option(help="Only these models, with commas between.")] = "",
    networks: Annotated[
        str, typer.Option(help="Only from these addresses or networks, e.g. 10.0.0.0/8.")
    ] = "",
    monthly_budget: Annotated[
        str | None, typer.Option(help="At most this amount a UTC month, in the owner's currency.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    with open_database(data_dir) as database:
        try:
            budget = None if monthly_budget is None else nanos_from_text(monthly_budget)
            key, secret = run_audited(
                database,
                Deed("api_key.created", lambda made: made[0].id, name),
                create_api_key,
                user_id=user_by_email(database, user).id,
                name=name,
                now=SystemClock().now(),
                expires_at=instant_from_text(expires) if expires else None,
                limits=KeyLimits(rpm, tpm, concurrency),
                rules=checked_rules(models, networks, budget),
            )
        except (PlatformError, ValueError) as error:
            fail(str(error))
    if as_json:
        write_json({"api_key": secret, **_row(key)})
    else:
        Console().print(f"{secret}\n(shown once; keep it)", highlight=False)


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option("--user", help="Only this user's keys.")] = None,
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """List keys, revoked ones included."""
    with open_database(data_dir) as database:
        user_id = user_by_email(database, user).id if user else None
        rows = [_row(key) for key in database.run(list_api_keys, user_id)]
    write_rows("API keys", rows, as_json=as_json)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it.")],
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Revoke a key. The next call with it is refused."""
    with open_database(data_dir) as database:
        try:
            revoked = Deed[APIKey]("api_key.revoked", lambda key: key.id)
            key = run_audited(database, revoked, revoke_api_key, key_id, SystemClock().now())
        except PlatformError as error:
            fail(error.message)
    write_record("API key", _row(key), as_json=as_json)


def _row(key: APIKey) -> dict[str, str | int | None]:
    return {
        "id": key.id,
        "user_id": key.user_id,
        "name": key.name,
        "masked": key.masked,
        "created_at": key.created_at.isoformat(),
        "last_used_at": _text(key.last_used_at),
        "expires_at": _text(key.expires_at),
        "revoked_at": _text(key.revoked_at),
        "rpm": key.limits.requests_per_minute,
        "tpm": key.limits.tokens_per_minute,
        "concurrency": key.limits.concurrency,
        "models": ", ".join(key.rules.models) or None,
        "networks": ", ".join(key.rules.networks) or None,
        "monthly_budget": _amount(key.rules.monthly_nanos),
    }


def _amount(nanos: int | None) -> str | None:
    return None if nanos is None else text_from_nanos(nanos)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
